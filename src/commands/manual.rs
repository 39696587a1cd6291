//! `mcpipe man`: the manual page, from the definitions and the subjects of the help.

use std::fmt::Write as _;

use crate::cli;
use crate::commands::print;
use crate::help::{TOPICS, escaped};
use crate::report::{Failure, Kind};

/// The exit codes, and what they say.
const EXIT_CODES: [(&str, &str); 7] = [
    ("0", "Done."),
    ("1", "Failed."),
    ("2", "Wrong usage or settings; nothing was sent."),
    ("3", "The user has to sign in."),
    ("4", "The network."),
    ("5", "The other side does not keep to the protocol."),
    ("130, 143", "Interrupted, or ended by SIGTERM."),
];

/// Prints the page.
///
/// # Errors
/// stdout cannot be written.
pub fn run() -> Result<(), Failure> {
    let page = page().map_err(|error| Failure::new(Kind::Failed, error))?;
    print(&page)
}

fn page() -> std::io::Result<String> {
    let command = cli::command();
    let groups = cli::grouped(&command);
    let version = format!("mcpipe {}", env!("CARGO_PKG_VERSION"));
    let manual = clap_mangen::Man::new(command);
    let mut page = Vec::new();
    page.extend(format!(".TH MCPIPE 1 \"\" \"{version}\" \"User Commands\"\n").into_bytes());
    manual.render_name_section(&mut page)?;
    manual.render_synopsis_section(&mut page)?;
    manual.render_description_section(&mut page)?;
    let mut text = String::from(".SH COMMANDS\n");
    for (heading, commands) in groups {
        let _ = writeln!(text, ".SS \"{}\"", escaped(heading));
        for (name, about) in commands {
            let (name, about) = (escaped(&name), escaped(&about));
            let _ = writeln!(text, ".TP\n\\fB{name}\\fR\n{about}");
        }
    }
    text.push_str(".PP\n\\fBmcpipe help\\fR \\fICOMMAND\\fR shows the flags of a command.\n");
    page.extend(text.into_bytes());
    let mut options = Vec::new();
    manual.render_options_section(&mut options)?;
    page.extend(without_empty_breaks(&String::from_utf8_lossy(&options)).into_bytes());
    let mut text = String::from(".SH \"EXIT STATUS\"\n");
    for (code, meaning) in EXIT_CODES {
        let _ = writeln!(text, ".TP\n{code}\n{meaning}");
    }
    for topic in &TOPICS {
        text.push_str(&topic.section());
    }
    page.extend(text.into_bytes());
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// Returns a section without breaks that break nothing, which formatters warn of.
fn without_empty_breaks(section: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in section.lines() {
        // An empty line is a space too.
        let is_space = |line: &str| line == ".sp" || line.is_empty();
        let is_behind_space = line == ".br" && lines.last().is_some_and(|it| is_space(it));
        if is_space(line) && lines.last() == Some(&".br") {
            lines.pop();
        }
        if !is_behind_space {
            lines.push(line);
        }
    }
    lines.join("\n") + "\n"
}
