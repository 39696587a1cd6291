//! `mcpipe help`, `mcpipe --help` and `mcpipe` alone: texts for people, as wide as the terminal.

use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

use crate::cli::{self, Command, HelpArgs, HelpRequest};
use crate::commands::{completions, manual, print};
use crate::help::{TOPICS, Topic, wrapped};
use crate::logging::Output;
use crate::report::Failure;
use crate::settings::Environment;
use crate::text::nearest;

/// The columns of a page for a reader that is no terminal.
const COLUMNS: usize = 80;
/// The most columns of a page: longer lines are hard to read.
const MOST_COLUMNS: usize = 100;

/// What `mcpipe` alone says.
const ALONE: &str = "\
mcpipe connects an MCP host on stdio to an MCP server over HTTPS: it signs in
there, keeps the tokens encrypted, and loses no message.

A host starts it; this goes into the host's configuration:
    {\"mcpServers\": {\"example\": {\"command\": \"mcpipe\",
        \"args\": [\"https://mcp.example.com/mcp\"]}}}
To sign in ahead of time, in a browser:
    mcpipe login https://mcp.example.com/mcp
To use a tool by hand:
    mcpipe call https://mcp.example.com/mcp TOOL NAME=VALUE

`mcpipe --help` lists the commands and the flags, `mcpipe help` the subjects.
";

/// Prints a subject, the help of a command, or the list of subjects.
///
/// # Errors
/// There is no such subject.
pub fn run(args: &HelpArgs, env: &Environment) -> Result<(), Failure> {
    let style = env.style_of_stdout();
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    match &*words {
        [] => return print(&list(env)),
        [name] => {
            if let Some(topic) = Topic::named(name) {
                return print(&topic.page(columns(env).unwrap_or(COLUMNS), style));
            }
        }
        _ => {}
    }
    let width = columns(env).unwrap_or(MOST_COLUMNS);
    match cli::help_of(words.iter().copied(), true, width, style) {
        Some(help) => print(&help),
        None => Err(unknown(&words)),
    }
}

/// Prints the help or the version that a command line asks for, and returns the exit code.
///
/// # Errors
/// stdout cannot be written.
pub fn asked(request: &HelpRequest, env: &Environment) -> Result<ExitCode, Failure> {
    let style = env.style_of_stdout();
    let width = columns(env).unwrap_or(MOST_COLUMNS);
    let text = match request {
        HelpRequest::Version => format!("mcpipe {}\n", env!("CARGO_PKG_VERSION")),
        HelpRequest::Of {
            path,
            is_long,
            is_mistake,
        } => {
            let path = path.iter().map(String::as_str);
            let style = match is_mistake {
                true => env.style_of_stderr(),
                false => style,
            };
            let help = cli::help_of(path, *is_long, width, style).unwrap_or_default();
            if *is_mistake {
                Output::direct(io::stderr()).say(&help);
                return Ok(ExitCode::from(2));
            }
            help
        }
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Says on stderr what mcpipe is, for a command line without a word. Returns the exit code: the server is missing.
pub fn alone() -> ExitCode {
    Output::direct(io::stderr()).say(ALONE);
    ExitCode::from(2)
}

/// Runs a command that is about mcpipe itself: it reads no settings, and works where they are broken.
pub fn itself(command: &Command, env: &Environment) -> Option<Result<(), Failure>> {
    Some(match command {
        Command::Help(args) => run(args, env),
        Command::Completions(args) => completions::script(args.shell),
        Command::Candidates(args) => completions::answer(args, env),
        Command::Man => manual::run(),
        _ => return None,
    })
}

/// Returns the columns of the terminal that stdout leads to.
fn columns(env: &Environment) -> Option<usize> {
    let (terminal_size::Width(width), _) = terminal_size::terminal_size_of(io::stdout())?;
    let set = env.get("COLUMNS").and_then(|columns| columns.parse().ok());
    Some(set.unwrap_or(usize::from(width)).clamp(20, MOST_COLUMNS))
}

fn list(env: &Environment) -> String {
    let style = env.style_of_stdout();
    let width = columns(env).unwrap_or(COLUMNS);
    let mut text = format!("{}\n", style.bold("mcpipe help TOPIC explains:"));
    for topic in &TOPICS {
        let about = wrapped(topic.about(), width, 13, 13);
        let about = about.get(13..).unwrap_or_default();
        let _ = write!(text, "  {:11}{about}", topic.name);
    }
    text.push_str(
        "\n`mcpipe help COMMAND` shows the flags of a command, `mcpipe --help` all of them.\n",
    );
    text
}

fn unknown(words: &[&str]) -> Failure {
    let failure = Failure::usage("there is no subject and no command of that name");
    let command = cli::command();
    let commands = command.get_subcommands().filter(|it| !it.is_hide_set());
    let names = TOPICS.iter().map(|topic| topic.name);
    let names = names.chain(commands.map(clap::Command::get_name));
    // A known name may be told; the word that was typed is not.
    match words.first().and_then(|word| nearest(word, names)) {
        Some(near) => failure.hint(format!(
            "`mcpipe help {near}` may be meant; `mcpipe help` lists the subjects"
        )),
        None => failure.hint("`mcpipe help` lists the subjects, `mcpipe --help` the commands"),
    }
}
