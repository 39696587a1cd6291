//! The few fields of an X.509 certificate that a person asks for: whom it is for, who signed it, and until when.
//!
//! Reads DER (ITU-T X.690) as far as these fields need it, and judges nothing: that is the verifier's. What cannot be read
//! is absent.
//!
//! RFC 5280 section 4.1.

use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::text::printable;

/// The fields of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// The subject's common name, or its organisation.
    pub subject: String,
    /// The issuer's common name and organisation.
    pub issuer: String,
    /// The names of servers that it is for.
    pub names: Vec<String>,
    /// The first moment at which it is valid.
    pub not_before: Option<SystemTime>,
    /// The last moment at which it is valid.
    pub not_after: Option<SystemTime>,
    /// True where the subject has signed it himself.
    pub is_self_signed: bool,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANISATION: &[u8] = &[0x55, 0x04, 0x0a];

impl Certificate {
    /// Reads a certificate.
    pub fn read(der: &CertificateDer<'_>) -> Self {
        let names = EndEntityCert::try_from(der)
            .map(|parsed| parsed.valid_dns_names().map(ToOwned::to_owned).collect())
            .unwrap_or_default();
        let mut found = fields(der).unwrap_or_default();
        found.names = names;
        found
    }
}

/// Reads TBSCertificate: version, serialNumber, signature, issuer, validity, subject.
fn fields(der: &[u8]) -> Option<Certificate> {
    let (certificate, _) = expect(der, SEQUENCE)?;
    let (mut rest, _) = expect(certificate, SEQUENCE)?;
    if let Some((_, after)) = expect(rest, VERSION) {
        rest = after;
    }
    let (_, _, rest) = next(rest)?;
    let (_, rest) = expect(rest, SEQUENCE)?;
    let (issuer, rest) = expect(rest, SEQUENCE)?;
    let (validity, rest) = expect(rest, SEQUENCE)?;
    let (subject, _) = expect(rest, SEQUENCE)?;
    let (kind, from, after) = next(validity)?;
    let (last_kind, until, _) = next(after)?;
    let both = [name(issuer, COMMON_NAME), name(issuer, ORGANISATION)];
    let mut said: Vec<String> = both.into_iter().flatten().collect();
    said.dedup();
    Some(Certificate {
        subject: name(subject, COMMON_NAME)
            .or_else(|| name(subject, ORGANISATION))
            .unwrap_or_default(),
        issuer: said.join(", "),
        names: Vec::new(),
        not_before: time(kind, from),
        not_after: time(last_kind, until),
        is_self_signed: issuer == subject,
    })
}

/// Returns the tag and the content of the first element, and what stands after it.
fn next(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(*first) {
        short @ 0..=0x7f => (short, rest),
        long => {
            let (bytes, rest) = rest.split_at_checked(long & 0x7f)?;
            if bytes.len() > 4 {
                return None;
            }
            let length = bytes
                .iter()
                .fold(0, |length, byte| (length << 8) | usize::from(*byte));
            (length, rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

fn expect(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = next(der)?;
    (found == tag).then_some((content, rest))
}

/// Returns the first attribute of this type in a Name.
fn name(mut sets: &[u8], wanted: &[u8]) -> Option<String> {
    while !sets.is_empty() {
        let (set, rest) = expect(sets, SET)?;
        sets = rest;
        let (attribute, _) = expect(set, SEQUENCE)?;
        let (kind, value) = expect(attribute, OID)?;
        if kind == wanted {
            let (_, text, _) = next(value)?;
            return Some(printable(&String::from_utf8_lossy(text), 100));
        }
    }
    None
}

/// Reads `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` (RFC 5280 section 4.1.2.5).
fn time(kind: u8, text: &[u8]) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let number = |text: Option<&str>| text?.parse::<u64>().ok();
    let (year, rest) = match kind {
        UTC_TIME => {
            let short = number(text.get(..2))?;
            let century = if short < 50 { 2000 } else { 1900 };
            (century + short, text.get(2..)?)
        }
        GENERALIZED_TIME => (number(text.get(..4))?, text.get(4..)?),
        _ => return None,
    };
    let part = |at: usize| number(rest.get(at..at + 2));
    let days = days(year, part(0)?, part(2)?)?;
    let seconds = days * 86_400 + part(4)? * 3600 + part(6)? * 60 + part(8)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Returns the days from 1970 to a date of the Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // The year begins in March, so that the day of a leap year is its last.
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let leaps = year / 4 - year / 100 + year / 400;
    let since_year_0 = year * 365 + leaps + (month * 153 + 2) / 5 + day - 1;
    since_year_0.checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    fn read(name: &str) -> Certificate {
        let path = format!("{}/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"));
        Certificate::read(&CertificateDer::from_pem_file(path).unwrap())
    }

    #[test]
    fn a_certificate_says_whom_it_is_for_who_signed_it_and_until_when() {
        let server = read("server.pem");
        assert!(server.names.iter().any(|name| name == "localhost"));
        assert!(!server.is_self_signed && !server.issuer.is_empty());
        assert!(server.not_before < server.not_after);
        let ca = read("ca.pem");
        assert!(ca.is_self_signed);
        assert_eq!(server.issuer, ca.issuer);
    }

    #[test]
    fn times_are_read_in_both_forms_and_damage_is_absence() {
        let date = |text: &str| Some(httpdate::parse_http_date(text).unwrap());
        for (kind, text, wanted) in [
            (
                UTC_TIME,
                "260228235959Z",
                date("Sat, 28 Feb 2026 23:59:59 GMT"),
            ),
            (
                UTC_TIME,
                "000229000000Z",
                date("Tue, 29 Feb 2000 00:00:00 GMT"),
            ),
            (
                GENERALIZED_TIME,
                "20510101000000Z",
                date("Sun, 01 Jan 2051 00:00:00 GMT"),
            ),
            (UTC_TIME, "261328235959Z", None),
            (UTC_TIME, "2602", None),
            (UTC_TIME, "260228235959", None),
            (0x0c, "260228235959Z", None),
        ] {
            assert_eq!(time(kind, text.as_bytes()), wanted, "{text}");
        }
        for damaged in [
            &[][..],
            &[0x30],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 0x03, 0x30, 0x01],
        ] {
            assert_eq!(fields(damaged), None, "{damaged:?}");
        }
    }
}
