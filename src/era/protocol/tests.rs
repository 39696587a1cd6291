use super::extension::Extension;
use super::revision::Revision;
use super::rules::{Method, Standing};
use super::*;

const CURSED: Standing = Standing {
    confirmed_by: "notifications/x/begun",
    ended_by: None,
    cursor: None,
};
const MADE_UP: Extension = Extension {
    id: "com.example/x",
    methods: &[
        Method::new("x/look").harmless(),
        Method::new("x/watch").standing(CURSED),
    ],
    lists: &[("xListChanged", "x")],
};

#[test]
fn a_row_is_all_that_a_revision_or_an_extension_needs() {
    let named = ["2099-01-01".to_owned(), MODERN.to_owned()];
    assert_eq!(newest_modern_of(&named), Some(MODERN));
    assert!(!is_harmless("x/look") && standing("x/watch").is_none());
    let revision = Revision {
        name: "2099-01-01",
        is_legacy: false,
    };
    with_added(vec![revision], Some(MADE_UP), || {
        assert_eq!(newest_modern_of(&named), Some("2099-01-01"));
        assert!(is_modern("2099-01-01") && !is_legacy("2099-01-01"));
        assert!(is_harmless("x/look") && standing("x/watch") == Some(CURSED));
        let lists = list_changes().filter(|list| list.extension == Some("com.example/x"));
        assert!(lists.map(|list| list.filter).eq(["xListChanged"]));
    });
    assert_eq!(newest_modern_of(&named), Some(MODERN));
}

#[test]
fn a_result_says_what_it_is() {
    // MCP 2026-07-28, basic
    for (said, kind) in [
        (None, ResultKind::Complete),
        (Some(r#""complete""#), ResultKind::Complete),
        (Some(r#""comple\u0074e""#), ResultKind::Complete),
        (Some(r#""input_required""#), ResultKind::InputRequired),
        (Some(r#""task""#), ResultKind::Task),
        (Some(r#""later""#), ResultKind::Other),
        (Some("1"), ResultKind::Other),
        (Some("null"), ResultKind::Other),
    ] {
        assert_eq!(ResultKind::read(said), kind, "{said:?}");
    }
}
