//! Secrets by their looks: tokens of known makers, keys, and values that stand under the name of a secret.

use crate::secret::shapes::is_secret_name;

/// The beginnings of tokens, each with the fewest letters and digits behind it.
const TOKENS: [(&str, usize); 21] = [
    ("ghp_", 30),
    ("gho_", 30),
    ("ghs_", 30),
    ("ghu_", 30),
    ("github_pat_", 30),
    ("glpat-", 18),
    ("sk-ant-", 24),
    ("sk-proj-", 24),
    ("sk_live_", 20),
    ("rk_live_", 20),
    ("sk-", 32),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("xapp-", 20),
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("npm_", 30),
    ("hf_", 30),
    ("dop_v1_", 40),
    ("SG.", 40),
];

/// The longest token, in characters, and the number of places of one text that are looked at for each beginning: a server
/// chooses how many there are.
const LONGEST: usize = 300;
const TRIES: usize = 200;
/// The longest JSON Web Token that is looked at, in bytes.
const LONGEST_JWT: usize = 4096;

/// Words of values that stand for a secret instead of being one.
const EXAMPLES: [&str; 14] = [
    "xxx",
    "your",
    "example",
    "...",
    "placeholder",
    "changeme",
    "redacted",
    "dummy",
    "sample",
    "fake",
    "123456",
    "abcdef",
    "***",
    "<",
];

/// Returns the place of a token in a text, in bytes.
pub(super) fn token(text: &str) -> Option<usize> {
    for (prefix, fewest) in TOKENS {
        for (at, _) in text.match_indices(prefix).take(TRIES) {
            let before = text.get(..at).unwrap_or_default();
            let rest = text.get(at + prefix.len()..).unwrap_or_default();
            let length = rest
                .chars()
                .take(LONGEST)
                .take_while(|c| c.is_ascii_alphanumeric() || "_-.".contains(*c))
                .count();
            let value = rest.get(..length).unwrap_or_default();
            if length >= fewest
                && !before.ends_with(|c: char| c.is_ascii_alphanumeric())
                && is_random(value)
            {
                return Some(at);
            }
        }
    }
    let jwt = text
        .match_indices("eyJ")
        .take(TRIES)
        .map(|(at, _)| at)
        .find(|at| {
            let rest = text.get(*at..).unwrap_or_default();
            let part = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
            let end = rest.bytes().take(LONGEST_JWT).position(|byte| !part(&byte));
            let end = end.unwrap_or(rest.len().min(LONGEST_JWT));
            let token = rest.get(..end).unwrap_or_default();
            let token = token.trim_end_matches('.');
            token.matches('.').count() == 2 && token.len() > 60
        });
    jwt.or_else(|| {
        text.find("-----BEGIN ").filter(|at| {
            text.get(*at..).is_some_and(|rest| {
                rest.lines()
                    .next()
                    .is_some_and(|line| line.contains("PRIVATE KEY-----"))
            })
        })
    })
}

/// Says whether the value under a name is a secret, or only stands for one.
pub(super) fn is_value_of_secret(name: &str, value: &str) -> bool {
    let spelled: String = name
        .chars()
        .flat_map(|c| c.is_ascii_uppercase().then_some('_').into_iter().chain([c]))
        .collect();
    value.len() >= 16 && (is_secret_name(name) || is_secret_name(&spelled)) && is_random(value)
}

/// Says whether a value is none that a person made up as an example: letters and digits, and no words.
fn is_random(value: &str) -> bool {
    let small = value.to_ascii_lowercase();
    let has_digit = value.chars().any(|c| c.is_ascii_digit());
    let has_letter = value.chars().any(|c| c.is_ascii_alphabetic());
    let mut kinds: Vec<char> = value.chars().collect();
    kinds.sort_unstable();
    kinds.dedup();
    has_digit
        && has_letter
        && kinds.len() >= 8
        && !value.contains(char::is_whitespace)
        && !value.contains("://")
        && !EXAMPLES.iter().any(|word| small.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_from_examples() {
        for secret in [
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "use sk-proj-9sKq2mVn7LxT4wRb8ZcYd3FhG6Jp1Q for this",
            "AKIAQ3EGRV7ZPLBN2XKD",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqb2huIiwiYWRtaW4iOnRydWV9.c2lnbmF0dXJlLW9mLXRoaXM",
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
        ] {
            assert!(token(secret).is_some(), "{secret}");
        }
        for other in [
            "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "sk-your-key-here-1234567890-abcdefghij",
            "task-management-of-2025-for-everything-else",
            "AKIAIOSFODNN7EXAMPLE",
            "eyJ",
            "-----BEGIN CERTIFICATE-----",
        ] {
            assert_eq!(token(other), None, "{other}");
        }
        assert!(is_value_of_secret("api_key", "b7Qz91mXk4LpR8vT2wYc"));
        assert!(is_value_of_secret("accessToken", "b7Qz91mXk4LpR8vT2wYc"));
        for (name, value) in [
            ("api_key", "YOUR_KEY_1234567890"),
            ("sort_key", "created_at_descending"),
            ("city", "b7Qz91mXk4LpR8vT2wYc"),
        ] {
            assert!(!is_value_of_secret(name, value), "{name} {value}");
        }
    }
}
