//! The names of mcp-remote's files: a hash of the typed arguments, in three forms.
//!
//! MD5 names files here and protects nothing.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};

use crate::mcp_remote::command::Invocation;

/// The parts that a version put into its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// All values that distinguish two sign-ins.
    Full,
    /// 0.1.30 to 0.1.43: address, resource and headers.
    Headers,
    /// Up to 0.1.29: the address.
    Address,
}

/// Returns the beginning of the names of this invocation's files, as 32 lower-case hex digits.
pub fn of(asked: &Invocation, form: Form) -> String {
    let mut parts = vec![asked.url.clone()];
    if form != Form::Address {
        parts.extend(asked.resource.clone());
        if form == Form::Full {
            parts.extend(object(&asked.authorize_params));
        }
        parts.extend(object(&asked.headers));
        if form == Form::Full {
            parts.extend(asked.client_metadata_url.clone());
            parts.extend(asked.token_endpoint.clone());
        }
    }
    let digest = Md5::digest(parts.join("|").as_bytes());
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Writes compact JSON, names in the order of their UTF-16 code units; `None` for no pairs.
fn object(pairs: &[(String, String)]) -> Option<String> {
    let mut pairs: Vec<_> = pairs.iter().collect();
    pairs.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    let text = |text: &String| serde_json::to_string(text).unwrap_or_default();
    let members: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}:{}", text(name), text(value)))
        .collect();
    (!members.is_empty()).then(|| format!("{{{}}}", members.join(",")))
}

/// Returns the callback port that mcp-remote tries first for this hash, if none was given.
pub fn default_port(key: &str) -> Option<u16> {
    let offset = u16::from_str_radix(key.get(..4)?, 16).ok()?;
    Some(3335 + offset % 45816)
}

/// Says whether a file's name can begin with this text.
pub fn is_key(text: &str) -> bool {
    let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    text.len() == 32 && text.chars().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp_remote::command;

    fn invocation(words: &[&str]) -> Invocation {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        command::read(&words, &|_| Ok(String::new())).unwrap()
    }

    const SERVER: &str = "https://remote.mcp.server/mcp";

    /// The values were computed with the published program, mcp-remote 0.15.1.
    #[test]
    fn the_keys_are_mcp_remotes_own() {
        for (words, key, port) in [
            (
                &["https://mcp.linear.app/mcp"][..],
                "fcc436b0d1e0a1ed9a2b15bbd638eb13",
                22227,
            ),
            (
                &[
                    "https://mcp.atlassian.com/v1/sse",
                    "--resource",
                    "https://tenant1.atlassian.net/",
                ],
                "224d1023ed8b747f99479d42f28f0bb6",
                12116,
            ),
            (
                &[SERVER, "--header", "Authorization: Bearer ${AUTH_TOKEN}"],
                "f9236f92c4600c1ae6b23ab573bfa558",
                21298,
            ),
            (
                &[
                    SERVER,
                    "--header",
                    "X-B: 2",
                    "--header",
                    "Authorization: Bearer é\"x",
                ],
                "49585391db92f4964b349360f1f2cf64",
                22111,
            ),
            (
                &[
                    SERVER,
                    "--authorize-param",
                    "prompt=consent",
                    "--authorize-param",
                    "access_type=offline",
                ],
                "5c4500975119eaf056ff228e9c7caced",
                26956,
            ),
            (
                &[
                    SERVER,
                    "--resource",
                    "https://r.example/",
                    "--header",
                    "A: 1",
                    "--authorize-param",
                    "audience=https://a",
                    "--client-metadata-url",
                    "https://c.example/cimd.json",
                ],
                "6f381a77e3b06c49c8b4ed581d898f49",
                31807,
            ),
            (
                &[
                    SERVER,
                    "--client-credentials",
                    "--token-endpoint",
                    "https://auth.example.com/oauth/token",
                ],
                "eecd67809b5103bbb7bd8cb5ab85c92a",
                18652,
            ),
        ] {
            let found = of(&invocation(words), Form::Full);
            assert_eq!(
                (found.as_str(), default_port(&found)),
                (key, Some(port)),
                "{words:?}"
            );
            assert!(is_key(&found));
        }
    }

    /// The values were computed with 0.1.29, 0.1.38 and 0.1.43 as published.
    #[test]
    fn older_keys_know_less() {
        let everything = invocation(&[
            SERVER,
            "--resource",
            "https://r.example/",
            "--header",
            "X-B: 2",
            "--header",
            "A: 1",
            "--authorize-param",
            "audience=https://a",
            "--client-metadata-url",
            "https://c.example/cimd.json",
        ]);
        assert_eq!(
            of(&everything, Form::Address),
            "d1d935f66dfc13009108ada90736fd7f"
        );
        assert_eq!(
            of(&everything, Form::Headers),
            "28c73559bdcc3753bf145754f0ca9b66"
        );
        let plain = invocation(&[SERVER]);
        for form in [Form::Full, Form::Headers, Form::Address] {
            assert_eq!(of(&plain, form), of(&everything, Form::Address));
        }
    }
}
