//! The rules of the policy, from the flags.

use crate::cli::{PolicyArgs, RateLimitAs, Scoped};
use crate::policy::{Filter, Limit, Origin, Pattern, Rule, Rules};

/// Returns the rules that the flags set.
pub fn rules(args: &PolicyArgs) -> Rules {
    let listed = |key, flag, patterns: &[Pattern]| -> Vec<(Pattern, Rule)> {
        let rules = patterns.iter();
        let rules = rules.map(|it| (it.clone(), rule(key, flag, it.text().to_owned())));
        rules.collect()
    };
    let allowed = |key, flag, patterns: &[Pattern]| match patterns {
        [] => Vec::new(),
        patterns => vec![listed(key, flag, patterns)],
    };
    let mut denied_tools = listed("deny-tool", "--deny-tool", &args.deny_tools);
    denied_tools.extend(listed("ignore-tool", "--ignore-tool", &args.ignore_tools));
    let switch = |is_on: bool, key, flag| is_on.then(|| rule(key, flag, String::new()));
    Rules {
        tools: Filter {
            allow: allowed("allow-tool", "--allow-tool", &args.allow_tools),
            deny: denied_tools,
        },
        prompts: Filter {
            allow: allowed("allow-prompt", "--allow-prompt", &args.allow_prompts),
            deny: listed("deny-prompt", "--deny-prompt", &args.deny_prompts),
        },
        resources: Filter {
            allow: allowed("allow-resource", "--allow-resource", &args.allow_resources),
            deny: listed("deny-resource", "--deny-resource", &args.deny_resources),
        },
        read_only: switch(args.read_only, "read-only", "--read-only"),
        pin_tools: switch(args.pin_tools, "pin-tools", "--pin-tools"),
        validate_arguments: switch(
            args.validate_arguments,
            "validate-arguments",
            "--validate-arguments",
        ),
        max_arguments: one("max-arguments", "--max-arguments", args.max_arguments),
        max_result: scoped(
            "max-result",
            "--max-result",
            &args.max_results,
            u64::to_string,
        ),
        max_tools: one("max-tools", "--max-tools", args.max_tools.map(as_size)),
        max_depth: one("max-depth", "--max-depth", args.max_depth.map(as_size)),
        sanitize: switch(args.sanitize, "sanitize", "--sanitize"),
        rate_limit: scoped("rate-limit", "--rate-limit", &args.rate_limits, |rate| {
            format!("{}/{}s", rate.count, rate.per.as_secs())
        }),
        rate_limit_wait: args.rate_limit_wait,
        rate_limit_as_result: args.rate_limit_as == RateLimitAs::Result,
        max_concurrent: scoped(
            "max-concurrent",
            "--max-concurrent",
            &args.max_concurrent,
            u32::to_string,
        ),
        circuit_breaker: one("circuit-breaker", "--circuit-breaker", args.circuit_breaker),
        dry_run: args.policy_dry_run,
    }
}

fn rule(key: &'static str, flag: &'static str, value: String) -> Rule {
    let origin = Origin::Flag(flag);
    Rule { key, value, origin }
}

fn as_size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A limit for all tools.
fn one<T: ToString>(key: &'static str, flag: &'static str, value: Option<T>) -> Vec<Limit<T>> {
    let limit = value.map(|value| Limit {
        tools: None,
        rule: rule(key, flag, value.to_string()),
        value,
    });
    limit.into_iter().collect()
}

fn scoped<T: Clone>(
    key: &'static str,
    flag: &'static str,
    given: &[Scoped<T>],
    text: impl Fn(&T) -> String,
) -> Vec<Limit<T>> {
    let limits = given.iter().map(|Scoped { tools, value }| {
        let written = match tools {
            Some(tools) => format!("{}={}", tools.text(), text(value)),
            None => text(value),
        };
        Limit {
            tools: tools.clone(),
            rule: rule(key, flag, written),
            value: value.clone(),
        }
    });
    limits.collect()
}
