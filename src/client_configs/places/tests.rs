use super::*;
use crate::client_configs::hosts::named;

fn folders(system: System, home: &str, variables: &[(&str, &str)]) -> Folders {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Folders::new(system, home.into(), variables.iter().map(own).collect())
}

/// Returns the paths of a host's files, the user's and then the project's, as the table has them: with `/`.
fn paths(host: &str, folders: &Folders) -> Vec<String> {
    let places = of_host(named(host).unwrap(), folders);
    let shown = |place: Place| place.path.to_string_lossy().replace('\\', "/");
    places.into_iter().map(shown).collect()
}

/// The first file of each host on each system: the one that is made where there is none.
const FIRST: &[(&str, &str, &str, &str)] = &[
    (
        "claude-desktop",
        "/h/.config/Claude/claude_desktop_config.json",
        "/h/Library/Application Support/Claude/claude_desktop_config.json",
        "C:/h/AppData/Roaming/Claude/claude_desktop_config.json",
    ),
    ("claude-code", "/h/.claude.json", "", ""),
    ("cursor", "/h/.cursor/mcp.json", "", ""),
    (
        "vscode",
        "/h/.config/Code/User/mcp.json",
        "/h/Library/Application Support/Code/User/mcp.json",
        "C:/h/AppData/Roaming/Code/User/mcp.json",
    ),
    (
        "vscode-insiders",
        "/h/.config/Code - Insiders/User/mcp.json",
        "/h/Library/Application Support/Code - Insiders/User/mcp.json",
        "C:/h/AppData/Roaming/Code - Insiders/User/mcp.json",
    ),
    ("windsurf", "/h/.codeium/windsurf/mcp_config.json", "", ""),
    (
        "zed",
        "/h/.config/zed/settings.json",
        "/h/.config/zed/settings.json",
        "C:/h/AppData/Roaming/Zed/settings.json",
    ),
    ("gemini", "/h/.gemini/settings.json", "", ""),
    ("antigravity", "/h/.gemini/config/mcp_config.json", "", ""),
    ("codex", "/h/.codex/config.toml", "", ""),
    (
        "goose",
        "/h/.config/goose/config.yaml",
        "/h/.config/goose/config.yaml",
        "C:/h/AppData/Roaming/Block/goose/config/config.yaml",
    ),
    ("opencode", "/h/.config/opencode/opencode.json", "", ""),
    ("copilot", "/h/.copilot/mcp-config.json", "", ""),
    ("kiro", "/h/.kiro/settings/mcp.json", "", ""),
    ("lm-studio", "/h/.lmstudio/mcp.json", "", ""),
    (
        "cline",
        "/h/.config/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
        "/h/Library/Application Support/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
        "C:/h/AppData/Roaming/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
    ),
    (
        "cline-cli",
        "/h/.cline/data/settings/cline_mcp_settings.json",
        "",
        "",
    ),
    (
        "amp",
        "/h/.config/amp/settings.json",
        "/h/.config/amp/settings.json",
        "C:/h/AppData/Roaming/amp/settings.json",
    ),
    ("continue", "/h/.continue/config.yaml", "", ""),
    (
        "crush",
        "/h/.config/crush/crush.json",
        "/h/.config/crush/crush.json",
        "C:/h/AppData/Local/crush/crush.json",
    ),
    ("kilo", "/h/.config/kilo/kilo.json", "", ""),
    (
        "trae",
        "/h/.config/Trae/User/mcp.json",
        "/h/Library/Application Support/Trae/User/mcp.json",
        "C:/h/AppData/Roaming/Trae/User/mcp.json",
    ),
    ("kimi", "/h/.kimi-code/mcp.json", "", ""),
    ("vibe", "/h/.vibe/config.toml", "", ""),
    ("grok", "/h/.grok/config.toml", "", ""),
    ("factory", "/h/.factory/mcp.json", "", ""),
    (
        "qoder",
        "/h/.qoder/mcp.json",
        "/h/.qoder/mcp.json",
        "C:/h/AppData/Roaming/Qoder/SharedClientCache/mcp.json",
    ),
    ("amazon-q", "/h/.aws/amazonq/mcp.json", "", ""),
    ("pi", "/h/.pi/agent/mcp.json", "", ""),
    ("mastra", "/h/.mastracode/mcp.json", "", ""),
    ("fx", "/h/.fx/mcp.json", "", ""),
    ("mcporter", "/h/.mcporter/mcporter.json", "", ""),
    ("junie", "-", "-", "-"),
    ("warp", "-", "-", "-"),
    ("jetbrains", "-", "-", "-"),
];

#[test]
fn every_host_has_its_file_on_each_of_the_three_systems() {
    let names: Vec<_> = HOSTS.iter().map(|host| host.name).collect();
    let told: Vec<_> = FIRST.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, told);
    for (host, linux, mac, windows) in FIRST {
        // An empty text means: as on Linux, under the home of that system.
        let mac = if mac.is_empty() { linux } else { mac };
        let windows = match *windows {
            "" => format!("C:{linux}"),
            other => other.to_owned(),
        };
        for (system, home, wanted) in [
            (System::Linux, "/h", *linux),
            (System::MacOs, "/h", *mac),
            (System::Windows, "C:/h", windows.as_str()),
        ] {
            let found = paths(host, &folders(system, home, &[]));
            let first = found.first().map_or("-", String::as_str);
            assert_eq!(first, wanted, "{host} on {system:?}");
        }
    }
}

#[test]
fn variables_of_the_environment_come_first() {
    for (host, variable, wanted) in [
        ("claude-code", "CLAUDE_CONFIG_DIR", "/v/.claude.json"),
        ("codex", "CODEX_HOME", "/v/config.toml"),
        ("opencode", "OPENCODE_CONFIG", "/v"),
        ("opencode", "OPENCODE_CONFIG_DIR", "/v/opencode.json"),
        ("copilot", "COPILOT_HOME", "/v/mcp-config.json"),
        (
            "cline-cli",
            "CLINE_DIR",
            "/v/data/settings/cline_mcp_settings.json",
        ),
        ("kimi", "KIMI_CODE_HOME", "/v/mcp.json"),
        ("grok", "GROK_HOME", "/v/config.toml"),
        ("opencode", "XDG_CONFIG_HOME", "/v/opencode/opencode.json"),
        ("vscode", "XDG_CONFIG_HOME", "/v/Code/User/mcp.json"),
    ] {
        let set = folders(System::Linux, "/h", &[(variable, "/v")]);
        assert_eq!(paths(host, &set).first().unwrap(), wanted, "{variable}");
        let empty = folders(System::Linux, "/h", &[(variable, "")]);
        assert_eq!(
            paths(host, &empty),
            paths(host, &folders(System::Linux, "/h", &[])),
            "{variable}"
        );
    }
    let tilde = folders(System::Linux, "/h", &[("CODEX_HOME", "~/c")]);
    assert_eq!(paths("codex", &tilde).first().unwrap(), "/h/c/config.toml");
    let relative = folders(System::Linux, "/h", &[("XDG_CONFIG_HOME", "c")]);
    assert_eq!(
        paths("zed", &relative).first().unwrap(),
        "/h/.config/zed/settings.json"
    );
}

#[test]
fn windows_keeps_settings_where_its_variables_say_and_packages_have_their_own() {
    let set = [("APPDATA", "D:/roaming"), ("LOCALAPPDATA", "D:/local")];
    let mut set = folders(System::Windows, "C:/h", &set);
    // On this system the paths of Windows have a root only with a slash before them.
    set.settings = "D:/roaming".into();
    set.local = "D:/local".into();
    set.packages = ["Other_1", "Claude_pzs8sxrjxfjjc"].map(Into::into).to_vec();
    assert_eq!(
        paths("claude-desktop", &set),
        [
            "D:/local/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude/claude_desktop_config.json",
            "D:/roaming/Claude/claude_desktop_config.json",
        ]
    );
}

#[test]
fn no_place_is_looked_at_twice() {
    let mut folders = folders(System::Linux, "/h", &[]);
    folders.project = Some("/h".into());
    let places = all(&folders);
    let mut paths: Vec<_> = places.iter().map(|place| &place.path).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), places.len());
    let of = |path: &str| {
        let mut places = places.iter();
        places.find(|place| place.path == Path::new(path)).unwrap()
    };
    assert_eq!(of("/h/.codex/config.toml").format, Format::Toml);
    assert_eq!(of("/h/.config/goose/config.yaml").format, Format::Yaml);
    assert_eq!(
        of("/h/.config/Claude/claude_desktop_config.json").format,
        Format::Json
    );
    assert_eq!(of("/h/.cursor/mcp.json").author, Author::User);
    assert_eq!(of("/h/.mcp.json").author, Author::Project);
}

#[test]
fn names_are_words_that_can_be_typed() {
    for host in HOSTS {
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(host.name.chars().all(is_word), "{}", host.name);
        let same = HOSTS.iter().filter(|it| it.name == host.name);
        assert_eq!(same.count(), 1, "{}", host.name);
        assert_eq!(named(host.title).unwrap().name, host.name);
    }
    assert!(HOSTS.iter().filter(|host| !host.is_by_hand()).count() >= 20);
    assert!(named("nobody").is_none());
}
