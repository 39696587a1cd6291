use super::*;

#[test]
fn a_refusal_teaches_by_its_code_or_its_number() {
    for (code, description, wanted) in [
        ("invalid_target", None, Some(Adjustment::NoResource)),
        (
            "invalid_request",
            Some("AADSTS9010010: The resource parameter doesn't match"),
            Some(Adjustment::NoResource),
        ),
        (
            "invalid_request",
            Some("x AADSTS901002: not supported"),
            Some(Adjustment::NoResource),
        ),
        ("invalid_request", Some("AADSTS9010021: other"), None),
        (
            "invalid_request",
            Some("AADSTS90009: requesting a token for itself"),
            Some(Adjustment::RepeatScope),
        ),
        (
            "invalid_request",
            Some("Unknown parameter: resource"),
            Some(Adjustment::NoResource),
        ),
        (
            "error",
            Some("'resource' is not allowed"),
            Some(Adjustment::NoResource),
        ),
        (
            "http_400",
            Some("Resource parameter not supported"),
            Some(Adjustment::NoResource),
        ),
        (
            "access_denied",
            Some("The resource owner or authorization server denied the request"),
            None,
        ),
        ("invalid_request", Some("resource owner is unknown"), None),
        (
            "invalid_request",
            Some("the resource server is unknown"),
            None,
        ),
        ("invalid_request", Some("no resources left"), None),
        ("invalid_scope", Some("resource has no such scope"), None),
        ("invalid_grant", Some("expired"), None),
        ("invalid_grant", None, None),
    ] {
        assert_eq!(
            Adjustment::of(code, description),
            wanted,
            "{code} {description:?}"
        );
    }
}
