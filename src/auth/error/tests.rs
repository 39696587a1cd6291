use super::*;

/// Covers the hint, and the rest of it for a user who has just signed in.
#[test]
fn each_cause_names_its_way_out_and_after_a_login_not_to_log_in_again() {
    let host = || "as.example.com".to_owned();
    let braked = |last: Option<Cause>| Cause::TooManyWindows {
        windows: 3,
        last: last.map(Arc::new),
    };
    let failing = token_endpoint::Error::Failing {
        host: host(),
        status: 500,
        minutes: 10,
    };
    let seconds = 60;
    for (why, login, flag) in [
        (braked(None), true, None),
        (
            braked(Some(Cause::NotBound { host: host() })),
            false,
            Some("--dpop"),
        ),
        (
            braked(Some(Cause::TooLate {
                host: host(),
                seconds,
            })),
            true,
            Some("--auth-timeout"),
        ),
        (
            Cause::Rejected {
                host: host(),
                is_renewable: false,
            },
            true,
            Some("--resource"),
        ),
        (failing.into(), true, None),
        (
            discovery::Error::Unexpected {
                asked: "a".to_owned(),
                found: "b".to_owned(),
                expected: "c".to_owned(),
            }
            .into(),
            false,
            Some("--expect-issuer"),
        ),
    ] {
        let hint = why.hint("https://mcp.example.com?key=k").unwrap();
        assert_eq!(hint.contains("`mcpipe login"), login, "{why}: {hint}");
        assert!(!hint.contains("key"), "{hint}");
        let after = why.way_out("https://mcp.example.com");
        assert_eq!(after.is_some(), flag.is_some(), "{why}: {after:?}");
        let after = after.unwrap_or_default();
        assert!(after.contains(flag.unwrap_or_default()), "{why}: {after}");
        assert!(!after.contains("`mcpipe login"), "{why}: {after}");
    }
    let why = braked(None).into_guess(&Challenge::default(), None, &[]);
    assert!(matches!(why, Cause::TooManyWindows { .. }), "{why:?}");
}

#[test]
fn a_sign_in_elsewhere_keeps_its_hint_and_a_refused_scope_names_the_command() {
    let elsewhere = Cause::OtherProcessFailed {
        text: "the server answered HTTP 500".to_owned(),
        hint: Some("try again later".to_owned()),
        is_passing: true,
    };
    assert_eq!(elsewhere.hint("r").as_deref(), Some("try again later"));
    let refused = Cause::ScopeRefused { scope: None };
    let hint = refused.hint("https://a.example/mcp?key=canary").unwrap();
    assert!(
        hint.contains("`mcpipe login https://a.example/mcp?…`"),
        "{hint}"
    );
    assert!(hint.contains("--scope"), "{hint}");
    // The second hint is for a user who has just run that command.
    assert!(!refused.way_out("r").unwrap().contains("mcpipe login"));
}
