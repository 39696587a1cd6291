//! Names, connections, proxies, TLS.

use mcpipe::doctor::finding::Verdict::{self, Fail, Ok, Warn};
use rcgen::{CertificateParams, IsCa, KeyPair, date_time_ymd};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use super::{findings, found, report, report_in};
use crate::support::remote::{Server, ordinary};
use crate::support::tls::{Ca, Front, Shown, fixture};

#[tokio::test]
async fn a_name_without_addresses_is_told_and_no_other_check_fails() {
    let report = report(&["https://no-such-host.invalid/mcp"]).await;
    let failed: Vec<_> = findings(&report)
        .into_iter()
        .filter(|it| it.verdict == Fail)
        .map(|it| it.code.name)
        .collect();
    // A machine without any name server cannot tell.
    let is_told = matches!(
        failed.first(),
        Some(&("NAME_NOT_FOUND" | "NAME_SERVER_FAILED"))
    );
    assert!(is_told, "{failed:?}");
    for code in failed.iter().skip(1) {
        assert!(
            !code.starts_with("TCP_") && !code.starts_with("TLS_") && !code.starts_with("HTTP_"),
            "{failed:?}"
        );
    }
}

#[tokio::test]
async fn the_proxy_and_its_variable_are_told() {
    let home = tempfile::tempdir().unwrap();
    let url = "https://mcp.example.invalid/mcp";
    let failing = [("HTTPS_PROXY", "http://u:s3cret-pw@127.0.0.1:9")];
    let report = report_in(&home, &[url], &failing).await;
    let used = found(&report, "PROXY_USED", Ok);
    assert!(
        used.sentence.contains("127.0.0.1:9 (HTTPS_PROXY)"),
        "{used:?}"
    );
    found(&report, "PROXY_FAILED", Fail);
    assert!(!format!("{report:?}").contains("s3cret-pw"));
    let unreadable = [("HTTPS_PROXY", "ftp://p"), ("NO_PROXY", "x")];
    let report = report_in(&home, &[url], &unreadable).await;
    found(&report, "PROXY_UNREADABLE", Warn);
    let bypassed = [
        ("HTTPS_PROXY", "http://127.0.0.1:9"),
        ("no_proxy", ".invalid"),
    ];
    let report = report_in(&home, &[url], &bypassed).await;
    let bypass = found(&report, "PROXY_BYPASSED", Ok);
    assert!(bypass.sentence.starts_with("no_proxy"), "{bypass:?}");
}

fn self_signed(is_ca: IsCa) -> Shown {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.is_ca = is_ca;
    let certificate = params.self_signed(&key).unwrap();
    (vec![certificate.der().clone()], key.into())
}

async fn shown(shown: Shown, flags: &[&str], code: &str, verdict: Verdict) {
    let server = Server::that(ordinary).await;
    let front = Front::showing(&server.origin(), shown.0, shown.1).await;
    let url = format!("{}/mcp", front.origin);
    let mut words = vec![url.as_str()];
    words.extend(flags);
    let report = report(&words).await;
    found(&report, code, verdict);
    let is_trusted = !server.labels().is_empty();
    assert_eq!(is_trusted, verdict != Fail, "{code}");
}

#[tokio::test]
async fn each_fault_of_a_certificate_has_its_code() {
    let ca = Ca::named("An authority");
    let zscaler = Ca::named("Zscaler Root CA");
    let file = ca.file();
    let trusted = ["--ca", file.as_str()];
    let its = zscaler.file();
    let its = ["--ca", its.as_str()];
    tokio::join!(
        shown(
            ca.issues("localhost", |params| params.not_after =
                date_time_ymd(2020, 1, 1)),
            &trusted,
            "TLS_EXPIRED",
            Fail
        ),
        shown(
            ca.issues("localhost", |params| params.not_before =
                date_time_ymd(2090, 1, 1)),
            &trusted,
            "TLS_NOT_YET_VALID",
            Fail
        ),
        shown(
            ca.issues("other.example", |_| {}),
            &trusted,
            "TLS_WRONG_NAME",
            Fail
        ),
        shown(self_signed(IsCa::NoCa), &[], "TLS_SELF_SIGNED", Fail),
        shown(
            ca.issues_from_below(),
            &trusted,
            "TLS_INCOMPLETE_CHAIN",
            Fail
        ),
        shown(
            zscaler.issues("localhost", |_| {}),
            &[],
            "TLS_INTERCEPTED",
            Fail
        ),
        shown(
            zscaler.issues("localhost", |_| {}),
            &its,
            "TLS_INTERCEPTED",
            Warn
        ),
        shown(ca.issues("localhost", |_| {}), &trusted, "TLS_TRUSTED", Ok),
        shown(
            ca.issues("localhost", |params| {
                let soon = mcpipe::settings::now() + std::time::Duration::from_secs(3 * 86_400);
                params.not_after = soon.into();
                params.not_before = date_time_ymd(2026, 1, 1);
            }),
            &trusted,
            "TLS_EXPIRES_SOON",
            Warn
        ),
    );
}

#[tokio::test]
async fn the_wrong_scheme_is_told_both_ways() {
    let server = Server::that(ordinary).await;
    let plain = server.url().replacen("http://", "https://", 1);
    let report_of_plain = report(&[&plain]).await;
    let not_spoken = found(&report_of_plain, "TLS_NOT_SPOKEN", Fail);
    let remedy = not_spoken.remedy.as_deref().unwrap();
    assert!(
        remedy.contains("mcpipe doctor http://127.0.0.1"),
        "{remedy}"
    );
    let front = Front::before(&server.origin()).await;
    let secured = format!("{}/mcp", front.origin).replacen("https://", "http://", 1);
    let report = report(&[&secured]).await;
    let wrong = found(&report, "WRONG_SCHEME", Fail);
    assert!(
        wrong
            .remedy
            .as_deref()
            .unwrap()
            .contains("mcpipe doctor https://"),
        "{wrong:?}"
    );
}

#[tokio::test]
async fn a_server_that_knows_its_clients_by_certificates_says_so() {
    let server = Server::that(ordinary).await;
    let front = Front::for_the_known(&server.origin()).await;
    let url = format!("{}/mcp", front.origin);
    let ca = fixture("ca.pem").display().to_string();
    let report_without = report(&[&url, "--ca", &ca]).await;
    found(&report_without, "TLS_CLIENT_CERT_REFUSED", Fail);
    let (cert, key) = (fixture("client.pem"), fixture("client.key"));
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let flags = [
        "--ca",
        &ca,
        "--client-cert",
        &cert,
        "--client-cert-key",
        &key,
    ];
    let words: Vec<_> = [url.as_str()].into_iter().chain(flags).collect();
    let report = report(&words).await;
    found(&report, "TLS_CLIENT_CERT_ASKED", Ok);
    found(&report, "HANDSHAKE_DONE", Ok);
}

#[tokio::test]
async fn old_tls_and_none_that_ends_are_told_apart() {
    // An alert: protocol_version.
    for (alert, code) in [
        (Some(70), "TLS_OLD_VERSION"),
        (Some(40), "TLS_FAILED"),
        (None, "TLS_FAILED"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/mcp", listener.local_addr().unwrap());
        let tasks = TaskTracker::new();
        tasks.clone().spawn(async move {
            while let Result::Ok((mut stream, _)) = listener.accept().await {
                tasks.spawn(async move {
                    let _ = stream.read(&mut [0; 1024]).await;
                    match alert {
                        Some(alert) => {
                            let _ = stream.write_all(&[0x15, 3, 3, 0, 2, 2, alert]).await;
                        }
                        None => std::future::pending().await,
                    }
                });
            }
        });
        let report = report(&[&url, "--connect-timeout", "0.3"]).await;
        found(&report, code, Fail);
    }
}
