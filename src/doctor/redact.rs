//! A report without names: hosts, addresses, paths, accounts and users become placeholders, each the same wherever it stands.
//!
//! Every text is taken apart into words, and a word that looks like one of these is replaced, also in a server's own
//! words. What helps a reader and is no name stays: ports, this machine's address, well-known paths.

use std::net::{IpAddr, SocketAddr};

use url::Url;

use crate::doctor::context::Context;
use crate::doctor::report::Report;

/// Returns the report with placeholders in the place of names.
pub fn redacted(report: Report, context: &Context) -> Report {
    let env = &context.env;
    let of_home = ["HOME", "USERPROFILE"]
        .iter()
        .find_map(|name| env.get(name));
    let users = ["USER", "USERNAME", "LOGNAME"]
        .iter()
        .filter_map(|name| env.get(name));
    let mut names = Placeholders {
        home: of_home.map(ToOwned::to_owned),
        ..Placeholders::default()
    };
    for user in users {
        names.known("user", user);
    }
    if context.account != crate::cli::DEFAULT_ACCOUNT {
        names.known("account", &context.account);
    }
    if let Some(host) = context.url().host_str() {
        names.host(host);
    }
    replaced(report, &mut names)
}

fn replaced(mut report: Report, names: &mut Placeholders) -> Report {
    report.is_redacted = true;
    report.target = names.text(&report.target);
    let findings = report.outcomes.iter_mut().flat_map(|it| &mut it.findings);
    for finding in findings {
        finding.sentence = names.text(&finding.sentence);
        finding.remedy = finding.remedy.as_deref().map(|it| names.text(it));
        for (_, value) in &mut finding.facts {
            *value = names.text(value);
        }
    }
    report
}

/// The names that were met, each with its placeholder.
#[derive(Debug, Default)]
struct Placeholders {
    home: Option<String>,
    names: Vec<(&'static str, String)>,
}

/// Parts of paths that are no names.
const PLAIN_PARTS: [&str; 18] = [
    "mcp",
    "sse",
    "v1",
    "v2",
    "api",
    "message",
    "messages",
    "authorize",
    "token",
    "register",
    "login",
    "oauth",
    "oauth2",
    ".well-known",
    "oauth-protected-resource",
    "oauth-authorization-server",
    "openid-configuration",
    "ai-catalog.json",
];
/// Ends of words that are files and no domains.
const FILES: [&str; 12] = [
    "toml", "pem", "json", "key", "conf", "txt", "md", "bin", "jwk", "exe", "log", "crt",
];
/// Characters between words.
const BETWEEN: &str = " \t\n,;()\"'`=<>|…";

impl Placeholders {
    fn text(&mut self, text: &str) -> String {
        let text = match &self.home {
            Some(home) if home.len() > 1 => text.replace(home.as_str(), "~"),
            _ => text.to_owned(),
        };
        let mut replaced = String::with_capacity(text.len());
        for piece in text.split_inclusive(|c| BETWEEN.contains(c)) {
            let bare = piece.trim_end_matches(|c| BETWEEN.contains(c));
            let end = piece.get(bare.len()..).unwrap_or_default();
            let word = bare.trim_end_matches(['.', ':', '?', '!']);
            let mark = bare.get(word.len()..).unwrap_or_default();
            replaced.push_str(&self.word(word));
            replaced.push_str(mark);
            replaced.push_str(end);
        }
        replaced
    }

    fn word(&mut self, word: &str) -> String {
        if word.is_empty() {
            return String::new();
        }
        let known = self.names.iter().find(|(_, name)| name == word);
        if let Some((kind, _)) = known {
            return self.placeholder(kind, word);
        }
        if let Some(url) = word
            .contains("://")
            .then(|| Url::parse(word).ok())
            .flatten()
        {
            return self.url(&url);
        }
        if let Some(address) = self.address(word) {
            return address;
        }
        if word.contains('@') {
            return self.placeholder("mail", word);
        }
        if is_path(word) {
            let (path, line) = with_number(word);
            let path = self.placeholder("path", path);
            return format!("{path}{line}");
        }
        let (name, port) = with_number(word);
        let is_known = self
            .names
            .iter()
            .any(|(kind, it)| *kind == "host" && it == name);
        match is_known || is_domain(name) {
            true => format!("{}{port}", self.host(name)),
            false => word.to_owned(),
        }
    }

    fn url(&mut self, url: &Url) -> String {
        let host = url.host_str().unwrap_or_default();
        let host = self.host(host);
        let port = url.port().map(|it| format!(":{it}")).unwrap_or_default();
        let mut text = format!("{}://{host}{port}", url.scheme());
        for part in url.path().split('/').skip(1) {
            text.push('/');
            match part.is_empty() || PLAIN_PARTS.contains(&part) {
                true => text.push_str(part),
                false => text.push_str(&self.placeholder("part", part)),
            }
        }
        text
    }

    fn address(&mut self, word: &str) -> Option<String> {
        let bare = word.trim_matches(['[', ']']);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Some(self.host(&address.to_string()));
        }
        let address: SocketAddr = word.parse().ok()?;
        let host = self.host(&address.ip().to_string());
        Some(format!("{host}:{}", address.port()))
    }

    fn host(&mut self, host: &str) -> String {
        let bare = host.trim_matches(['[', ']']).to_ascii_lowercase();
        match bare.parse::<IpAddr>() {
            Ok(address) if address.is_loopback() || address.is_unspecified() => host.to_owned(),
            Ok(_) => self.placeholder("address", &bare),
            Err(_) if bare == "localhost" => host.to_owned(),
            Err(_) => self.placeholder("host", &bare),
        }
    }

    fn known(&mut self, kind: &'static str, name: &str) {
        if name.len() > 1 {
            self.placeholder(kind, name);
        }
    }

    fn placeholder(&mut self, kind: &'static str, name: &str) -> String {
        let mut same_kind = self.names.iter().filter(|(it, _)| *it == kind);
        let count = same_kind.clone().count();
        let at = match same_kind.position(|(_, it)| it == name) {
            Some(at) => at,
            None => {
                self.names.push((kind, name.to_owned()));
                count
            }
        };
        format!("{kind}-{}", at + 1)
    }
}

/// Splits a number behind a colon off: a port, or a line.
fn with_number(word: &str) -> (&str, &str) {
    match word.rsplit_once(':') {
        Some((name, number))
            if !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit()) =>
        {
            (name, word.get(name.len()..).unwrap_or_default())
        }
        _ => (word, ""),
    }
}

/// Says whether a word is a path of this machine, or one that may name something. A path of one part is an example.
fn is_path(word: &str) -> bool {
    if word.contains(":\\") || word.starts_with("\\\\") || word.starts_with("~/") {
        return true;
    }
    let mut parts = word.split('/').skip(1).filter(|part| !part.is_empty());
    let is_plain = |part: &str| PLAIN_PARTS.contains(&part);
    word.starts_with('/') && parts.clone().count() > 1 && !parts.all(is_plain)
}

fn is_domain(word: &str) -> bool {
    let labels: Vec<_> = word.trim_start_matches("*.").split('.').collect();
    let is_label = |label: &&str| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    let Some(last) = labels.last() else {
        return false;
    };
    labels.len() > 1
        && labels.iter().all(is_label)
        && last.len() > 1
        && last.chars().all(char::is_alphabetic)
        && !FILES.contains(&last.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_placeholders_and_what_names_nobody_stays() {
        let mut names = Placeholders {
            home: Some("/home/ann".to_owned()),
            ..Placeholders::default()
        };
        names.known("user", "ann");
        names.known("account", "work");
        names.host("intranet");
        for (text, wanted) in [
            (
                "mcp.acme.example is at 93.184.216.34, 2606:2800::1",
                "host-2 is at address-1, address-2",
            ),
            (
                "mcpipe login https://mcp.acme.example:8443/acme/mcp?…  --account work",
                "mcpipe login https://host-2:8443/part-1/mcp?…  --account account-1",
            ),
            (
                "93.184.216.34:443 refuses (IPv4)",
                "address-1:443 refuses (IPv4)",
            ),
            ("[2606:2800::1]:443 refuses", "address-2:443 refuses"),
            (
                "the proxy proxy.acme.example:3128 (HTTPS_PROXY)",
                "the proxy host-3:3128 (HTTPS_PROXY)",
            ),
            (
                "deny-tool x (/etc/acme/mcpipe.toml:12)",
                "deny-tool x (path-1:12)",
            ),
            ("--ca /home/ann/acme.pem", "--ca path-2"),
            ("intranet refuses; user ann", "host-1 refuses; user user-1"),
            ("ask ann@acme.example.", "ask mail-1."),
            (
                "127.0.0.1:80 and localhost and [::1]:9",
                "127.0.0.1:80 and localhost and [::1]:9",
            ),
            (
                "/mcp, /sse and / are usual; see mcpipe.toml",
                "/mcp, /sse and / are usual; see mcpipe.toml",
            ),
            (
                "https://mcp.acme.example/.well-known/oauth-protected-resource/acme",
                "https://host-2/.well-known/oauth-protected-resource/part-1",
            ),
            (
                "TLS 1.3 is spoken, by Let's Encrypt; --ca FILE",
                "TLS 1.3 is spoken, by Let's Encrypt; --ca FILE",
            ),
        ] {
            assert_eq!(names.text(text), wanted);
        }
    }
}
