use super::made_up::{EXTENSION, REVISION, WATCHING, with_made_up};
use super::*;

#[test]
fn a_row_is_all_that_a_revision_or_an_extension_needs() {
    let named = [REVISION.to_owned(), MODERN.to_owned()];
    assert_eq!(newest_modern_of(&named), Some(MODERN));
    assert!(!is_harmless("x/look") && standing("x/watch").is_none());
    with_made_up(|| {
        assert_eq!(newest_modern_of(&named), Some(REVISION));
        assert!(is_modern(REVISION) && !is_legacy(REVISION));
        assert!(is_harmless("x/look") && standing("x/watch") == Some(WATCHING));
        let lists = list_changes().filter(|list| list.extension == Some(EXTENSION));
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
