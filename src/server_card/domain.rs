//! A target that names a host and no endpoint: `example.com`.

use url::{Host, Url};

/// The longest name of a host, in characters.
const LONGEST_NAME: usize = 253;
/// The longest label of a name, in characters.
const LONGEST_LABEL: usize = 63;
/// The longest top-level domain that counts, in characters. A token with dots in it ends in a longer part.
const LONGEST_TOP: usize = 24;

/// Returns the origin that a word means if it is a bare domain, with a port or without: https, and http on this machine.
/// Any other word is none: a host that tears arguments apart puts other texts in the place of the address, and those are
/// sent nowhere.
pub fn domain(word: &str) -> Option<Url> {
    let name = word.rsplit_once(':').map_or(word, |(name, _)| name);
    let is_bare = !word.contains(['/', '?', '#', '@', '\\', '%']) && word.len() <= LONGEST_NAME + 6;
    if !is_bare || word.contains(char::is_whitespace) {
        return None;
    }
    let url = Url::parse(&format!("https://{word}/")).ok()?;
    match url.host()? {
        Host::Domain(host) if is_here(host) => with_http(word),
        Host::Domain(host) => is_public_name(name, host).then_some(url),
        Host::Ipv4(address) if address.is_loopback() => with_http(word),
        Host::Ipv6(address) if address.is_loopback() => with_http(word),
        _ => None,
    }
}

fn with_http(word: &str) -> Option<Url> {
    Url::parse(&format!("http://{word}/")).ok()
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

/// Says whether a name can be one of the public domain name system: two labels at least, and a top-level domain of
/// letters.
fn is_public_name(typed: &str, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        let mut bytes = label.bytes();
        (1..=LONGEST_LABEL).contains(&label.len())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let top = host.rsplit('.').next().unwrap_or_default();
    let is_top = (2..=LONGEST_TOP).contains(&top.len())
        && (top.starts_with("xn--") || top.bytes().all(|byte| byte.is_ascii_lowercase()));
    // A word of a token mixes capital and small letters; a name is written in one or the other, or with a capital first.
    let inner_capitals = typed.split('.').any(|label| {
        let is_capital = |c: char| c.is_ascii_uppercase();
        label.chars().skip(1).any(is_capital) && !label.chars().all(|c| !c.is_ascii_lowercase())
    });
    host.len() <= LONGEST_NAME
        && host.contains('.')
        && host.split('.').all(is_label)
        && is_top
        && !inner_capitals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_a_name_with_two_labels_or_this_machine() {
        for (word, wanted) in [
            ("example.com", "https://example.com/"),
            ("Mcp.Example.COM", "https://mcp.example.com/"),
            ("example.com.", "https://example.com./"),
            ("example.com:8443", "https://example.com:8443/"),
            ("m\u{fc}nchen.example", "https://xn--mnchen-3ya.example/"),
            ("localhost:8080", "http://localhost:8080/"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("[::1]:8080", "http://[::1]:8080/"),
            ("mcp.localhost", "http://mcp.localhost/"),
        ] {
            let found = domain(word);
            assert_eq!(found.as_ref().map(Url::as_str), Some(wanted), "{word}");
        }
    }

    #[test]
    fn other_words_in_the_place_of_the_address_are_no_domain() {
        for word in [
            "",
            "login",
            "com",
            "example.com/mcp",
            "https://example.com",
            "user@example.com",
            "user:pw@example.com",
            "example.com:port",
            "192.168.0.1",
            "10.0.0.1:8080",
            "[fd00::1]",
            "Authorization: Bearer abc.def",
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.AbCd",
            "sk-live.aBcDeFgH",
            "abc.def123",
            "v1.2",
            "a..example",
            "-a.example",
            "a_b.example",
            "mcp.toml?x",
            "%65xample.com",
        ] {
            assert_eq!(domain(word), None, "{word}");
        }
    }
}
