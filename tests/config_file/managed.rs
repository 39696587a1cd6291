//! The administrator's file. Its place is compiled in, so that no user leads mcpipe to another: these tests name another
//! place within the process, and the files there are root's only where root runs them.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use mcpipe::cli;
use mcpipe::policy::Rules;
use mcpipe::settings::{self, Environment, config_report, policy};
use tempfile::TempDir;

/// The files of an administrator and of a user.
struct World {
    _home: TempDir,
    managed: PathBuf,
    env: Environment,
}

impl World {
    fn with(managed: &str, user: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let etc = home.path().join("etc");
        std::fs::create_dir(&etc).unwrap();
        std::fs::set_permissions(&etc, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = etc.join("mcpipe.toml");
        std::fs::write(&path, managed).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::fs::write(home.path().join("mcpipe.toml"), user).unwrap();
        let mut env = Environment::default();
        let own = home.path().display().to_string();
        env.variables.insert("MCPIPE_HOME".to_owned(), own);
        Self {
            managed: path,
            env,
            _home: home,
        }
    }

    /// The rules of this command line.
    fn rules(&self, line: &str) -> Result<Rules, String> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let env = Environment {
            arguments: Some(line.split_whitespace().map(str::to_owned).collect()),
            ..self.env.clone()
        };
        let cli = cli::parse(words.iter().cloned()).unwrap();
        let cli = settings::configured_beside(cli, &words, &env, &self.managed);
        let rules = cli.and_then(|cli| policy::rules(&cli.bridge.policy, &env));
        rules.map_err(|failure| failure.text())
    }
}

const LINE: &str = "mcpipe https://a.example/mcp";

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn a_user_tightens_and_undoes_nothing() {
    if !is_root() {
        return;
    }
    let world = World::with(
        "[defaults]\ndeny-tool = ['delete_*']\nallow-tool = ['*_it']\nmax-tools = 10\nread-only = true\n[server.'https://a.example'.tool.x]\nrate-limit = '5/m'\n",
        "[defaults]\nread-only = false\nmax-tools = 99\n[server.'https://a.example']\nallow-tool = ['*']\n",
    );
    let rules = world.rules(&format!("{LINE} --deny-tool mine")).unwrap();
    let managed = world.managed.display().to_string();
    let origins: Vec<_> = rules
        .tools
        .deny
        .iter()
        .map(|(_, rule)| rule.origin.to_string())
        .collect();
    assert_eq!(origins, [format!("{managed}:2"), "--deny-tool".to_owned()]);
    // Each list has to permit a tool.
    assert_eq!(rules.tools.allow.len(), 2);
    let limits: Vec<_> = rules.max_tools.iter().map(|limit| limit.value).collect();
    assert_eq!(limits, [10, 99]);
    assert_eq!(
        rules.read_only.unwrap().origin.to_string(),
        format!("{managed}:5")
    );
    assert_eq!(rules.rate_limit.len(), 1);

    let said = world
        .rules(&format!("{LINE} --policy-dry-run"))
        .unwrap_err();
    assert!(
        said.contains("policy-dry-run (--policy-dry-run) would undo"),
        "{said}"
    );
    assert!(said.contains(&managed), "{said}");
}

#[test]
fn a_file_of_an_administrator_that_is_wrong_or_not_to_be_relied_on_stops_the_bridge() {
    for (text, said) in [
        (
            "[defaults]\nheader = ['X: s3cret']",
            ":2: header is no guard rail",
        ),
        (
            "[defaults]\ndeny-tols = ['s3cret']",
            ":2: [defaults] has no key deny-tols",
        ),
        ("[defaults]\nmax-tools = 's3cret'", ":2: max-tools takes"),
        ("[defaults", ":1 is not TOML"),
    ] {
        if is_root() {
            let found = World::with(text, "").rules(LINE).unwrap_err();
            assert!(found.contains(said), "{found}");
            assert!(!found.contains("s3cret"), "{found}");
        }
    }
    let world = World::with("[defaults]\ndeny-tool = ['x']", "");
    std::fs::set_permissions(&world.managed, std::fs::Permissions::from_mode(0o666)).unwrap();
    // No variable of the user's lets it pass.
    let mut loose = world;
    let variable = "MCPIPE_ALLOW_LOOSE_PERMISSIONS".to_owned();
    loose.env.variables.insert(variable, "1".to_owned());
    let found = loose.rules(LINE).unwrap_err();
    assert!(found.contains("is not to be relied on"), "{found}");
    assert!(
        found.contains(&loose.managed.display().to_string()),
        "{found}"
    );
}

/// A mount namespace has an `/etc` of its own; root alone may make one.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_binary_keeps_to_the_file_at_its_place() {
    use super::{played, server, tool_call, tools};
    use crate::support::host::{Process, THIS};

    let etc = "mount -t tmpfs tmpfs /etc && mkdir -m 755 /etc/mcpipe";
    let path = ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let can = Process::start_program(
        "sh",
        Path::new("/"),
        &["-c", &format!("unshare -m sh -c '{etc}'")],
        &[path],
    );
    if !can.closed().await.status.success() {
        return;
    }
    let server = server().await;
    let home = super::home("[defaults]\nread-only = false\n");
    let start = |file: &str, mode: &str, arguments: &str| {
        let script = format!(
            "{etc} && printf '{file}' > /etc/mcpipe/mcpipe.toml && chmod {mode} /etc/mcpipe/mcpipe.toml && exec {THIS} {} {arguments}",
            server.url()
        );
        let variables = [path, ("MCPIPE_ALLOW_LOOSE_PERMISSIONS", "1")];
        Process::start_program(
            "unshare",
            home.path(),
            &["-m", "sh", "-c", &script],
            &variables,
        )
    };
    let file = "[defaults]\\ndeny-tool = [\"delete_*\"]\\n";
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#.to_owned();
    let host = start(file, "644", "--allow-tool \\*");
    let (answers, said) = played(host, &[list, tool_call(2, "delete_it")]).await;
    assert_eq!(tools(&answers[0]), ["read", "drop_it"], "{said}");
    let error = answers[1]["error"].to_string();
    assert!(error.contains("/etc/mcpipe/mcpipe.toml:2"), "{error}");
    assert_eq!(server.count("POST tools/call"), 0);

    let asked = server.labels().len();
    for (file, mode, arguments, said) in [
        (file, "666", "", "is not to be relied on"),
        (
            file,
            "644",
            "--policy-dry-run",
            "would undo what the administrator",
        ),
        (
            "[defaults]\\nscope = 1\\n",
            "644",
            "",
            ":2: scope is no guard rail",
        ),
    ] {
        let left = start(file, mode, arguments).closed().await;
        assert_eq!(left.status.code(), Some(2), "{}", left.stderr);
        assert!(left.stderr.contains(said), "{}", left.stderr);
    }
    assert_eq!(server.labels().len(), asked);
}

#[test]
fn no_variable_leads_to_another_place() {
    let source = include_str!("../../src/settings/config_file/managed.rs");
    let (code, _) = source.split_once("#[cfg(test)]").unwrap();
    for word in ["env", "dirs::", "var("] {
        assert!(!code.contains(word), "{word}");
    }
}

#[test]
fn the_report_names_the_administrators_values() {
    if !is_root() {
        return;
    }
    let world = World::with(
        "[defaults]\naudit = '/var/log/mcpipe.jsonl'\n",
        "[defaults]\naudit = '/mine'\n",
    );
    let url = Some("https://a.example/mcp");
    let report =
        config_report::config_report_beside(url, None, &world.env, Path::new(&world.managed));
    let report = report.unwrap();
    let audit: Vec<_> = report
        .values
        .iter()
        .filter(|value| value.key == "audit")
        .collect();
    let [audit] = audit.as_slice() else {
        panic!("{audit:?}")
    };
    assert_eq!(audit.value, "/var/log/mcpipe.jsonl");
    let origin = audit.origin.as_ref().unwrap().to_string();
    assert_eq!(origin, format!("{}:2", world.managed.display()));
}
