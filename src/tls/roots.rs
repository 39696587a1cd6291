//! The system's roots, read from the one file that holds all of them.
//!
//! The platform's verifier reads this file and the directory beside it. On Debian and its relatives the directory holds
//! the same roots once more, each in a file of its own: a thousand system calls, and every root is decoded twice, at 50
//! instructions a byte. [`bundled`] reads the file alone. The platform's verifier trusts these roots and more, so a
//! certificate that they vouch for is one that it accepts too, and any other certificate is still to be shown to it.
//!
//! RFC 7468 sections 2 and 5.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memchr;
use rustls::pki_types::CertificateDer;

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// Returns the roots of the system's file. There are none where variables name other roots, and on systems that keep
/// theirs elsewhere.
pub(super) fn bundled() -> Vec<CertificateDer<'static>> {
    // The first of the names that openssl-probe tries on Linux, which rustls-native-certs follows: where this file exists, it is
    // the one that the platform's verifier reads.
    const FILE: &str = "/etc/ssl/certs/ca-certificates.crt";
    #[expect(
        clippy::disallowed_methods,
        reason = "rustls-native-certs reads them in the environment of the process, and this follows it"
    )]
    let is_set = |name| std::env::var_os(name).is_some();
    if !cfg!(target_os = "linux") || is_set("SSL_CERT_FILE") || is_set("SSL_CERT_DIR") {
        return Vec::new();
    }
    std::fs::read(FILE).map_or_else(|_| Vec::new(), |pem| certificates(&pem))
}

/// Returns the certificates of a PEM file, up to the first line that is not in the strict form: no certificate is read
/// that the platform's verifier would not read.
fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    let mut found = Vec::new();
    let mut text: Option<Vec<u8>> = None;
    let mut rest = pem;
    while let Some(length) = memchr(b'\n', rest) {
        let (line, others) = rest.split_at(length);
        rest = others.get(1..).unwrap_or_default();
        match &mut text {
            None if line == BEGIN => text = Some(Vec::with_capacity(2048)),
            // Remarks may stand between certificates.
            None if !line.starts_with(b"-") => {}
            Some(text) if !line.starts_with(b"-") => text.extend_from_slice(line),
            Some(text64) if line == END => match STANDARD.decode(text64) {
                Ok(der) => {
                    found.push(der.into());
                    text = None;
                }
                Err(_) => break,
            },
            _ => break,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    fn read_by_the_platform(pem: &[u8]) -> Vec<CertificateDer<'static>> {
        let found = CertificateDer::pem_slice_iter(pem);
        found.filter_map(Result::ok).collect()
    }

    const ONE: &str =
        "-----BEGIN CERTIFICATE-----\nMAwCAQECAQICAQMC\nAQQ=\n-----END CERTIFICATE-----\n";

    #[test]
    fn a_bundle_with_remarks_is_read_whole() {
        let other = ONE.replace("MAw", "MAx");
        let pem = format!("# a remark\n{ONE}\n# not -----BEGIN\n{other}{ONE}");
        let found = certificates(pem.as_bytes());
        assert_eq!(found.len(), 3);
        assert_eq!(found, read_by_the_platform(pem.as_bytes()));
    }

    #[test]
    fn the_system_s_own_bundle_is_read_as_the_platform_reads_it() {
        let Ok(pem) = std::fs::read("/etc/ssl/certs/ca-certificates.crt") else {
            return;
        };
        assert_eq!(certificates(&pem), read_by_the_platform(&pem));
    }

    proptest! {
        #[test]
        fn nothing_is_read_that_the_platform_would_not_read(parts in prop::collection::vec(
            prop::sample::select(vec![
                ONE, "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----",
                "-----END CERTIFICATE-----", "-----BEGIN PRIVATE KEY-----\n", "-----END PRIVATE KEY-----\n",
                "MAwCAQEC\n", "AQI=\n", "A", "=", "\n", "\r\n", " ", "#", "-",
            ]),
            0..24,
        )) {
            let pem = parts.concat();
            let by_the_platform = read_by_the_platform(pem.as_bytes());
            for certificate in certificates(pem.as_bytes()) {
                prop_assert!(by_the_platform.contains(&certificate), "{pem}");
            }
        }
    }
}
