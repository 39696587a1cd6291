//! The rules of a policy, each with the place where it was set.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::pattern::Pattern;

/// The place where a rule was set, as messages name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line, its name with the dashes.
    Flag(&'static str),
    /// A variable of the environment.
    Variable(String),
    /// A configuration file, and the line counted from 1.
    File(PathBuf, usize),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => out.write_str(name),
            Self::Variable(name) => out.write_str(name),
            Self::File(path, line) => write!(out, "{}:{line}", path.display()),
        }
    }
}

/// One rule: its key as in `mcpipe.toml`, its value as it was written, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The key: the name of the flag without its dashes.
    pub key: &'static str,
    /// The value; empty for a switch.
    pub value: String,
    /// The place where it was set.
    pub origin: Origin,
}

impl Rule {
    /// Returns key and value, as a person would write them behind the dashes of a flag.
    pub fn text(&self) -> String {
        match self.value.is_empty() {
            true => self.key.to_owned(),
            false => format!("{} {}", self.key, self.value),
        }
    }
}

/// A value that a rule sets, for all tools or for those of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit<T> {
    /// The tools that it is for; all if absent.
    pub tools: Option<Pattern>,
    /// The value.
    pub value: T,
    /// The rule that set it.
    pub rule: Rule,
}

impl<T> Limit<T> {
    /// Says whether the limit is for this tool. A name that a server may take for one of the pattern's counts: a limit
    /// denies.
    pub fn is_for(&self, tool: &str) -> bool {
        self.tools
            .as_ref()
            .is_none_or(|tools| tools.may_match(tool))
    }
}

/// A number of calls in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The number of calls.
    pub count: u32,
    /// The time.
    pub per: Duration,
}

/// The rules about one kind of names: tools, prompts or resources.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Permissions, in lists of which each must permit a name. One list is the user's, one that of a managed file.
    pub allow: Vec<Vec<(Pattern, Rule)>>,
    /// Denials. No permission undoes one.
    pub deny: Vec<(Pattern, Rule)>,
}

impl Filter {
    /// Says whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }
}

/// All rules for one server. The default has none, and refuses nothing.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The tools that may be listed and called.
    pub tools: Filter,
    /// The prompts, by name.
    pub prompts: Filter,
    /// The resources, by URI.
    pub resources: Filter,
    /// `read-only`: only tools whose annotations say `readOnlyHint`.
    pub read_only: Option<Rule>,
    /// `pin-tools`: definitions may not change.
    pub pin_tools: Option<Rule>,
    /// `validate-arguments`: a call's arguments fit the tool's own `inputSchema`.
    pub validate_arguments: Option<Rule>,
    /// `max-arguments`, in bytes.
    pub max_arguments: Vec<Limit<u64>>,
    /// `max-result`, in bytes.
    pub max_result: Vec<Limit<u64>>,
    /// `max-tools`: tools that a listing shows.
    pub max_tools: Vec<Limit<usize>>,
    /// `max-depth`: nesting of arrays and objects.
    pub max_depth: Vec<Limit<usize>>,
    /// `sanitize`: control and invisible characters in texts about tools are escaped.
    pub sanitize: Option<Rule>,
    /// `rate-limit`.
    pub rate_limit: Vec<Limit<Rate>>,
    /// True with `rate-limit-wait`: a call over the limit waits.
    pub rate_limit_wait: bool,
    /// True with `rate-limit-as result`: a refused `tools/call` is answered with a result whose `isError` is true.
    pub rate_limit_as_result: bool,
    /// `max-concurrent`: calls under way at once.
    pub max_concurrent: Vec<Limit<u32>>,
    /// `call-timeout`: the time that a request may take, 0 for ever. It refuses nothing, and is kept without a policy too.
    pub call_timeout: Vec<Limit<Duration>>,
    /// `circuit-breaker`: failures of the server in a row after which calls are refused for a time.
    pub circuit_breaker: Vec<Limit<u32>>,
    /// True with `policy-dry-run`: what would be refused is said, and passes.
    pub dry_run: bool,
}

impl Rules {
    /// Says whether there is no rule at all, so that nothing need be enforced.
    pub fn is_empty(&self) -> bool {
        let switches = [
            &self.read_only,
            &self.pin_tools,
            &self.validate_arguments,
            &self.sanitize,
        ];
        self.tools.is_empty()
            && self.prompts.is_empty()
            && self.resources.is_empty()
            && switches.iter().all(|rule| rule.is_none())
            && self.max_arguments.is_empty()
            && self.max_result.is_empty()
            && self.max_tools.is_empty()
            && self.max_depth.is_empty()
            && self.rate_limit.is_empty()
            && self.max_concurrent.is_empty()
            && self.circuit_breaker.is_empty()
    }
}
