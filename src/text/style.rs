//! Bold, colours and links of a text for a terminal, and the rules for where they may be.
//!
//! Knows the escape sequences (ECMA-48 SGR, and OSC 8 for links) and the variables by which users, terminals and builds
//! say what they take. Writes nothing and asks no terminal: whether a stream is one is an argument.

/// The escape sequences that a stream takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    is_coloured: bool,
    has_links: bool,
}

/// The terminals that are known to show a link, by variables that they set, each with a beginning of its value.
///
/// Others print the address, or nonsense, so none of them gets a link.
const SHOW_LINKS: [(&str, &str); 13] = [
    ("DOMTERM", ""),
    ("KITTY_WINDOW_ID", ""),
    ("KONSOLE_VERSION", ""),
    ("WT_SESSION", ""),
    ("WEZTERM_PANE", ""),
    ("TERM", "alacritty"),
    ("TERM", "foot"),
    ("TERM", "xterm-ghostty"),
    ("TERM", "xterm-kitty"),
    ("TERM_PROGRAM", "ghostty"),
    ("TERM_PROGRAM", "iTerm.app"),
    ("TERM_PROGRAM", "vscode"),
    ("TERM_PROGRAM", "WezTerm"),
];

/// The first release of VTE (GNOME Terminal and others) that shows a link without a fault, as `VTE_VERSION` has it.
const VTE_WITH_LINKS: u32 = 5002;

impl Style {
    /// Chooses for a stream. `variable` looks up a variable of the environment that is set and not empty; `is_terminal`
    /// says whether the stream leads to a terminal.
    ///
    /// `NO_COLOR` (<https://no-color.org>) forbids all sequences. After that `CLICOLOR_FORCE` and `FORCE_COLOR` ask for
    /// colours on any stream, and `FORCE_HYPERLINK` for links. A file, `TERM=dumb` and `CLICOLOR=0` have none.
    pub fn of<'a>(variable: impl Fn(&str) -> Option<&'a str>, is_terminal: bool) -> Self {
        let is_forced = |name| variable(name).is_some_and(|value| value != "0");
        if variable("NO_COLOR").is_some() {
            return Self::default();
        }
        let is_dumb = variable("TERM") == Some("dumb") || variable("CLICOLOR") == Some("0");
        let can_show = is_terminal && !is_dumb && has_sequences(&variable);
        let shows_links = match variable("FORCE_HYPERLINK") {
            Some("0") => false,
            Some(_) => true,
            None => can_show && has_links(&variable),
        };
        Self {
            is_coloured: can_show || is_forced("CLICOLOR_FORCE") || is_forced("FORCE_COLOR"),
            has_links: shows_links,
        }
    }

    /// Says whether the stream takes colours and bold.
    pub fn is_coloured(self) -> bool {
        self.is_coloured
    }

    /// Returns a text in bold.
    pub fn bold(self, text: &str) -> String {
        self.sgr("1", text)
    }

    /// Returns a text that stands back.
    pub fn dim(self, text: &str) -> String {
        self.sgr("2", text)
    }

    /// Returns a text in red: it failed.
    pub fn red(self, text: &str) -> String {
        self.sgr("31", text)
    }

    /// Returns a text in green: it is well.
    pub fn green(self, text: &str) -> String {
        self.sgr("32", text)
    }

    /// Returns a text in yellow: it needs a look.
    pub fn yellow(self, text: &str) -> String {
        self.sgr("33", text)
    }

    /// Returns a text that leads to an address when it is clicked. An address that no link may hold is left out: OSC 8
    /// takes printable ASCII only, and a control character would end it early.
    pub fn link(self, text: &str, url: &str) -> String {
        let is_plain = url.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
        let is_web = url.starts_with("https://") || url.starts_with("http://");
        match self.has_links && is_plain && is_web && !text.is_empty() {
            true => format!("\x1b]8;;{url}\x1b\\{text}\x1b]8;;\x1b\\"),
            false => text.to_owned(),
        }
    }

    fn sgr(self, code: &str, text: &str) -> String {
        match self.is_coloured && !text.is_empty() {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

/// Says whether a terminal understands sequences at all. The console of older Windows shows them as text; the programs that
/// replace it say who they are.
fn has_sequences<'a>(variable: &impl Fn(&str) -> Option<&'a str>) -> bool {
    const NAMES: [&str; 5] = [
        "WT_SESSION",
        "TERM",
        "TERM_PROGRAM",
        "ConEmuANSI",
        "ANSICON",
    ];
    !cfg!(windows) || NAMES.iter().any(|name| variable(name).is_some())
}

fn has_links<'a>(variable: &impl Fn(&str) -> Option<&'a str>) -> bool {
    // A multiplexer stands between, and keeps the variables of the terminal that it was started in.
    let is_multiplexed = variable("TMUX").is_some()
        || variable("STY").is_some()
        || variable("TERM").is_some_and(|term| term.starts_with("screen"));
    if is_multiplexed {
        return false;
    }
    let vte = variable("VTE_VERSION").and_then(|version| version.parse().ok());
    vte.is_some_and(|version: u32| version >= VTE_WITH_LINKS)
        || SHOW_LINKS
            .iter()
            .any(|(name, begin)| variable(name).is_some_and(|value| value.starts_with(begin)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(variables: &[(&'static str, &'static str)], is_terminal: bool) -> Style {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(own, _)| *own == name);
            found.map(|(_, value)| *value)
        };
        Style::of(lookup, is_terminal)
    }

    #[test]
    fn colours_follow_the_terminal_unless_the_user_says_otherwise() {
        for (variables, on_terminal, elsewhere) in [
            (&[("TERM", "xterm")][..], true, false),
            (&[("TERM", "xterm"), ("NO_COLOR", "1")], false, false),
            (&[("NO_COLOR", "0"), ("TERM", "xterm")], false, false),
            (&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false, false),
            (&[("TERM", "dumb")], false, false),
            (&[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")], true, true),
            (&[("TERM", "xterm"), ("CLICOLOR_FORCE", "1")], true, true),
            (&[("TERM", "xterm"), ("CLICOLOR_FORCE", "0")], true, false),
            (&[("TERM", "xterm"), ("FORCE_COLOR", "3")], true, true),
            (&[("TERM", "xterm"), ("CLICOLOR", "0")], false, false),
        ] {
            let found = (
                style(variables, true).is_coloured(),
                style(variables, false).is_coloured(),
            );
            assert_eq!(found, (on_terminal, elsewhere), "{variables:?}");
        }
    }

    #[test]
    fn links_are_for_terminals_that_show_them() {
        let address = "https://mcp.example.com/mcp";
        for (variables, is_linked) in [
            (&[("TERM", "xterm-kitty")][..], true),
            (&[("TERM", "xterm-256color"), ("VTE_VERSION", "7600")], true),
            (
                &[("TERM", "xterm-256color"), ("VTE_VERSION", "5000")],
                false,
            ),
            (
                &[
                    ("TERM", "xterm-256color"),
                    ("TERM_PROGRAM", "Apple_Terminal"),
                ],
                false,
            ),
            (&[("TERM", "linux")], false),
            (&[("TERM", "screen"), ("VTE_VERSION", "7600")], false),
            (
                &[
                    ("TERM", "xterm-256color"),
                    ("TMUX", "/tmp/x"),
                    ("WT_SESSION", "1"),
                ],
                false,
            ),
            (&[("TERM", "xterm-kitty"), ("NO_COLOR", "1")], false),
            (&[("TERM", "xterm-kitty"), ("FORCE_HYPERLINK", "0")], false),
            (&[("TERM", "linux"), ("FORCE_HYPERLINK", "1")], true),
        ] {
            let link = style(variables, true).link("here", address);
            assert_eq!(link != "here", is_linked, "{variables:?}");
        }
        assert_eq!(
            style(&[("TERM", "xterm-kitty")], false).link("here", address),
            "here"
        );
    }

    #[test]
    fn no_address_ends_its_link_early() {
        let style = style(&[("TERM", "xterm-kitty")], true);
        assert_eq!(
            style.link("a", "https://a.example/b"),
            "\x1b]8;;https://a.example/b\x1b\\a\x1b]8;;\x1b\\"
        );
        for url in [
            "https://a.example/\x1b\\x",
            "https://a.example/ä",
            "javascript:1",
            "file:///x",
            "https://a b",
        ] {
            assert_eq!(style.link("a", url), "a", "{url:?}");
        }
        assert_eq!(style.bold(""), "");
        assert_eq!(style.red("x"), "\x1b[31mx\x1b[0m");
    }
}
