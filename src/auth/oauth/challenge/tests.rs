use super::*;
use proptest::prelude::*;

fn read(fields: &[&str]) -> Challenge {
    let mut headers = HeaderMap::new();
    for field in fields {
        headers.append(WWW_AUTHENTICATE, field.parse().unwrap());
    }
    Challenge::read(401, &headers)
}

/// A fixture is `WWW-Authenticate:` lines, an empty line, and the expected result; a `#` line is a note.
#[test]
fn every_challenge_in_the_fixtures_is_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/challenges");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let mut headers = HeaderMap::new();
        let mut wanted = Challenge {
            status: 401,
            ..Challenge::default()
        };
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").unwrap();
            let value = value.to_owned();
            match name {
                "WWW-Authenticate" => {
                    headers.append(
                        WWW_AUTHENTICATE,
                        http::HeaderValue::from_bytes(value.as_bytes()).unwrap(),
                    );
                }
                "resource_metadata" => wanted.resource_metadata = Some(value),
                "scope" => wanted.scope = Some(value),
                "error" => wanted.error = Some(value),
                "error_description" => wanted.description = Some(value),
                "takes_dpop" => wanted.takes_dpop = value == "yes",
                other => panic!("{other} in {}", path.display()),
            }
        }
        assert_eq!(Challenge::read(401, &headers), wanted, "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 20, "only {seen} fixtures");
}

#[test]
fn no_header_is_still_a_challenge() {
    assert_eq!(read(&[]).status, 401);
    assert_eq!(read(&[]).scope, None);
}

#[test]
fn an_empty_scope_is_kept_apart_from_none() {
    assert_eq!(read(&[r#"Bearer scope="""#]).scope.as_deref(), Some(""));
}

#[test]
fn only_insufficient_scope_wants_more_scope() {
    assert!(read(&[r#"Bearer error="insufficient_scope""#]).wants_more_scope());
    assert!(!read(&[r#"Bearer error="invalid_token""#]).wants_more_scope());
}

proptest! {
    #[test]
    fn nothing_a_server_sends_breaks_the_reader(text in "[ -~\t]{0,200}") {
        let _ = offers(&text);
    }

    #[test]
    fn what_is_quoted_is_read_back(value in "[ -~]{0,60}") {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        let field = format!(r#"Basic realm="a, Bearer scope=no", bEaReR realm="x",SCOPE="{quoted}", error=e"#);
        let challenge = read(&[&field]);
        prop_assert_eq!(challenge.scope, Some(value));
        prop_assert_eq!(challenge.error, Some("e".to_owned()));
    }
}
