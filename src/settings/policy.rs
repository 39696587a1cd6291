//! The rules of the policy, from the flags, the environment and the configuration files.
//!
//! Denials and limits of all layers add up: nothing that is nearer undoes one. Of permissions the nearest of the user's
//! lists counts, and beside it the administrator's. Of a switch the nearest of the user's layers counts; one that the
//! administrator has switched on stays on.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::cli::{ParseError, PolicyArgs, PolicyLayer, RateLimitAs, Scoped, policy_of};
use crate::policy::{Filter, Limit, Origin, Pattern, Rule, Rules};
use crate::report::Failure;
use crate::settings::environment::Environment;

/// The name of a flag.
#[derive(Clone, Copy)]
struct Name {
    key: &'static str,
    flag: &'static str,
}

macro_rules! name {
    ($key:literal) => {
        Name {
            key: $key,
            flag: concat!("--", $key),
        }
    };
}
/// Returns the rules that all layers set together. `env` tells flags from variables.
///
/// # Errors
/// A switch of the user's that would undo the administrator's rules.
pub fn rules(args: &PolicyArgs, env: &Environment) -> Result<Rules, Failure> {
    let shadowed = shadowed(env)?;
    let mut layers = Layers::of(args, env);
    layers.refuse_undoing()?;
    layers.user.extend(shadowed.iter().map(|args| Layer {
        args,
        place: Place::Shadowed,
    }));
    Ok(Rules {
        tools: Filter {
            allow: layers.allowed(name!("allow-tool"), |args| &args.allow_tools),
            deny: [
                layers.denied(name!("deny-tool"), |args| &args.deny_tools),
                layers.denied(name!("ignore-tool"), |args| &args.ignore_tools),
            ]
            .concat(),
        },
        prompts: Filter {
            allow: layers.allowed(name!("allow-prompt"), |args| &args.allow_prompts),
            deny: layers.denied(name!("deny-prompt"), |args| &args.deny_prompts),
        },
        resources: Filter {
            allow: layers.allowed(name!("allow-resource"), |args| &args.allow_resources),
            deny: layers.denied(name!("deny-resource"), |args| &args.deny_resources),
        },
        read_only: layers.switch(name!("read-only"), |args| args.read_only),
        pin_tools: layers.switch(name!("pin-tools"), |args| args.pin_tools),
        validate_arguments: layers
            .switch(name!("validate-arguments"), |args| args.validate_arguments),
        max_arguments: layers.one(name!("max-arguments"), |args| args.max_arguments),
        max_result: layers.scoped(name!("max-result"), |args| &args.max_results),
        max_tools: layers.one(name!("max-tools"), |args| args.max_tools.map(as_size)),
        max_depth: layers.one(name!("max-depth"), |args| args.max_depth.map(as_size)),
        sanitize: layers.switch(name!("sanitize"), |args| args.sanitize),
        rate_limit: layers.scoped(name!("rate-limit"), |args| &args.rate_limits),
        rate_limit_wait: layers.is_on(WAIT, |args| args.rate_limit_wait),
        rate_limit_as_result: layers.is_on(AS, |args| args.rate_limit_as == RateLimitAs::Result),
        max_concurrent: layers.scoped(name!("max-concurrent"), |args| &args.max_concurrent),
        call_timeout: layers.scoped(name!("call-timeout"), |args| &args.call_timeouts),
        circuit_breaker: layers.one(name!("circuit-breaker"), |args| args.circuit_breaker),
        dry_run: layers.is_on(DRY_RUN, |args| args.policy_dry_run),
    })
}

/// Takes over what the files say of the audit, which is one file: the administrator's if there is one, else the nearest of
/// the user's.
///
/// # Errors
/// As [`rules`].
pub(super) fn settle_audit(args: &mut PolicyArgs, env: &Environment) -> Result<(), Failure> {
    let layers = Layers::of(args, env);
    layers.refuse_undoing()?;
    let audit = layers.audit().map(|(path, _)| path);
    let max_size = layers.audit_max_size().map(|(size, _)| size);
    let keeps_arguments = layers.switch(AUDIT_ARGUMENTS, |args| args.audit_arguments);
    let is_best_effort = layers.is_on(BEST_EFFORT, |args| args.audit_best_effort);
    let keeps_arguments = keeps_arguments.is_some();
    args.audit = audit;
    args.audit_max_size = max_size;
    args.audit_arguments = keeps_arguments;
    args.audit_best_effort = is_best_effort;
    Ok(())
}

/// Returns all that the guard rails are, one rule for each value that counts.
///
/// # Errors
/// As [`rules`].
pub(super) fn listed(args: &PolicyArgs, env: &Environment) -> Result<Vec<Rule>, Failure> {
    let rules = rules(args, env)?;
    let layers = Layers::of(args, env);
    let mut all = Vec::new();
    for filter in [&rules.tools, &rules.prompts, &rules.resources] {
        let lists = filter.allow.iter().chain([&filter.deny]);
        all.extend(lists.flatten().map(|(_, rule)| rule.clone()));
    }
    all.extend(rules.read_only);
    all.extend(rules.pin_tools);
    all.extend(rules.validate_arguments);
    all.extend(rules_of(&rules.max_arguments));
    all.extend(rules_of(&rules.max_result));
    all.extend(rules_of(&rules.max_tools));
    all.extend(rules_of(&rules.max_depth));
    all.extend(rules.sanitize);
    all.extend(rules_of(&rules.rate_limit));
    all.extend(layers.nearest(WAIT, |args| args.rate_limit_wait));
    let as_result = layers.nearest(AS, |args| args.rate_limit_as == RateLimitAs::Result);
    all.extend(as_result.map(|rule| Rule {
        value: "result".to_owned(),
        ..rule
    }));
    all.extend(rules_of(&rules.max_concurrent));
    all.extend(rules_of(&rules.call_timeout));
    all.extend(rules_of(&rules.circuit_breaker));
    all.extend(layers.audit().map(|(_, rule)| rule));
    all.extend(layers.audit_max_size().map(|(_, rule)| rule));
    all.extend(layers.switch(AUDIT_ARGUMENTS, |args| args.audit_arguments));
    all.extend(layers.nearest(BEST_EFFORT, |args| args.audit_best_effort));
    all.extend(layers.nearest(DRY_RUN, |args| args.policy_dry_run));
    Ok(all)
}

fn rules_of<T>(limits: &[Limit<T>]) -> impl Iterator<Item = Rule> {
    limits.iter().map(|limit| limit.rule.clone())
}

const DRY_RUN: Name = name!("policy-dry-run");
const AUDIT: Name = name!("audit");
const AUDIT_MAX_SIZE: Name = name!("audit-max-size");
const AUDIT_ARGUMENTS: Name = name!("audit-arguments");
const BEST_EFFORT: Name = name!("audit-best-effort");
const WAIT: Name = name!("rate-limit-wait");
const AS: Name = name!("rate-limit-as");

/// The value of a switch.
type IsOn = fn(&PolicyArgs) -> bool;

/// Guard rails of which all layers hold.
const ALL_HOLD: [Name; 12] = [
    name!("deny-tool"),
    name!("ignore-tool"),
    name!("deny-prompt"),
    name!("deny-resource"),
    name!("max-arguments"),
    name!("max-result"),
    name!("max-tools"),
    name!("max-depth"),
    name!("rate-limit"),
    name!("max-concurrent"),
    name!("circuit-breaker"),
    name!("call-timeout"),
];

/// Returns the denials and limits of variables whose flags were typed: clap passes over them, and they hold all the same.
fn shadowed(env: &Environment) -> Result<Option<PolicyArgs>, Failure> {
    let names = ALL_HOLD.iter().filter(|name| is_typed(**name, env));
    let words =
        names.filter_map(|name| Some(format!("{}={}", name.flag, env.get(&variable(*name))?)));
    let words: Vec<_> = words.map(OsString::from).collect();
    if words.is_empty() {
        return Ok(None);
    }
    match policy_of(words) {
        Ok(args) => Ok(Some(args)),
        Err(ParseError::Usage(mistake)) => {
            let text = format!("in the variable of a flag that was typed too: {mistake}");
            Err(Failure::usage(text).hint("correct the variable, or unset it"))
        }
        Err(ParseError::Help(_)) => Ok(None),
    }
}

/// The layers of one policy, each kind the nearest first.
struct Layers<'a> {
    user: Vec<Layer<'a>>,
    managed: Vec<Layer<'a>>,
}

/// The guard rails of one layer.
struct Layer<'a> {
    args: &'a PolicyArgs,
    place: Place<'a>,
}

#[derive(Clone, Copy)]
enum Place<'a> {
    /// The command line and the environment.
    Process(&'a Environment),
    /// A table of a file.
    File(&'a PolicyLayer),
    /// Variables of the environment whose flags were typed too.
    Shadowed,
}

impl Layer<'_> {
    /// Returns the place of a key's value, by its number among the key's values.
    fn origin(&self, name: Name, at: usize) -> Origin {
        match self.place {
            Place::Process(env) => match is_typed(name, env) {
                true => Origin::Flag(name.flag),
                false => Origin::Variable(variable(name)),
            },
            Place::File(layer) => {
                let lines = layer.lines.iter().filter(|(key, _)| key == name.key);
                let lines: Vec<usize> = lines.map(|(_, line)| *line).collect();
                let line = lines.get(at).or(lines.last()).copied().unwrap_or(1);
                Origin::File(layer.path.clone(), line)
            }
            Place::Shadowed => Origin::Variable(variable(name)),
        }
    }

    fn rule(&self, name: Name, at: usize, value: String) -> Rule {
        Rule {
            key: name.key,
            value,
            origin: self.origin(name, at),
        }
    }

    /// Says whether the layer has the key, be it to switch something off.
    fn has(&self, name: Name) -> bool {
        match self.place {
            Place::Process(env) => is_typed(name, env) || env.get(&variable(name)).is_some(),
            Place::File(layer) => layer.lines.iter().any(|(key, _)| key == name.key),
            Place::Shadowed => false,
        }
    }

    fn listed(&self, name: Name, patterns: &[Pattern]) -> Vec<(Pattern, Rule)> {
        let patterns = patterns.iter().enumerate();
        let rules = patterns.map(|(at, pattern)| {
            let rule = self.rule(name, at, pattern.text().to_owned());
            (pattern.clone(), rule)
        });
        rules.collect()
    }
}

impl<'a> Layers<'a> {
    fn of(args: &'a PolicyArgs, env: &'a Environment) -> Self {
        let process = Layer {
            args,
            place: Place::Process(env),
        };
        let of_files = |is_managed: bool| {
            let files = args.files.iter();
            let files = files.filter(move |layer| layer.is_managed == is_managed);
            files.map(|layer| Layer {
                args: &layer.args,
                place: Place::File(layer),
            })
        };
        Self {
            user: std::iter::once(process).chain(of_files(false)).collect(),
            managed: of_files(true).collect(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Layer<'a>> {
        self.managed.iter().chain(&self.user)
    }

    fn denied(
        &self,
        name: Name,
        patterns: impl Fn(&PolicyArgs) -> &Vec<Pattern>,
    ) -> Vec<(Pattern, Rule)> {
        let layers = self.all();
        let denied = layers.flat_map(|layer| layer.listed(name, patterns(layer.args)));
        denied.collect()
    }

    /// Returns the lists of permissions that count: the administrator's and the user's.
    fn allowed(
        &self,
        name: Name,
        patterns: impl Fn(&PolicyArgs) -> &Vec<Pattern>,
    ) -> Vec<Vec<(Pattern, Rule)>> {
        let nearest = |layers: &[Layer<'_>]| {
            let layer = layers.iter().find(|layer| !patterns(layer.args).is_empty());
            layer.map(|layer| layer.listed(name, patterns(layer.args)))
        };
        let lists = [nearest(&self.managed), nearest(&self.user)];
        lists.into_iter().flatten().collect()
    }

    /// Returns the rule of a switch that tightens.
    fn switch(&self, name: Name, is_on: impl Fn(&PolicyArgs) -> bool) -> Option<Rule> {
        let nearest = |layers: &[Layer<'_>]| {
            let layer = layers
                .iter()
                .find(|layer| layer.has(name) || is_on(layer.args));
            let layer = layer.filter(|layer| is_on(layer.args));
            layer.map(|layer| layer.rule(name, 0, String::new()))
        };
        nearest(&self.managed).or_else(|| nearest(&self.user))
    }

    /// Returns the value of a switch that does not tighten: the nearest, the administrator's last.
    fn is_on(&self, name: Name, is_on: impl Fn(&PolicyArgs) -> bool) -> bool {
        self.nearest(name, is_on).is_some()
    }

    fn nearest(&self, name: Name, is_on: impl Fn(&PolicyArgs) -> bool) -> Option<Rule> {
        let mut layers = self.user.iter().chain(&self.managed);
        let layer = layers.find(|layer| layer.has(name) || is_on(layer.args))?;
        is_on(layer.args).then(|| layer.rule(name, 0, String::new()))
    }

    /// Returns the length at which the file of the audit is renamed: the administrator's, else the nearest of the user's.
    fn audit_max_size(&self) -> Option<(u64, Rule)> {
        self.all().find_map(|layer| {
            let size = layer.args.audit_max_size?;
            Some((size, layer.rule(AUDIT_MAX_SIZE, 0, size.to_string())))
        })
    }

    /// Returns the file of the audit: the administrator's, else the nearest of the user's.
    fn audit(&self) -> Option<(PathBuf, Rule)> {
        self.all().find_map(|layer| {
            let path = layer.args.audit.clone()?;
            let rule = layer.rule(AUDIT, 0, path.display().to_string());
            Some((path, rule))
        })
    }

    /// Returns the limits for all tools. Each of them holds.
    fn one<T: ToString>(
        &self,
        name: Name,
        value: impl Fn(&PolicyArgs) -> Option<T>,
    ) -> Vec<Limit<T>> {
        let limits = self.all().filter_map(|layer| {
            let value = value(layer.args)?;
            Some(Limit {
                tools: None,
                rule: layer.rule(name, 0, value.to_string()),
                value,
            })
        });
        limits.collect()
    }

    fn scoped<T: Clone>(
        &self,
        name: Name,
        given: impl Fn(&PolicyArgs) -> &Vec<Scoped<T>>,
    ) -> Vec<Limit<T>> {
        let limit = |layer: &Layer<'_>, at: usize, given: &Scoped<T>| Limit {
            tools: given.tools.clone(),
            rule: layer.rule(name, at, given.text.clone()),
            value: given.value.clone(),
        };
        let mut limits = Vec::new();
        for layer in self.all() {
            let given = given(layer.args).iter().enumerate();
            limits.extend(given.map(|(at, given)| limit(layer, at, given)));
        }
        limits
    }

    /// Refuses the user's switches that would let pass what the administrator's file refuses.
    fn refuse_undoing(&self) -> Result<(), Failure> {
        let Some(Layer {
            place: Place::File(file),
            ..
        }) = self.managed.first()
        else {
            return Ok(());
        };
        let has_audit = self.managed.iter().any(|layer| layer.args.audit.is_some());
        let switches: [(Name, IsOn, bool); 2] = [
            (DRY_RUN, |args| args.policy_dry_run, true),
            (BEST_EFFORT, |args| args.audit_best_effort, has_audit),
        ];
        for (name, is_on, undoes) in switches {
            let is_permitted = self.managed.iter().any(|layer| is_on(layer.args));
            let layer = self
                .user
                .iter()
                .find(|layer| layer.has(name) || is_on(layer.args));
            let layer = layer.filter(|layer| is_on(layer.args));
            if let Some(layer) = layer.filter(|_| undoes && !is_permitted) {
                let error = format!(
                    "{} ({}) would undo what the administrator's file {} asks for",
                    name.key,
                    layer.origin(name, 0),
                    file.path.display()
                );
                return Err(Failure::usage(error).hint("leave it out"));
            }
        }
        Ok(())
    }
}

fn is_typed(name: Name, env: &Environment) -> bool {
    // Arguments that are no text are read by clap alone; a flag is the likelier place.
    let Some(words) = &env.arguments else {
        return env.get(&variable(name)).is_none();
    };
    words.iter().any(|word| {
        let rest = word.strip_prefix(name.flag);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    })
}

fn variable(name: Name) -> String {
    format!("MCPIPE_{}", name.key.replace('-', "_").to_ascii_uppercase())
}

fn as_size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
