//! Live secrets: what this process shows to servers to prove who its user is.
//!
//! A server may say a token back: in a challenge, in an error's description, in the result of a tool. So whatever is
//! sent as a proof is noted here first, and whatever mcpipe writes for others (the log, a recording, an error for the
//! host, a message at the terminal) is looked through for it, in the spellings that headers, forms and JSON give it.
//!
//! One registry for the process, because the log is one for the process. It holds the 256 secrets that were used
//! last, in memory only, and wipes those it forgets.

use std::borrow::Cow;
use std::sync::{PoisonError, RwLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::Secret;
use super::escaped;
use super::webhooks;

/// The number of secrets that are held.
const MOST: usize = 256;
/// Shorter texts, in bytes, are no secrets worth the name, and stand in too much else.
const SHORTEST: usize = 8;
/// The text that stands in a secret's place.
pub const HIDDEN: &str = "(redacted)";

static LIVE: RwLock<Live> = RwLock::new(Live::none());

struct Live {
    /// In no order, and each in its place for as long as it is held: the finder counts them.
    known: Vec<Known>,
    /// Counts uses.
    uses: u64,
    /// Finds them all. `None` until the next look after a change.
    finder: Option<AhoCorasick>,
}

struct Known {
    /// The secret itself first.
    spellings: Vec<Secret>,
    /// The number of its last use.
    used: u64,
}

/// Notes a secret that is about to be sent. Texts of less than eight bytes are passed over.
pub fn note(secret: &str) {
    if secret.len() >= SHORTEST {
        let mut live = LIVE.write().unwrap_or_else(PoisonError::into_inner);
        live.note(secret);
    }
}

/// Notes the proof in the value of a header: what follows the scheme of `Authorization`, and the password of `Basic`
/// (RFC 9110 section 11.4, RFC 7617); otherwise the value.
pub fn note_header(value: &str) {
    let (scheme, proof) = value.split_once(' ').unwrap_or(("", value));
    note(proof.trim());
    if !scheme.is_empty() {
        note(value.trim());
    }
    if scheme.eq_ignore_ascii_case("basic")
        && let Ok(pair) = STANDARD_NO_PAD.decode(proof.trim().trim_end_matches('='))
        && let Ok(pair) = String::from_utf8(pair)
        && let Some((_, password)) = pair.split_once(':')
    {
        note(password);
    }
}

/// The text with [`HIDDEN`] wherever a live secret stood in it.
pub fn without(text: &str) -> Cow<'_, str> {
    replaced(text, |_| HIDDEN)
}

/// The text with what `instead` gives for a secret wherever that stood in it, in whatever spelling, and without the signing
/// secrets of webhooks.
pub fn replaced<'a>(text: &'a str, instead: impl Fn(&str) -> &'a str) -> Cow<'a, str> {
    match webhooks::without(text, HIDDEN) {
        Cow::Borrowed(text) => known_replaced(text, instead),
        Cow::Owned(text) => Cow::Owned(known_replaced(&text, |known| instead(known)).into_owned()),
    }
}

fn known_replaced<'a>(text: &'a str, instead: impl Fn(&str) -> &'a str) -> Cow<'a, str> {
    {
        let live = LIVE.read().unwrap_or_else(PoisonError::into_inner);
        if live.finder.is_some() || live.known.is_empty() {
            return live.replaced(text, instead);
        }
    }
    let mut live = LIVE.write().unwrap_or_else(PoisonError::into_inner);
    live.prepare();
    live.replaced(text, instead)
}

impl Live {
    const fn none() -> Self {
        Self {
            known: Vec::new(),
            uses: 0,
            finder: None,
        }
    }

    /// Most requests send what the last one sent, and that changes nothing that is looked for.
    fn note(&mut self, secret: &str) {
        self.uses += 1;
        let used = self.uses;
        let is_it = |known: &&mut Known| {
            let itself = known.spellings.first();
            itself.is_some_and(|it| it.expose() == secret)
        };
        if let Some(known) = self.known.iter_mut().find(is_it) {
            known.used = used;
            return;
        }
        let new = Known {
            spellings: spellings(secret),
            used,
        };
        self.finder = None;
        if self.known.len() < MOST {
            return self.known.push(new);
        }
        if let Some(oldest) = self.known.iter_mut().min_by_key(|known| known.used) {
            *oldest = new;
        }
    }

    fn prepare(&mut self) {
        if self.finder.is_none() {
            let all = self.known.iter().flat_map(|known| &known.spellings);
            let all = all.map(Secret::expose);
            // It fails for patterns of gigabytes only.
            let mut finder = AhoCorasick::builder();
            self.finder = finder
                .match_kind(MatchKind::LeftmostLongest)
                // Time and memory in proportion to the secrets. The library's own choice is a table of all states and
                // bytes, which takes the square of a secret that repeats itself, and megabytes for each of the others.
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .build(all)
                .ok();
        }
    }

    fn replaced<'a>(&self, text: &'a str, instead: impl Fn(&str) -> &'a str) -> Cow<'a, str> {
        let Some(finder) = &self.finder else {
            return Cow::Borrowed(match self.known.is_empty() {
                true => text,
                false => HIDDEN,
            });
        };
        let mut found: Vec<_> = finder
            .find_iter(text)
            .map(|found| (found.range(), found.pattern().as_usize()))
            .collect();
        found.extend(escaped::found(finder, text.as_bytes()));
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        found.sort_unstable_by_key(|(place, _)| (place.start, place.end));
        let mut shown = String::with_capacity(text.len());
        let mut done = 0;
        for (place, pattern) in found {
            if place.start >= done {
                shown.push_str(text.get(done..place.start).unwrap_or_default());
                shown.push_str(self.secret(pattern).map_or(HIDDEN, &instead));
            }
            done = done.max(place.end);
        }
        shown.push_str(text.get(done..).unwrap_or_default());
        Cow::Owned(shown)
    }

    /// Returns the secret that has that spelling, counted through all of them.
    fn secret(&self, mut spelling: usize) -> Option<&str> {
        for Known { spellings, .. } in &self.known {
            match spelling.checked_sub(spellings.len()) {
                None => return spellings.first().map(Secret::expose),
                Some(left) => spelling = left,
            }
        }
        None
    }
}

/// A secret as it stands in a header, in a form or a query, in JSON, and in the encodings in which servers repeat what
/// they were sent.
fn spellings(secret: &str) -> Vec<Secret> {
    let json = serde_json::Value::from(secret).to_string();
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let mut all = vec![secret.to_owned()];
    let others = [
        json.get(1..json.len() - 1).unwrap_or_default().to_owned(),
        json.replace('/', "\\/")
            .get(1..)
            .and_then(|text| text.strip_suffix('"'))
            .unwrap_or_default()
            .to_owned(),
        form.replace('+', "%20"),
        lowered(&form),
        form,
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
        secret.bytes().map(|byte| format!("{byte:02X}")).collect(),
    ];
    for spelling in others.into_iter().chain(within_base64(secret)) {
        if !all.contains(&spelling) {
            all.push(spelling);
        }
    }
    all.into_iter().map(Secret::new).collect()
}

/// Returns the forms of a secret in the base64 (RFC 4648) of a longer text: they depend on how many bytes stand before it, modulo
/// three. Characters that its neighbours have a part in are left out.
fn within_base64(secret: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (before, shared) in [(0, 0), (1, 2), (2, 3)] {
        let mut text = vec![0; before];
        text.extend(secret.as_bytes());
        let is_shared_at_the_end = text.len() % 3 != 0;
        for encoded in [STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
            let end = encoded.len() - usize::from(is_shared_at_the_end);
            all.extend(encoded.get(shared..end).map(str::to_owned));
        }
    }
    all
}

/// A percent-encoded text with its hexadecimal digits in lower case.
fn lowered(form: &str) -> String {
    let mut pieces = form.split('%');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        text.push('%');
        let (digits, rest) = piece.split_at_checked(2).unwrap_or((piece, ""));
        text.push_str(&digits.to_ascii_lowercase());
        text.push_str(rest);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    #[test]
    fn a_secret_that_was_sent_is_found_in_every_spelling() {
        note_header("Bearer t0ken/with+signs=\"x\"~");
        for said in [
            "t0ken/with+signs=\"x\"~",
            r#"t0ken/with+signs=\"x\"~"#,
            r#"t0ken\/with+signs=\"x\"~"#,
            "t0ken%2Fwith%2Bsigns%3D%22x%22%7E",
            "t0ken%2fwith%2bsigns%3d%22x%22%7e",
            "dDBrZW4vd2l0aCtzaWducz0ieCJ+",
            "dDBrZW4vd2l0aCtzaWducz0ieCJ-",
            "74306b656e2f776974682b7369676e733d2278227e",
        ] {
            let text = format!("it said: {said}, twice: {said}");
            assert_eq!(
                without(&text),
                "it said: (redacted), twice: (redacted)",
                "{said}"
            );
        }
    }

    #[test]
    fn a_secret_is_found_whatever_part_of_it_is_escaped_and_however_often() {
        note("a~b+c/d=e\"f&g<h");
        for said in [
            // encodeURIComponent of JavaScript, encodeURI, and all of it.
            "a~b%2Bc%2Fd%3De%22f%26g%3Ch",
            "a~b+c/d=e%22f&g%3Ch",
            "%61%7E%62%2B%63%2F%64%3D%65%22%66%26%67%3C%68",
            // System.Text.Json, json.Marshal of Go, PHP.
            r"a~b\u002Bc/d=e\u0022f\u0026g\u003Ch",
            r#"a~b+c/d=e\"f\u0026g\u003ch"#,
            r#"a~b+c\/d=e\"f&g<h"#,
            // A page.
            "a~b+c/d=e&quot;f&amp;g&lt;h",
            "a~b&#43;c&#x2F;d&#x3d;e&#34;f&amp;g&lt;h",
            // JSON in a text of JSON, a form in a form, a page in JSON.
            r#"a~b+c\\/d=e\\\"f\\u0026g<h"#,
            "a~b%252Bc%252Fd%253De%2522f%2526g%253Ch",
            r"a~b+c/d=e\u0026quot;f\u0026amp;g\u0026lt;h",
        ] {
            let text = format!("é: {said}, ü 100% & \\ {said}");
            let shown = "é: (redacted), ü 100% & \\ (redacted)";
            assert_eq!(without(&text), shown, "{said}");
        }
    }

    #[test]
    fn a_secret_is_found_in_the_base64_of_a_longer_text() {
        let secret = "t0ken-in-base64-0123";
        note(secret);
        for before in ["", "u", "us", "Bearer ", "user:"] {
            for after in ["", "!", "\"}"] {
                let text = STANDARD_NO_PAD.encode(format!("{before}{secret}{after}"));
                let shown = without(&text);
                assert!(shown.contains(HIDDEN), "{before} {after}: {shown}");
                let left = shown.len() - HIDDEN.len();
                let others = (before.len() + after.len()) * 4 / 3;
                assert!(left <= others + 6, "{before} {after}: {shown}");
            }
        }
    }

    #[test]
    fn the_password_of_basic_is_a_secret_and_short_texts_are_none() {
        note_header(&format!(
            "Basic {}",
            STANDARD_NO_PAD.encode("user:pa55word-of-basic")
        ));
        note("seven77");
        assert_eq!(without("user:pa55word-of-basic"), "user:(redacted)");
        assert_eq!(without("seven77"), "seven77");
    }

    #[test]
    fn what_is_sent_again_is_looked_for_as_before() {
        let mut live = Live::none();
        for secret in ["a-token-1234", "a-session-5678", "a-token-1234"] {
            live.note(secret);
            live.prepare();
        }
        live.note("a-session-5678");
        live.note("a-token-1234");
        assert!(live.finder.is_some(), "nothing has changed");
        live.note("another-token");
        assert!(live.finder.is_none());
    }

    #[test]
    fn what_is_used_stays_and_what_is_not_is_forgotten() {
        // The registry is the process's: other tests may add a few of their own.
        for number in 0..MOST * 2 {
            note(&format!("rotated-secret-{number:04}"));
            note("a-key-that-stays");
        }
        assert_eq!(without("a-key-that-stays"), HIDDEN);
        assert_eq!(without("rotated-secret-0511"), HIDDEN);
        assert_eq!(without("rotated-secret-0000"), "rotated-secret-0000");
    }

    #[test]
    fn what_finds_secrets_is_made_in_proportion_to_their_length() {
        let longest = 8 * 1024;
        let random = STANDARD_NO_PAD.encode((0..longest * 3 / 4).map(hashed).collect::<Vec<u8>>());
        for secret in ["x".repeat(longest), "xy".repeat(longest / 2), random] {
            let mut live = Live::none();
            live.note(&secret);
            let spelled = live.known.iter().flat_map(|known| &known.spellings);
            let spelled: usize = spelled.map(|spelling| spelling.expose().len()).sum();
            let begun = Instant::now();
            live.prepare();
            // It takes milliseconds. The square of the length takes minutes.
            let took = begun.elapsed();
            assert!(took < Duration::from_secs(10), "{took:?}");
            let kept = live.finder.as_ref().unwrap().memory_usage();
            assert!(kept < 64 * spelled, "{kept} bytes for {spelled}");
            let said = format!("it said {secret}");
            assert_eq!(live.replaced(&said, |_| HIDDEN), "it said (redacted)");
        }
    }

    /// Something of which the next does not follow plainly.
    fn hashed(number: usize) -> u8 {
        (number.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]
    }
}
