//! TLS: the certificates, whether they are trusted, and who stands between.
//!
//! Two handshakes are made and nothing is sent on either: one looks at what the server shows, the other judges as every
//! request does.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, PeerIncompatible};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time;
use tokio_rustls::TlsConnector;

use super::tcp::Reached;
use crate::address_class::{Class, class_of};
use crate::doctor::code::Code;
use crate::doctor::codes::engine::SKIPPED;
use crate::doctor::codes::network::{
    TLS_CA_AS_SERVER, TLS_CLIENT_CERT_ASKED, TLS_CLIENT_CERT_REFUSED, TLS_EXPIRED,
    TLS_EXPIRES_SOON, TLS_FAILED, TLS_INCOMPLETE_CHAIN, TLS_INTERCEPTED, TLS_NOT_SPOKEN,
    TLS_NOT_USED, TLS_NOT_YET_VALID, TLS_OLD_VERSION, TLS_SELF_SIGNED, TLS_TRUSTED,
    TLS_UNKNOWN_ISSUER, TLS_WEAK, TLS_WRONG_NAME,
};
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::remote::{Speaks, spoken_at};
use crate::tls::ClientCertRefused;
use crate::tls::certificate::Certificate;
use crate::tls::inspect::{Shown, inspect};
use crate::tls::untrusted::{Untrusted, rustls_error};

/// The handshake has ended well, and the server is who it says it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trusted;

/// The time for one handshake.
const PATIENCE: Duration = Duration::from_secs(8);
/// The time for which a server may still refuse a client's certificate: in TLS 1.3 it does so after the handshake.
const ALERT: Duration = Duration::from_millis(300);
const DAY: u64 = 86_400;

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let url = context.url();
    if url.scheme() != "https" {
        return vec![match class_of(url) {
            Some(Class::Loopback) => Finding::ok(
                &TLS_NOT_USED,
                "the address says http; between programs of this machine that is usual",
            ),
            _ => Finding::warn(
                &TLS_NOT_USED,
                "the address says http: everyone on the way can read tokens and messages",
            )
            .remedy("begin the address with https://, if the server has it"),
        }];
    }
    let Some(reached) = context.known::<Reached>() else {
        let why = match context.target.https.proxies.to(url) {
            Some(_) => "TLS goes through the proxy; the request below shows whether it is trusted",
            None => "there is no connection for TLS",
        };
        return vec![Finding::skipped(&SKIPPED, why)];
    };
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_matches(['[', ']']).to_owned();
    let Ok(name) = ServerName::try_from(bare) else {
        return vec![Finding::fail(
            &TLS_FAILED,
            format!("{host} is no name for a certificate"),
        )];
    };
    let patience = context.target.https.connect_timeout.min(PATIENCE);
    let shown = time::timeout(patience, look(reached.0, name.clone())).await;
    let shown = shown.ok().flatten();
    let judged = time::timeout(patience, judge(context, reached.0, name)).await;
    let judged = judged.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    if judged.is_ok() {
        context.learn(Trusted);
    }
    let mut findings = vec![match &judged {
        Ok(()) => trusted(shown.as_ref(), (context.now)()),
        Err(error) => {
            let mut code = code_of(error, shown.as_ref());
            // What is no TLS may say so in many ways, a closed connection among them.
            if shown.is_none()
                && code.name == TLS_FAILED.name
                && spoken_at(url).await == Some(Speaks::Plain)
            {
                code = &TLS_NOT_SPOKEN;
            }
            refused(host, (error, code), shown.as_ref(), context)
        }
    }];
    findings.extend(
        shown
            .as_ref()
            .filter(|_| judged.is_ok())
            .and_then(intercepted),
    );
    if let Some(shown) = shown.filter(|shown| shown.asks_for_client && judged.is_ok()) {
        findings.push(client_certificate(&shown, context));
    }
    findings
}

async fn look(at: SocketAddr, name: ServerName<'static>) -> Option<Shown> {
    inspect(TcpStream::connect(at).await.ok()?, name).await
}

/// Does the handshake that a request would do.
async fn judge(context: &Context, at: SocketAddr, name: ServerName<'static>) -> io::Result<()> {
    let connector = TlsConnector::from(Arc::new(context.target.tls.clone()));
    let mut stream = connector
        .connect(name, TcpStream::connect(at).await?)
        .await?;
    match time::timeout(ALERT, stream.read(&mut [0])).await {
        Ok(Err(error)) if ClientCertRefused::among(&error).is_some() => Err(error),
        _ => Ok(()),
    }
}

fn facts(mut finding: Finding, shown: Option<&Shown>) -> Finding {
    let Some(shown) = shown else { return finding };
    finding = finding
        .fact("tls", shown.version)
        .fact("certificates", shown.chain.len());
    if let Some(first) = shown.chain.first() {
        finding = finding
            .fact("subject", &first.subject)
            .fact("issuer", &first.issuer)
            .fact("names", first.names.join(" "));
        if let Some(end) = first.not_after {
            finding = finding.fact("not_after", httpdate::fmt_http_date(end));
        }
    }
    finding
}

fn trusted(shown: Option<&Shown>, now: SystemTime) -> Finding {
    let Some((shown, first)) = shown.and_then(|it| Some((it, it.chain.first()?))) else {
        return Finding::ok(&TLS_TRUSTED, "the certificate is trusted");
    };
    let left = first.not_after.and_then(|end| end.duration_since(now).ok());
    let days = left.map(|left| left.as_secs() / DAY);
    let whole = first.not_before.zip(first.not_after);
    let whole = whole.and_then(|(from, until)| until.duration_since(from).ok());
    // Certificates that live for days are renewed in their last third, others weeks before their end.
    let soon = whole.map_or(14, |whole| (whole.as_secs() / DAY / 3).min(14));
    let by = format!(
        "the certificate is trusted, by {}, and {}",
        first.issuer, shown.version
    );
    let finding = match days {
        Some(days) if days < soon => Finding::warn(
            &TLS_EXPIRES_SOON,
            format!("the certificate, by {}, ends in {days} days", first.issuer),
        )
        .remedy("tell the operator of the server: a renewal that should have happened did not"),
        Some(days) => Finding::ok(
            &TLS_TRUSTED,
            format!("{by} is spoken; it ends in {days} days"),
        ),
        None => Finding::ok(&TLS_TRUSTED, format!("{by} is spoken")),
    };
    facts(finding, Some(shown))
}

fn refused(
    host: &str,
    (error, code): (&io::Error, &'static Code),
    shown: Option<&Shown>,
    context: &Context,
) -> Finding {
    let first = shown.and_then(|shown| shown.chain.first());
    if let Some(why) = ClientCertRefused::among(error) {
        return facts(client_refused(host, why, context), shown);
    }
    let known = Untrusted::among(error);
    let sentence = match &known {
        _ if code.name == TLS_NOT_SPOKEN.name => {
            format!("{host} speaks plain http at that port, and the address says https")
        }
        Some(why) => format!("{host} is not trusted: {why}"),
        None if error.kind() == io::ErrorKind::TimedOut => {
            format!("{host} has not ended the TLS handshake in time")
        }
        None => format!("the TLS handshake with {host} broke off: {error}"),
    };
    let middlebox = first.and_then(|first| middlebox(&first.issuer));
    let is_of_issuer = [&TLS_UNKNOWN_ISSUER, &TLS_INCOMPLETE_CHAIN, &TLS_SELF_SIGNED]
        .iter()
        .any(|it| it.name == code.name);
    if let Some(product) = middlebox.filter(|_| is_of_issuer) {
        let issuer = first.map(|first| first.issuer.clone()).unwrap_or_default();
        let finding = Finding::fail(
            &TLS_INTERCEPTED,
            format!(
                "the certificate of {host} is by {issuer}: {product} stands between and reads the traffic"
            ),
        );
        let file = context.typed.line("doctor", &["--ca", "FILE"]);
        return facts(
            finding.remedy(format!(
                "get its root certificate from your company, then: {file}"
            )),
            shown,
        );
    }
    let remedy = match code.name {
        "TLS_UNKNOWN_ISSUER" | "TLS_SELF_SIGNED" | "TLS_INCOMPLETE_CHAIN" => {
            format!(
                "if you know the authority: {}",
                context.typed.line("doctor", &["--ca", "FILE"])
            )
        }
        "TLS_NOT_SPOKEN" => {
            let url = context.target.typed.replacen("https://", "http://", 1);
            format!(
                "if the server is meant to be unencrypted: {}",
                context.typed.line_to(&url, "doctor", &["--allow-http"])
            )
        }
        _ => known.map_or_else(
            || {
                "try again; if it happens again, the operator of the server has to look at its log"
                    .to_owned()
            },
            |known| known.hint().to_owned(),
        ),
    };
    facts(Finding::fail(code, sentence).remedy(remedy), shown)
}

fn code_of(error: &io::Error, shown: Option<&Shown>) -> &'static Code {
    use rustls::Error::{
        AlertReceived, InvalidCertificate, InvalidMessage, PeerIncompatible as Peer,
    };
    let unknown = || match shown.map(|shown| shown.chain.as_slice()) {
        Some(
            [
                Certificate {
                    is_self_signed: true,
                    ..
                },
            ],
        ) => &TLS_SELF_SIGNED,
        Some([_]) => &TLS_INCOMPLETE_CHAIN,
        _ => &TLS_UNKNOWN_ISSUER,
    };
    match rustls_error(error) {
        Some(InvalidCertificate(error)) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => &TLS_EXPIRED,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                &TLS_NOT_YET_VALID
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                &TLS_WRONG_NAME
            }
            CertificateError::UnknownIssuer => unknown(),
            CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                &TLS_WEAK
            }
            CertificateError::Other(other) => {
                let inner = std::error::Error::source(other);
                match inner.and_then(|inner| inner.downcast_ref::<webpki::Error>()) {
                    Some(webpki::Error::CaUsedAsEndEntity) => &TLS_CA_AS_SERVER,
                    Some(_) => &TLS_WEAK,
                    None => unknown(),
                }
            }
            _ => &TLS_FAILED,
        },
        Some(
            AlertReceived(AlertDescription::ProtocolVersion)
            | Peer(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            ),
        ) => &TLS_OLD_VERSION,
        Some(AlertReceived(AlertDescription::UnrecognisedName)) => &TLS_WRONG_NAME,
        Some(InvalidMessage(_)) => &TLS_NOT_SPOKEN,
        _ => &TLS_FAILED,
    }
}

fn client_certificate(shown: &Shown, context: &Context) -> Finding {
    let finding = match &context.arguments.target.network.client_cert {
        Some(_) => Finding::ok(
            &TLS_CLIENT_CERT_ASKED,
            "the server asks for a client certificate, and yours is shown to it",
        ),
        None => Finding::warn(
            &TLS_CLIENT_CERT_ASKED,
            "the server asks for a client certificate, and none is given; it may do without one",
        )
        .remedy(format!(
            "if you have one: {}",
            context.typed.line("doctor", &["--client-cert", "FILE"])
        )),
    };
    finding.fact("tls", shown.version)
}

fn client_refused(host: &str, why: ClientCertRefused, context: &Context) -> Finding {
    Finding::fail(&TLS_CLIENT_CERT_REFUSED, format!("{host} {why}")).remedy(format!(
        "show it a certificate of an authority that it trusts: {}",
        context.typed.line(
            "doctor",
            &["--client-cert", "FILE", "--client-cert-key", "FILE"]
        )
    ))
}

/// Returns a warning where a certificate that is trusted is by a program that reads traffic.
fn intercepted(shown: &Shown) -> Option<Finding> {
    let issuer = &shown.chain.first()?.issuer;
    let product = middlebox(issuer)?;
    Some(
        Finding::warn(
            &TLS_INTERCEPTED,
            format!(
                "{product} stands between and reads the traffic: the certificate is by {issuer}"
            ),
        )
        .remedy("nothing, if your company wants it so; a long stream that breaks may be its fault"),
    )
}

/// Words of issuers that show another certificate in the place of the server's, and the name of their product.
const MIDDLEBOXES: &[(&str, &str)] = &[
    ("zscaler", "Zscaler"),
    ("netskope", "Netskope"),
    ("goskope", "Netskope"),
    ("fortinet", "FortiGate"),
    ("fortigate", "FortiGate"),
    ("palo alto networks", "a Palo Alto firewall"),
    ("blue coat", "a Blue Coat proxy"),
    ("bluecoat", "a Blue Coat proxy"),
    ("cisco umbrella", "Cisco Umbrella"),
    ("cisco secure access", "Cisco Secure Access"),
    ("opendns", "Cisco Umbrella"),
    ("cloudflare for teams", "Cloudflare Gateway"),
    ("gateway ca - cloudflare", "Cloudflare Gateway"),
    ("check point", "a Check Point firewall"),
    ("forcepoint", "Forcepoint"),
    ("websense", "Forcepoint"),
    ("mcafee web gateway", "McAfee Web Gateway"),
    ("skyhigh", "Skyhigh"),
    ("sophos", "Sophos"),
    ("sonicwall", "a SonicWall firewall"),
    ("watchguard", "a WatchGuard firewall"),
    ("barracuda", "a Barracuda gateway"),
    ("cato networks", "Cato Networks"),
    ("iboss", "iboss"),
    ("menlo security", "Menlo Security"),
    ("kaspersky", "Kaspersky"),
    ("avast", "Avast"),
    ("avg web", "AVG"),
    ("eset ssl filter", "ESET"),
    ("bitdefender", "Bitdefender"),
    ("adguard", "AdGuard"),
    ("mitmproxy", "mitmproxy"),
    ("charles proxy", "Charles"),
    ("do_not_trust", "Fiddler"),
    ("fiddler", "Fiddler"),
    ("portswigger", "Burp Suite"),
    ("proxyman", "Proxyman"),
    ("squid", "a Squid proxy"),
];

fn middlebox(issuer: &str) -> Option<&'static str> {
    let issuer = issuer.to_lowercase();
    let found = MIDDLEBOXES.iter().find(|(word, _)| issuer.contains(word));
    found.map(|(_, product)| *product)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(days_before: u64, days_left: u64) -> (Shown, SystemTime) {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let first = Certificate {
            issuer: "An authority".to_owned(),
            not_before: Some(now - Duration::from_secs(days_before * DAY)),
            not_after: Some(now + Duration::from_secs(days_left * DAY + 60)),
            ..Certificate::default()
        };
        let shown = Shown {
            chain: vec![first],
            version: "TLS 1.3",
            asks_for_client: false,
        };
        (shown, now)
    }

    #[test]
    fn soon_is_two_weeks_and_less_for_a_certificate_that_lives_for_days() {
        for (before, left, code) in [
            (60, 30, "TLS_TRUSTED"),
            (80, 10, "TLS_EXPIRES_SOON"),
            (2, 4, "TLS_TRUSTED"),
            (5, 1, "TLS_EXPIRES_SOON"),
        ] {
            let (shown, now) = shown(before, left);
            assert_eq!(
                trusted(Some(&shown), now).code.name,
                code,
                "{before} {left}"
            );
        }
    }

    #[test]
    fn a_program_that_reads_traffic_is_known_by_its_issuer() {
        for (issuer, product) in [
            (
                "Zscaler Intermediate Root CA (zscalerthree.net), Zscaler Inc.",
                Some("Zscaler"),
            ),
            ("DO_NOT_TRUST_FiddlerRoot", Some("Fiddler")),
            ("Let's Encrypt", None),
        ] {
            assert_eq!(middlebox(issuer), product);
        }
    }
}
