use super::*;

fn chosen(wishes: &[(&str, &str)]) -> Option<String> {
    let read: Vec<(&str, Scopes)> = wishes
        .iter()
        .map(|(who, what)| (*who, Scopes::parse(what)))
        .collect();
    let of = |who: &str| read.iter().find(|(w, _)| *w == who).map(|(_, s)| s);
    choose(&Wishes {
        pinned: of("pinned"),
        challenge: of("challenge"),
        resource: of("resource"),
        before: of("before"),
        step_up: of("step_up").is_some(),
        server: of("server"),
    })
    .map(|scopes| scopes.to_string())
}

#[test]
fn the_order_is_user_challenge_resource_none() {
    for (name, wishes, wanted) in [
        ("nothing", vec![], None),
        ("empty list", vec![("resource", "")], None),
        (
            "empty challenge",
            vec![("challenge", ""), ("resource", "a")],
            Some("a"),
        ),
        ("resource", vec![("resource", "a b")], Some("a b")),
        (
            "challenge",
            vec![("challenge", "c"), ("resource", "a b")],
            Some("c"),
        ),
        (
            "pinned",
            vec![("pinned", "p"), ("resource", "a")],
            Some("p"),
        ),
        (
            "never invented",
            vec![("server", "openid email offline_access")],
            None,
        ),
        (
            "offline",
            vec![("resource", "a"), ("server", "offline_access")],
            Some("a offline_access"),
        ),
        (
            "offline unknown",
            vec![("resource", "a"), ("server", "b")],
            Some("a"),
        ),
        (
            "offline not for the pinned",
            vec![("pinned", "p"), ("server", "offline_access")],
            Some("p"),
        ),
        (
            "step up",
            vec![("step_up", ""), ("challenge", "w"), ("before", "r")],
            Some("r w"),
        ),
        (
            "step up, pinned",
            vec![("step_up", ""), ("pinned", "p"), ("challenge", "w")],
            Some("p w"),
        ),
        (
            "pinned, challenged",
            vec![("pinned", "p"), ("challenge", "w"), ("before", "b")],
            Some("p"),
        ),
        (
            "no stepping down",
            vec![("challenge", "r"), ("before", "r w")],
            Some("r w"),
        ),
    ] {
        assert_eq!(chosen(&wishes).as_deref(), wanted, "{name}");
    }
}

#[test]
fn a_set_is_ordered_and_has_no_doubles() {
    let scopes = Scopes::parse("b a  b\ta c");
    assert_eq!(scopes.to_string(), "b a c");
    assert!(scopes.covers(&Scopes::parse("c a")));
    assert!(!scopes.covers(&Scopes::parse("d")));
}

#[test]
fn words_that_are_no_scopes_are_left_out() {
    assert_eq!(Scopes::parse("a \"b\" c\\d e\u{7f} é f").to_string(), "a f");
}
