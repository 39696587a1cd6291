//! Names and values that tell a secret from a text that may stand in the arguments, where every user of the machine
//! reads it.

/// Words of a name that holds a secret.
const WORDS: [&str; 17] = [
    "apikey",
    "auth",
    "authentication",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "credentials",
    "jwt",
    "key",
    "pass",
    "passwd",
    "password",
    "pat",
    "secret",
    "signature",
    "token",
];

/// Names that have one of those words and hold no secret: their values are new with every request.
const NOT: [&str; 2] = ["idempotency-key", "sec-websocket-key"];

/// Says whether a header or parameter of this name holds a secret, by the words of the name or the end of one
/// (`X-AccessToken`).
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    if NOT.contains(&name.as_str()) {
        return false;
    }
    let ends = ["token", "secret", "apikey", "password"];
    name.split(['-', '_', '.'])
        .any(|word| WORDS.contains(&word) || ends.iter().any(|end| word.ends_with(end)))
}

/// Says whether a header's value is a credential by its looks, whatever the header's name: an authentication scheme of
/// RFC 9110 section 11 before it, or a JSON Web Token (RFC 7519).
pub(crate) fn is_secret_value(value: &str) -> bool {
    let scheme = value.split_once(' ').map(|(scheme, _)| scheme);
    let is_scheme = |scheme: &str| {
        ["bearer", "basic", "token", "apikey"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
    };
    scheme.is_some_and(is_scheme) || (value.starts_with("eyJ") && value.matches('.').count() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_by_their_names_and_by_their_looks() {
        for (name, value, wanted) in [
            ("Authorization", "x", true),
            ("Proxy-Authorization", "x", true),
            ("X-Api-Key", "x", true),
            ("x_api_key", "x", true),
            ("ApiKey", "x", true),
            ("X-AccessToken", "x", true),
            ("PRIVATE-TOKEN", "x", true),
            ("CF-Access-Client-Secret", "x", true),
            ("Cookie", "a=b", true),
            ("X-Auth", "x", true),
            ("DD-APPLICATION-KEY", "x", true),
            ("X-Custom", "Bearer abc", true),
            ("X-Custom", "basic abc", true),
            ("X-Custom", "eyJhbGciOiJub25lIn0.e30.x", true),
            ("X-Custom", "eyJ", false),
            ("X-Author", "x", false),
            ("X-Team", "blue", false),
            ("X-Keyboard", "x", false),
            ("Idempotency-Key", "x", false),
            ("X-Passport", "x", false),
            ("User-Agent", "my host", false),
        ] {
            let is_told = is_secret_name(name) || is_secret_value(value);
            assert_eq!(is_told, wanted, "{name}: {value}");
        }
    }
}
