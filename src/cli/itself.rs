//! The commands that are about mcpipe itself: help, completions, the manual.

use clap::{Args, ValueEnum};

/// The command by which a shell asks what may stand at the end of a line.
pub const CANDIDATES: &str = "completion-candidates";

/// `mcpipe help`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mcpipe help sign-in\n  mcpipe help vault init")]
pub struct HelpArgs {
    /// A subject of `mcpipe help`, or a command
    #[arg(value_name = "TOPIC")]
    pub words: Vec<String>,
}

/// `mcpipe completions`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
                  mcpipe completions bash > ~/.local/share/bash-completion/completions/mcpipe\n  \
                  mcpipe completions zsh > ~/.zfunc/_mcpipe    # with ~/.zfunc in fpath, before compinit\n  \
                  mcpipe completions fish > ~/.config/fish/completions/mcpipe.fish\n  \
                  mcpipe completions powershell >> $PROFILE")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

/// What a shell asks.
#[derive(Debug, Args)]
pub struct CandidatesArgs {
    /// The shell that asks
    #[arg(value_enum)]
    pub shell: Shell,
    /// The line so far: of bash one word and the characters that divide words, of others its words
    #[arg(allow_hyphen_values = true, trailing_var_arg = true)]
    pub words: Vec<String>,
}

/// A shell that completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
    /// PowerShell
    Powershell,
}
