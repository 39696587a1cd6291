//! Certificates and versions of TLS that are refused: at the MCP server and at its authorization server, whatever names the
//! roots, before anything is sent, and in words that say what was seen and what to do.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::support::host::{Process, request};
use crate::support::remote::{Reply, Server, ordinary};
use crate::support::tls::{Ca, Front, Shown, fixture};

/// Self-signed certificates, written to a file as well.
fn self_signed(is_ca: IsCa, file: &str) -> Shown {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.is_ca = is_ca;
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(file, certificate.pem()).unwrap();
    (vec![certificate.der().clone()], key.into())
}

fn of_fixture(name: &str) -> Shown {
    let chain = CertificateDer::pem_file_iter(fixture(&format!("{name}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(fixture("weak.key")).unwrap();
    (chain.map(Result::unwrap).collect(), key)
}

/// What is said of a server that cannot be trusted: some words of the message, and some of the advice.
#[derive(Clone, Copy)]
struct Said {
    why: &'static str,
    hint: &'static str,
}

impl Said {
    /// Checks an error of the bridge's.
    fn check(self, which: &str, error: &Value) {
        let message = error["message"].as_str().unwrap();
        let hint = error["data"]["hint"].as_str().unwrap();
        assert!(message.contains(self.why), "{which}: {message}");
        assert!(hint.contains(self.hint), "{which}: {hint}");
        assert_eq!(error["data"]["kind"], "unreachable", "{which}: {error}");
        let retryable = &error["data"]["retryable"];
        assert_ne!(*retryable, true, "{which}: {error}");
    }
}

/// How the roots are named.
#[derive(Clone, Debug)]
enum Roots {
    Flag(String),
    Variable(&'static str, String),
}

impl Roots {
    fn flags(&self) -> Vec<&str> {
        match self {
            Self::Flag(file) => vec!["--ca", file],
            Self::Variable(..) => Vec::new(),
        }
    }

    fn variables(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Flag(_) => Vec::new(),
            Self::Variable(name, file) => vec![(name, file)],
        }
    }

    fn all(file: &str) -> [Self; 3] {
        [
            Self::Flag(file.to_owned()),
            Self::Variable("NODE_EXTRA_CA_CERTS", file.to_owned()),
            Self::Variable("SSL_CERT_FILE", file.to_owned()),
        ]
    }
}

/// What a request is answered with by a server at that origin.
async fn asked(origin: &str, roots: &Roots) -> Value {
    let url = format!("{origin}/mcp");
    let mut arguments = roots.flags();
    arguments.push(&url);
    let mut host = Process::start_with(&arguments, &roots.variables());
    host.send(request(1, "tools/list")).await;
    let answer = host.next_json().await;
    host.closed().await;
    answer
}

/// What a person reads whose server has its authorization server at that origin.
async fn signed_in_at(origin: &str, roots: &Roots) -> String {
    let server = Server::that(|_| Reply::status(401)).await;
    let url = server.url();
    let login = ["login", "--no-browser", "--authorization-server", origin];
    let mut arguments = [&login[..], &roots.flags()].concat();
    arguments.push(&url);
    let left = Process::start_with(&arguments, &roots.variables())
        .closed()
        .await;
    assert!(!left.status.success(), "{}", left.stderr);
    left.stderr
}

/// Both servers show this; neither hears a word.
async fn is_refused(which: &str, shown: Shown, roots: &Roots, said: Said) {
    let server = Server::that(ordinary).await;
    let (chain, key) = shown;
    let front = Front::showing(&server.origin(), chain, key).await;
    let answer = asked(&front.origin, roots).await;
    said.check(which, &answer["error"]);
    let stderr = signed_in_at(&front.origin, roots).await;
    assert!(stderr.contains(said.why), "{which}: {stderr}");
    assert!(stderr.contains(said.hint), "{which}: {stderr}");
    assert_eq!(front.greeted(), 0, "{which}");
    assert!(server.all().is_empty(), "{which}");
}

#[tokio::test]
async fn a_certificate_that_is_good_is_taken_by_whatever_names_its_authority() {
    let ca = Ca::named("a CA");
    for roots in Roots::all(&ca.file()) {
        let server = Server::that(ordinary).await;
        let (chain, key) = ca.issues("localhost", |_| ());
        let front = Front::showing(&server.origin(), chain, key).await;
        let answer = asked(&front.origin, &roots).await;
        assert!(answer["result"].is_object(), "{roots:?}: {answer}");
        // It is no authorization server, and that is all that is wrong with it.
        let stderr = signed_in_at(&front.origin, &roots).await;
        assert!(!stderr.contains("certificate"), "{roots:?}: {stderr}");
        assert!(front.greeted() >= 2, "{roots:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_good_now_or_here_is_refused_whatever_names_its_authority() {
    let ca = Ca::named("a CA");
    for roots in Roots::all(&ca.file()) {
        let expired = ca.issues("localhost", |it| {
            it.not_before = date_time_ymd(2019, 1, 1);
            it.not_after = date_time_ymd(2020, 2, 29);
        });
        let said = Said {
            why: "its certificate expired on Sat, 29 Feb 2020 00:00:00 GMT, and this machine's clock says ",
            hint: "has to renew the certificate. If this machine's clock is wrong, set it",
        };
        is_refused("expired", expired, &roots, said).await;
        let early = ca.issues("localhost", |it| it.not_before = date_time_ymd(2999, 1, 1));
        let said = Said {
            why: "its certificate is not valid before Tue, 01 Jan 2999 00:00:00 GMT",
            hint: "this machine's clock. If it is right",
        };
        is_refused("not yet valid", early, &roots, said).await;
        let other = ca.issues("other.example", |_| ());
        let said = Said {
            why: "its certificate is for other.example, not for localhost",
            hint: "the address: another server may answer there",
        };
        is_refused("another name", other, &roots, said).await;
    }
}

#[tokio::test]
async fn a_certificate_of_the_wrong_kind_is_refused() {
    let ca = Ca::named("a CA");
    let roots = Roots::Flag(ca.file());
    let purposes = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let client = ca.issues("localhost", |it| it.extended_key_usages = purposes);
    let said = Said {
        why: "its certificate is refused (",
        hint: "has to install another certificate",
    };
    is_refused("a client's", client, &roots, said).await;
    let nameless = ca.issues("localhost", |it| it.subject_alt_names.clear());
    let said = Said {
        why: "its certificate names no server (it has no subjectAltName), and so not localhost",
        hint: "has to install another certificate",
    };
    is_refused("without a name", nameless, &roots, said).await;
    let said = Said {
        why: "its certificate is of X.509 version 1",
        hint: "-extfile FILE gives it a subjectAltName",
    };
    let root = fixture("version1-ca.pem").display().to_string();
    is_refused(
        "version 1",
        of_fixture("version1"),
        &Roots::Flag(root),
        said,
    )
    .await;
    for (name, why) in [
        ("sha1", "of a kind that is not safe, SHA-1 for instance"),
        ("weak", "by a key that is not safe (RSA below 2048 bits)"),
    ] {
        let root = fixture(&format!("{name}-ca.pem")).display().to_string();
        let said = Said {
            why,
            hint: "has to install another",
        };
        is_refused(name, of_fixture(name), &Roots::Flag(root), said).await;
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_trusted_signed_is_refused_for_what_it_is() {
    let (ca, other) = (Ca::named("a CA"), Ca::named("another CA"));
    let roots = Roots::Flag(ca.file());
    let file = |name: &str| ca.folder().join(name).display().to_string();
    let said = Said {
        why: "its certificate is self-signed, and this machine does not trust it",
        hint: "--ca FILE trusts it",
    };
    let own = self_signed(IsCa::ExplicitNoCa, &file("own.pem"));
    is_refused("self-signed", own, &roots, said).await;
    let said = Said {
        why: "no authority that this machine trusts signed its certificate, and it sent no intermediate one",
        hint: "you know the authority that signed it: --ca FILE trusts that authority. If it is a public one,",
    };
    let strangers = other.issues("localhost", |_| ());
    is_refused("a stranger's", strangers, &roots, said).await;
    is_refused("incomplete", ca.issues_from_below(), &roots, said).await;
    let said = Said {
        why: "its certificate's signature is not by the authority that it names",
        hint: "has a newer certificate: --ca FILE trusts that one",
    };
    let of_that_name = Ca::named("a CA").issues("localhost", |_| ());
    is_refused("of the same name", of_that_name, &roots, said).await;
}

#[tokio::test]
async fn a_self_signed_certificate_is_taken_when_the_user_names_it_unless_it_is_an_authoritys() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.pem").display().to_string();
    let (chain, key) = self_signed(IsCa::ExplicitNoCa, &file);
    let server = Server::that(ordinary).await;
    let front = Front::showing(&server.origin(), chain, key).await;
    let answer = asked(&front.origin, &Roots::Flag(file.clone())).await;
    assert!(answer["result"].is_object(), "{answer}");
    // What `openssl req -x509` makes unless it is told otherwise.
    let authoritys = self_signed(IsCa::Ca(BasicConstraints::Unconstrained), &file);
    let said = Said {
        why: "its certificate is a certificate authority's own (CA:TRUE)",
        hint: "-addext basicConstraints=critical,CA:FALSE",
    };
    is_refused("CA:TRUE", authoritys, &Roots::Flag(file), said).await;
}

/// A port where each connection is answered with these bytes, whatever comes; how many connections came.
async fn answering(bytes: Vec<u8>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let came = Arc::clone(&count);
    TaskTracker::new().spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            came.fetch_add(1, Ordering::Relaxed);
            let mut hello = [0; 4096];
            let read = stream.read(&mut hello).await.unwrap_or(0);
            // Type handshake, ClientHello: not one word of HTTP.
            assert!(read > 5 && hello[0] == 22 && hello[5] == 1);
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            let _ = stream.read(&mut hello).await;
        }
    });
    (format!("https://localhost:{port}"), count)
}

/// The ServerHello (RFC 4346 section 7.4.1.3) of a server that chooses TLS 1.1.
fn hello_of_tls_1_1() -> Vec<u8> {
    let mut hello = vec![3, 2];
    hello.extend([7; 32]); // random
    hello.push(0); // no session
    hello.extend([0, 0x2f, 0]); // TLS_RSA_WITH_AES_128_CBC_SHA, not compressed
    let mut message = vec![2, 0, 0, u8::try_from(hello.len()).unwrap()];
    message.extend(hello);
    let mut record = vec![22, 3, 2, 0, u8::try_from(message.len()).unwrap()];
    record.extend(message);
    record
}

#[tokio::test]
async fn a_server_without_a_safe_version_of_tls_is_refused() {
    let old = Said {
        why: "it speaks neither TLS 1.2 nor TLS 1.3, and nothing older is safe",
        hint: "has to switch TLS 1.2 or 1.3 on",
    };
    let parameters = Said {
        why: "it broke the TLS handshake off (HandshakeFailure)",
        hint: "a usual cipher suite of TLS 1.2 or 1.3",
    };
    let plain = Said {
        why: "what answers there does not speak TLS",
        hint: "the address and its port",
    };
    let http = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".to_vec();
    for (which, bytes, said) in [
        ("TLS 1.1", hello_of_tls_1_1(), old),
        ("an alert of TLS 1.1", vec![21, 3, 2, 0, 2, 2, 70], old),
        (
            "no cipher in common",
            vec![21, 3, 3, 0, 2, 2, 40],
            parameters,
        ),
        ("http", http, plain),
    ] {
        let roots = Roots::Flag(fixture("ca.pem").display().to_string());
        let (origin, came) = answering(bytes).await;
        let answer = asked(&origin, &roots).await;
        said.check(which, &answer["error"]);
        let stderr = signed_in_at(&origin, &roots).await;
        assert!(stderr.contains(said.why), "{which}: {stderr}");
        assert!(stderr.contains(said.hint), "{which}: {stderr}");
        assert!(came.load(Ordering::Relaxed) >= 2, "{which}");
    }
}

#[tokio::test]
async fn a_machine_without_authorities_says_so() {
    let server = Server::that(ordinary).await;
    let front = Front::before(&server.origin()).await;
    let folder = tempfile::tempdir().unwrap();
    let empty: PathBuf = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let roots = Roots::Variable("SSL_CERT_FILE", empty.display().to_string());
    let said = Said {
        why: "this machine has no certificate authorities to check its certificate with",
        hint: "SSL_CERT_FILE or --ca FILE",
    };
    said.check("no roots", &asked(&front.origin, &roots).await["error"]);
    assert_eq!(front.greeted(), 0);
}
