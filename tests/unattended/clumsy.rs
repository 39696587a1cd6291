//! What a person reads who got something wrong: where, what to do next, each sentence once, and nothing secret.

use crate::support::authority::Authority;
use crate::support::host::Process;

use super::SECRET;
use super::binary::protected_by;

/// Every line of an error differs, none is part of another, and nothing is printed as code would.
fn is_well_said(stderr: &str, of: &str) {
    let lines: Vec<_> = stderr
        .lines()
        .filter(|line| !line.contains(" WARN "))
        .map(|line| line.trim().trim_start_matches("error: "))
        .collect();
    for (at, line) in lines.iter().enumerate() {
        let others = lines.iter().enumerate().filter(|(other, _)| *other != at);
        for (_, other) in others {
            assert!(!other.contains(line), "{of}: said twice: {stderr}");
        }
    }
    assert!(stderr.contains("\nhint: "), "{of}: no hint: {stderr}");
    for bad in ["Some(", "Error {", "Os {", "canary", SECRET] {
        assert!(!stderr.contains(bad), "{of}: {bad} in {stderr}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_machines_proof_is_said_once_with_its_place_and_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &[u8]| {
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (empty, binary) = (file("empty", b"\n"), file("binary", b"\xff\xfe\0canary"));
    let words = file("words", b"canary canary");
    let secret = file("secret", SECRET.as_bytes());
    let encrypted = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/keys/ec-encrypted.pem"
    );
    let p384 = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/keys/p384.pem");
    let authority = Authority::start().await;
    let remote = protected_by(&authority).await;
    let url = remote.url();
    let robot = ["--client-credentials", "--client-id", "robot"];
    let key = |path| [&robot[..], &["--client-key", path]].concat();
    let shown = |path| vec!["--assertion-file", path];
    let run = |line| vec!["--assertion-command", line];
    let nowhere = "http://127.0.0.1:1/token";
    let proved = [&robot[..], &["--client-secret-file", &secret]].concat();
    let at = |url| [&proved[..], &["--token-endpoint", url]].concat();

    let rows: [(Vec<&str>, i32, &[&str]); 16] = [
        (key(&empty), 2, &["--client-key", &empty, "PEM"]),
        (key(&binary), 2, &["--client-key", &binary, "PEM"]),
        (key(p384), 2, &[p384, "P-256", "prime256v1"]),
        (
            key(encrypted),
            2,
            &[encrypted, "openssl pkcs8", "vault:NAME"],
        ),
        (key("vault:none"), 1, &["\"none\"", "vault put none"]),
        (
            [&robot[..], &["--client-secret-file", &empty]].concat(),
            2,
            &[&empty, "is empty"],
        ),
        (
            proved.clone(),
            3,
            &["invalid_client", "robot", "--client-id"],
        ),
        (at(nowhere), 4, &["127.0.0.1:1", "try again"]),
        (
            shown("/nowhere"),
            1,
            &["cannot read /nowhere", "No such file"],
        ),
        (shown(&empty), 1, &[&empty, "is empty", "three parts"]),
        (shown(&words), 1, &[&words, "three parts"]),
        (shown(&binary), 1, &[&binary, "three parts"]),
        (run("no-such-program-here"), 1, &["cannot run", "yourself"]),
        (run("true"), 1, &["`true` printed nothing"]),
        (run("false"), 1, &["exit status: 1", "yourself"]),
        (run("echo canary canary"), 1, &["what `echo` printed"]),
    ];
    for (flags, code, wanted) in rows {
        let arguments = [&["login", &url][..], &flags].concat();
        let variables = [("PATH", "/usr/bin:/bin")];
        let inner = home.path().join("home");
        let left = Process::start_in(&inner, &arguments, &variables)
            .exit()
            .await;
        assert_eq!(left.status.code(), Some(code), "{flags:?}: {}", left.stderr);
        is_well_said(&left.stderr, &format!("{flags:?}"));
        for word in wanted {
            assert!(
                left.stderr.contains(word),
                "{flags:?}: {word} in {}",
                left.stderr
            );
        }
        assert_eq!(left.lines, [""; 0], "{flags:?}");
    }
}

/// Who signed in with a machine's flags and forgets them is not told to sign in again.
#[tokio::test]
async fn a_token_of_a_machine_asked_for_without_its_flags_is_an_error_that_says_so() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::start().await;
    authority.add_secret_client("robot", SECRET, "client_secret_basic");
    let remote = protected_by(&authority).await;
    let url = remote.url();
    let robot = ["--client-credentials", "--client-id", "robot"];
    let proof = ["--client-secret-env", "ROBOT"];
    let login = [&["login", &url][..], &robot, &proof].concat();
    let left = Process::start_in(home.path(), &login, &[("ROBOT", SECRET)])
        .exit()
        .await;
    assert!(left.status.success(), "{}", left.stderr);

    let left = Process::start_in(home.path(), &["token", &url], &[])
        .exit()
        .await;
    assert_eq!(left.status.code(), Some(3), "{}", left.stderr);
    assert!(
        left.stderr.contains("by client credentials"),
        "{}",
        left.stderr
    );
    assert!(left.stderr.contains("give the flags"), "{}", left.stderr);
    assert_eq!(left.lines, [""; 0]);
}
