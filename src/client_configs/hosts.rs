//! The table of hosts: a row each.
//!
//! Paths and forms are those of the hosts' documentation and of other programs that write these files. An entry that a host
//! does not understand is worse than none, so a member stands here only where the host asks for it.

use super::host::{
    Command, Effect, Fixed, Form, Host, HostFile, Launch, Purpose, Root, System, Table,
};

const ANY: &[System] = &[System::Linux, System::MacOs, System::Windows];
const UNIX: &[System] = &[System::Linux, System::MacOs];
const MAC: &[System] = &[System::MacOs];
const WINDOWS: &[System] = &[System::Windows];

const SERVERS: Table = Table::Members(&["mcpServers"]);
const STDIO: &[(&str, Fixed)] = &[("type", Fixed::Text("stdio"))];

/// `command`, `args`, `env`: what most hosts have taken from the first.
const PLAIN: Form = Form {
    command: Command::Apart("command"),
    environment: "env",
    fixed: &[],
    is_named_inside: false,
    has_plain_names: false,
};

const TYPED: Form = Form {
    fixed: STDIO,
    ..PLAIN
};

/// opencode's form, and that of its descendants.
const LOCAL: Form = Form {
    command: Command::Together,
    environment: "environment",
    fixed: &[("type", Fixed::Text("local")), ("enabled", Fixed::True)],
    ..PLAIN
};

const fn user(root: Root, path: &'static str, on: &'static [System]) -> HostFile {
    HostFile {
        root,
        path,
        on,
        purpose: Purpose::User,
        also: &[],
    }
}

const fn older(root: Root, path: &'static str, on: &'static [System]) -> HostFile {
    HostFile {
        purpose: Purpose::Older,
        ..user(root, path, on)
    }
}

const fn project(path: &'static str) -> HostFile {
    HostFile {
        purpose: Purpose::Project,
        ..user(Root::Project, path, ANY)
    }
}

const fn home(path: &'static str) -> HostFile {
    user(Root::Home, path, ANY)
}

/// A host with `mcpServers` in the plain form and one file in the home directory, which it reads at its next session.
const fn plain(
    name: &'static str,
    title: &'static str,
    launch: Launch,
    files: &'static [HostFile],
) -> Host {
    Host {
        name,
        title,
        launch,
        table: SERVERS,
        form: PLAIN,
        files,
        effect: Effect::NextSession,
    }
}

const fn by_hand(name: &'static str, title: &'static str) -> Host {
    plain(name, title, Desktop, &[])
}

/// Claude Code's file has the user's servers, and those of each project that the user has opened.
const fn claude_code(root: Root) -> HostFile {
    HostFile {
        also: &[&["projects", "*", "mcpServers"]],
        ..user(root, ".claude.json", ANY)
    }
}

/// VS Code's general settings had the servers before a file of their own.
const fn code_settings(path: &'static str) -> HostFile {
    HostFile {
        purpose: Purpose::OnlyRead,
        also: &[&["mcp", "servers"]],
        ..user(Root::Settings, path, ANY)
    }
}

use Launch::{Desktop, Terminal};

/// The hosts, in the order in which they are listed.
pub const HOSTS: &[Host] = &[
    Host {
        effect: Effect::Restart,
        ..plain(
            "claude-desktop",
            "Claude Desktop",
            Desktop,
            &[
                user(
                    Root::Package("Claude_"),
                    "Claude/claude_desktop_config.json",
                    WINDOWS,
                ),
                user(Root::Settings, "Claude/claude_desktop_config.json", ANY),
            ],
        )
    },
    Host {
        form: Form {
            has_plain_names: true,
            ..TYPED
        },
        ..plain(
            "claude-code",
            "Claude Code",
            Terminal,
            &[
                claude_code(Root::Variable("CLAUDE_CONFIG_DIR")),
                claude_code(Root::Home),
                project(".mcp.json"),
            ],
        )
    },
    Host {
        effect: Effect::Reload,
        ..plain(
            "cursor",
            "Cursor",
            Desktop,
            &[home(".cursor/mcp.json"), project(".cursor/mcp.json")],
        )
    },
    Host {
        table: Table::Members(&["servers"]),
        form: TYPED,
        effect: Effect::Reload,
        ..plain(
            "vscode",
            "VS Code",
            Desktop,
            &[
                user(Root::Settings, "Code/User/mcp.json", ANY),
                older(Root::Home, ".vscode-server/data/User/mcp.json", ANY),
                code_settings("Code/User/settings.json"),
                project(".vscode/mcp.json"),
            ],
        )
    },
    Host {
        table: Table::Members(&["servers"]),
        form: TYPED,
        effect: Effect::Reload,
        ..plain(
            "vscode-insiders",
            "VS Code Insiders",
            Desktop,
            &[
                user(Root::Settings, "Code - Insiders/User/mcp.json", ANY),
                older(
                    Root::Home,
                    ".vscode-server-insiders/data/User/mcp.json",
                    ANY,
                ),
                code_settings("Code - Insiders/User/settings.json"),
                project(".vscode/mcp.json"),
            ],
        )
    },
    Host {
        effect: Effect::Reload,
        ..plain(
            "windsurf",
            "Windsurf",
            Desktop,
            &[
                home(".codeium/windsurf/mcp_config.json"),
                older(Root::Home, ".codeium/mcp_config.json", ANY),
            ],
        )
    },
    Host {
        table: Table::Members(&["context_servers"]),
        form: Form {
            fixed: &[("source", Fixed::Text("custom"))],
            ..PLAIN
        },
        effect: Effect::Reload,
        ..plain(
            "zed",
            "Zed",
            Desktop,
            &[
                user(Root::DotConfig, "zed/settings.json", UNIX),
                user(Root::Settings, "Zed/settings.json", WINDOWS),
                older(Root::Settings, "Zed/settings.json", MAC),
                project(".zed/settings.json"),
            ],
        )
    },
    plain(
        "gemini",
        "Gemini CLI",
        Terminal,
        &[
            home(".gemini/settings.json"),
            project(".gemini/settings.json"),
        ],
    ),
    Host {
        effect: Effect::Reload,
        ..plain(
            "antigravity",
            "Antigravity",
            Desktop,
            &[
                home(".gemini/config/mcp_config.json"),
                older(Root::Home, ".gemini/antigravity/mcp_config.json", ANY),
            ],
        )
    },
    Host {
        table: Table::Members(&["mcp_servers"]),
        form: Form {
            has_plain_names: true,
            ..PLAIN
        },
        ..plain(
            "codex",
            "Codex",
            Terminal,
            &[
                user(Root::Variable("CODEX_HOME"), "config.toml", ANY),
                home(".codex/config.toml"),
                project(".codex/config.toml"),
            ],
        )
    },
    Host {
        table: Table::Members(&["extensions"]),
        form: Form {
            command: Command::Apart("cmd"),
            environment: "envs",
            fixed: &[
                ("type", Fixed::Text("stdio")),
                ("enabled", Fixed::True),
                ("timeout", Fixed::Number(300)),
            ],
            is_named_inside: true,
            ..PLAIN
        },
        ..plain(
            "goose",
            "Goose",
            Desktop,
            &[
                user(Root::DotConfig, "goose/config.yaml", UNIX),
                user(Root::Settings, "Block/goose/config/config.yaml", WINDOWS),
            ],
        )
    },
    Host {
        table: Table::Members(&["mcp"]),
        form: LOCAL,
        ..plain(
            "opencode",
            "opencode",
            Terminal,
            &[
                user(Root::VariableFile("OPENCODE_CONFIG"), "", ANY),
                user(Root::Variable("OPENCODE_CONFIG_DIR"), "opencode.json", ANY),
                older(Root::Variable("OPENCODE_CONFIG_DIR"), "opencode.jsonc", ANY),
                user(Root::DotConfig, "opencode/opencode.json", ANY),
                older(Root::DotConfig, "opencode/opencode.jsonc", ANY),
                project("opencode.json"),
                project("opencode.jsonc"),
            ],
        )
    },
    Host {
        form: Form {
            fixed: &[("type", Fixed::Text("local")), ("tools", Fixed::Everything)],
            ..PLAIN
        },
        ..plain(
            "copilot",
            "Copilot CLI",
            Terminal,
            &[
                user(Root::Variable("COPILOT_HOME"), "mcp-config.json", ANY),
                home(".copilot/mcp-config.json"),
                project(".github/mcp.json"),
            ],
        )
    },
    Host {
        effect: Effect::Reload,
        ..plain(
            "kiro",
            "Kiro",
            Desktop,
            &[
                home(".kiro/settings/mcp.json"),
                project(".kiro/settings/mcp.json"),
            ],
        )
    },
    Host {
        effect: Effect::Reload,
        ..plain(
            "lm-studio",
            "LM Studio",
            Desktop,
            &[
                home(".lmstudio/mcp.json"),
                older(Root::Home, ".cache/lm-studio/mcp.json", ANY),
            ],
        )
    },
    Host {
        effect: Effect::Reload,
        ..plain(
            "cline",
            "Cline",
            Desktop,
            &[user(
                Root::Settings,
                "Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
                ANY,
            )],
        )
    },
    plain(
        "cline-cli",
        "Cline CLI",
        Terminal,
        &[
            user(
                Root::Variable("CLINE_DIR"),
                "data/settings/cline_mcp_settings.json",
                ANY,
            ),
            home(".cline/data/settings/cline_mcp_settings.json"),
        ],
    ),
    Host {
        table: Table::Members(&["amp.mcpServers"]),
        ..plain(
            "amp",
            "Amp",
            Terminal,
            &[
                user(Root::DotConfig, "amp/settings.json", UNIX),
                user(Root::Settings, "amp/settings.json", WINDOWS),
            ],
        )
    },
    Host {
        table: Table::Items(&["mcpServers"]),
        effect: Effect::Reload,
        ..plain(
            "continue",
            "Continue",
            Desktop,
            &[home(".continue/config.yaml")],
        )
    },
    Host {
        table: Table::Members(&["mcp"]),
        form: TYPED,
        ..plain(
            "crush",
            "Crush",
            Terminal,
            &[
                user(Root::DotConfig, "crush/crush.json", UNIX),
                user(Root::Local, "crush/crush.json", WINDOWS),
                project(".crush.json"),
            ],
        )
    },
    Host {
        table: Table::Members(&["mcp"]),
        form: LOCAL,
        ..plain(
            "kilo",
            "Kilo",
            Terminal,
            &[
                user(Root::DotConfig, "kilo/kilo.json", ANY),
                older(Root::DotConfig, "kilo/kilo.jsonc", ANY),
            ],
        )
    },
    Host {
        effect: Effect::Reload,
        ..plain(
            "trae",
            "Trae",
            Desktop,
            &[user(Root::Settings, "Trae/User/mcp.json", ANY)],
        )
    },
    plain(
        "kimi",
        "Kimi Code",
        Terminal,
        &[
            user(Root::Variable("KIMI_CODE_HOME"), "mcp.json", ANY),
            home(".kimi-code/mcp.json"),
            older(Root::Home, ".kimi/mcp.json", ANY),
        ],
    ),
    Host {
        table: Table::Items(&["mcp_servers"]),
        form: Form {
            fixed: &[("transport", Fixed::Text("stdio"))],
            ..PLAIN
        },
        ..plain(
            "vibe",
            "Mistral Vibe",
            Terminal,
            &[home(".vibe/config.toml")],
        )
    },
    Host {
        table: Table::Members(&["mcp_servers"]),
        ..plain(
            "grok",
            "Grok Build",
            Terminal,
            &[
                user(Root::Variable("GROK_HOME"), "config.toml", ANY),
                home(".grok/config.toml"),
            ],
        )
    },
    Host {
        form: TYPED,
        ..plain("factory", "Factory", Terminal, &[home(".factory/mcp.json")])
    },
    Host {
        effect: Effect::Reload,
        ..plain(
            "qoder",
            "Qoder",
            Desktop,
            &[
                user(Root::Settings, "Qoder/SharedClientCache/mcp.json", WINDOWS),
                user(Root::Home, ".qoder/mcp.json", UNIX),
                older(Root::Home, ".qoder/mcp.json", WINDOWS),
            ],
        )
    },
    plain(
        "amazon-q",
        "Amazon Q",
        Terminal,
        &[
            home(".aws/amazonq/mcp.json"),
            older(Root::Home, ".aws/amazonq/agents/default.json", ANY),
            project(".amazonq/mcp.json"),
        ],
    ),
    plain("pi", "Pi", Terminal, &[home(".pi/agent/mcp.json")]),
    plain(
        "mastra",
        "Mastra Code",
        Terminal,
        &[home(".mastracode/mcp.json")],
    ),
    plain("fx", "fx", Terminal, &[home(".fx/mcp.json")]),
    plain(
        "mcporter",
        "mcporter",
        Terminal,
        &[
            home(".mcporter/mcporter.json"),
            older(Root::Home, ".mcporter/mcporter.jsonc", ANY),
            project("config/mcporter.json"),
        ],
    ),
    by_hand("junie", "Junie"),
    by_hand("warp", "Warp"),
    by_hand("jetbrains", "JetBrains AI Assistant"),
];

/// Returns the host with this name; a title, in any case, is a name too.
pub fn named(name: &str) -> Option<&'static Host> {
    HOSTS
        .iter()
        .find(|host| host.name == name || host.title.eq_ignore_ascii_case(name))
}
