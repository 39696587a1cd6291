//! Where MCP clients keep their configuration.

use std::path::{Path, PathBuf};

use super::clients::Language;

/// The folders everything else is under.
#[derive(Clone, Debug)]
pub struct Folders {
    /// The person's.
    pub home: PathBuf,
    /// Where applications keep settings: `~/.config`, `~/Library/Application Support`, `%APPDATA%`.
    pub config: PathBuf,
    /// Where mcpipe was started, which may be a project's.
    pub project: Option<PathBuf>,
}

impl Folders {
    /// Those of this process; `None` for somebody without a home.
    pub fn of_this_process() -> Option<Self> {
        let home = dirs::home_dir()?;
        Some(Self {
            config: dirs::config_dir().unwrap_or_else(|| home.join(".config")),
            home,
            project: std::env::current_dir().ok(),
        })
    }
}

/// A configuration file that may be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whose it is.
    pub client: &'static str,
    /// Where.
    pub path: PathBuf,
    /// How it is written.
    pub language: Language,
}

/// All of them, whether there or not.
pub fn all(folders: &Folders) -> Vec<Place> {
    let Folders { home, config, .. } = folders;
    let dotted = home.join(".config");
    let project = folders.project.as_deref();
    let mut places: Vec<Place> = Vec::new();
    let mut add = |client, root: Option<&Path>, file: &str| {
        let Some(root) = root else { return };
        let language = match file.rsplit('.').next() {
            Some("toml") => Language::Toml,
            Some("yaml") => Language::Yaml,
            _ => Language::Json,
        };
        let path = root.join(file);
        if !places.iter().any(|place| place.path == path) {
            places.push(Place {
                client,
                path,
                language,
            });
        }
    };
    let (home, config, dotted) = (
        Some(home.as_path()),
        Some(config.as_path()),
        Some(dotted.as_path()),
    );
    add(
        "Claude Desktop",
        config,
        "Claude/claude_desktop_config.json",
    );
    add("Cursor", home, ".cursor/mcp.json");
    add("Cursor", project, ".cursor/mcp.json");
    add("Windsurf", home, ".codeium/windsurf/mcp_config.json");
    add("Claude Code", home, ".claude.json");
    add("Claude Code", project, ".mcp.json");
    add("VS Code", config, "Code/User/mcp.json");
    add("VS Code", config, "Code/User/settings.json");
    add("VS Code", project, ".vscode/mcp.json");
    add("Gemini", home, ".gemini/settings.json");
    add("Gemini", project, ".gemini/settings.json");
    add("Codex", home, ".codex/config.toml");
    add("Goose", dotted, "goose/config.yaml");
    add("Goose", config, "goose/config.yaml");
    add("Goose", config, "Block/goose/config/config.yaml");
    for root in [dotted, config] {
        add("Zed", root, "zed/settings.json");
        add("opencode", root, "opencode/opencode.json");
        add("opencode", root, "opencode/opencode.jsonc");
    }
    add("Zed", project, ".zed/settings.json");
    add("opencode", project, "opencode.json");
    add("opencode", project, "opencode.jsonc");
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_place_is_looked_at_twice() {
        let folders = Folders {
            home: "/h".into(),
            config: "/h/.config".into(),
            project: Some("/h".into()),
        };
        let places = all(&folders);
        let mut paths: Vec<_> = places.iter().map(|place| &place.path).collect();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), places.len());
        let of = |path: &str| {
            places
                .iter()
                .find(|place| place.path == Path::new(path))
                .unwrap()
        };
        assert_eq!(of("/h/.codex/config.toml").language, Language::Toml);
        assert_eq!(of("/h/.config/goose/config.yaml").language, Language::Yaml);
        assert_eq!(
            of("/h/.config/Claude/claude_desktop_config.json").language,
            Language::Json
        );
    }
}
