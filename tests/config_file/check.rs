//! `mcpipe config check`, as text and as JSON.

use serde_json::{Value, json};

use super::{home, run_in};
use crate::support::host::Process;

/// The place of the administrator's file.
const MANAGED: &str = match () {
    () if cfg!(windows) => r"C:\ProgramData\mcpipe\mcpipe.toml",
    () if cfg!(target_os = "macos") => "/Library/Application Support/mcpipe/mcpipe.toml",
    () => "/etc/mcpipe/mcpipe.toml",
};

const FILE: &str = "\
[defaults]
grace = 60
keep-alive = true
deny-tool = ['delete_*']
header = ['X-Team: blue', 'X-Key: s3cret']

[server.'https://mcp.example.com']
keep-alive = false
header = ['Authorization: Bearer ${vault:linear}']
client-id = 'robot'
client-secret = 'command:op read s3cret'

[server.'https://mcp.example.com'.tool.'drop_*']
deny = true
rate-limit = '5/m'

[server.'https://other.example.com']
scope = 'other'

[vault]
key_command = ['op', 's3cret']
";

const SERVER: &str = "https://MCP.example.com:443/mcp?key=s3cret";

/// The lines of the report about what is set, without the file's folder.
async fn report(home: &std::path::Path, variables: &[(&str, &str)]) -> Vec<String> {
    let arguments = ["config", "check", SERVER, "--account", "work"];
    let left = Process::start_in(home, &arguments, variables)
        .closed()
        .await;
    assert!(left.status.success(), "{}", left.stderr);
    let folder = format!("{}/", home.display());
    let lines = left.lines.iter().map(|line| line.replace(&folder, ""));
    lines.filter(|line| !line.ends_with("# default")).collect()
}

#[tokio::test]
async fn every_value_is_shown_with_its_place_and_no_secret_is() {
    let home = home(FILE);
    let variables = [("MCPIPE_IGNORE_TOOL", "c"), ("MCPIPE_GRACE", "5")];
    let found = report(home.path(), &variables).await;
    let wanted = "\
mcpipe.toml: in order
  line 1 [defaults]
  line 7 [server.\"https://mcp.example.com\"]
  line 17 [server.\"https://other.example.com\"]
  line 20 [vault]
MANAGED (the administrator's): not there

For https://MCP.example.com:443/mcp?…:
  header = X-Team: blue                        # mcpipe.toml:5
  header = X-Key: …                            # mcpipe.toml:5
  header = Authorization: Bearer ${vault:linear} # mcpipe.toml:9
  account = work                               # --account
  client-id = robot                            # mcpipe.toml:10
  client-secret = command:op …                 # mcpipe.toml:11
  protocol = legacy                            # MCPIPE_PROTOCOL
  grace = 5                                    # MCPIPE_GRACE
  keep-alive = false                           # mcpipe.toml:8
  deny-tool = drop_*                           # mcpipe.toml:14
  deny-tool = delete_*                         # mcpipe.toml:4
  ignore-tool = c                              # MCPIPE_IGNORE_TOOL
  rate-limit = drop_*=5/m                      # mcpipe.toml:15";
    let wanted = wanted.replace("MANAGED", MANAGED);
    assert_eq!(found.join("\n"), wanted);
}

#[tokio::test]
async fn defaults_are_shown_as_such() {
    let home = home("");
    let (code, out, said) = run_in(home.path(), &["config", "check", "https://a.example"]).await;
    assert_eq!(code, Some(0), "{said}");
    let mut lines = out.lines();
    assert!(
        lines.any(
            |line| line.starts_with("  transport = http-first ") && line.ends_with("# default")
        )
    );
}

#[tokio::test]
async fn the_json_is_one_document() {
    let home = home(FILE);
    let arguments = ["config", "check", SERVER, "--json"];
    let (code, out, said) = run_in(home.path(), &arguments).await;
    assert_eq!(code, Some(0), "{said}");
    let mut report: Value = serde_json::from_str(&out).unwrap();
    let path = home.path().join("mcpipe.toml").display().to_string();
    let values = report["values"].as_array_mut().unwrap();
    values.retain(|value| {
        ["grace", "deny-tool", "protocol", "transport"].contains(&value["key"].as_str().unwrap())
    });
    let at = |line: u32| json!({"kind": "file", "path": path, "line": line});
    let wanted = json!({
        "version": 1,
        "server": "https://MCP.example.com:443/mcp?…",
        "files": [
            {"path": path, "managed": false, "exists": true, "tables": [
                {"name": "[defaults]", "line": 1},
                {"name": "[server.\"https://mcp.example.com\"]", "line": 7},
                {"name": "[server.\"https://other.example.com\"]", "line": 17},
                {"name": "[vault]", "line": 20},
            ]},
            {"path": MANAGED, "managed": true, "exists": false, "tables": []},
        ],
        "values": [
            {"key": "transport", "value": "http-first", "origin": {"kind": "default"}},
            {"key": "protocol", "value": "legacy", "origin": {"kind": "variable", "name": "MCPIPE_PROTOCOL"}},
            {"key": "grace", "value": "60", "origin": at(2)},
            {"key": "deny-tool", "value": "drop_*", "origin": at(14)},
            {"key": "deny-tool", "value": "delete_*", "origin": at(4)},
        ],
    });
    assert_eq!(report, wanted, "{report:#}");
    assert!(!out.contains("s3cret"));
}

#[tokio::test]
async fn without_a_server_every_table_is_checked_and_named() {
    let whole = home(FILE);
    let (code, out, _) = run_in(whole.path(), &["config", "check"]).await;
    assert_eq!(code, Some(0));
    assert!(
        out.contains("line 17 [server.\"https://other.example.com\"]"),
        "{out}"
    );
    assert!(!out.contains("grace"), "{out}");

    let nothing = tempfile::tempdir().unwrap();
    let (code, out, _) = run_in(nothing.path(), &["config", "check"]).await;
    assert_eq!(code, Some(0));
    assert!(out.contains("mcpipe.toml: not there"), "{out}");

    // A value of a table for another server is told here only.
    for (text, said) in [
        (
            "[server.'https://o.example']\ngrace = 's3cret'",
            ":2: grace takes",
        ),
        (
            "[vault]\nkey_comand = ['s3cret']",
            ":2: [vault] has no key key_comand",
        ),
        ("[defaults\n", ":1 is not TOML"),
    ] {
        let home = home(text);
        let (code, out, stderr) = run_in(home.path(), &["config", "check", "--json"]).await;
        assert_eq!(code, Some(2), "{text}");
        assert!(stderr.contains(said), "{stderr}");
        let report: Value = serde_json::from_str(&out).unwrap();
        let message = report["error"]["message"].as_str().unwrap();
        assert!(message.contains(said), "{message}");
        assert!(!format!("{out}{stderr}").contains("s3cret"));
    }
}
