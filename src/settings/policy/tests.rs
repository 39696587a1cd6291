use std::ffi::OsString;
use std::path::PathBuf;

use super::*;
use crate::cli::{self, policy_of};
use crate::settings::environment::env;

fn words_of(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

/// A layer of a file: flags, each on a line of its own.
fn layer(path: &str, line: &str, off: &[&str], is_managed: bool) -> PolicyLayer {
    let keys = line.split_whitespace().map(|word| {
        let name = word.trim_start_matches("--");
        name.split('=').next().unwrap().to_owned()
    });
    let keys = keys.chain(off.iter().map(|key| (*key).to_owned()));
    PolicyLayer {
        args: policy_of(words_of(line)).unwrap(),
        path: path.into(),
        lines: keys.enumerate().map(|(at, key)| (key, at + 1)).collect(),
        off: off.iter().map(|key| (*key).to_owned()).collect(),
        is_managed,
    }
}

/// The policy of a command line, of variables, and of layers.
fn policy(
    typed: &str,
    variables: &[(&str, &str)],
    files: Vec<PolicyLayer>,
) -> (PolicyArgs, Environment) {
    let of_variables = variables.iter().filter(|(_, value)| *value != "0");
    let of_variables = of_variables.map(|(name, value)| {
        let flag = name.trim_start_matches("MCPIPE_").to_ascii_lowercase();
        let flag = flag.replace('_', "-");
        OsString::from(match *value {
            "1" => format!("--{flag}"),
            value => format!("--{flag}={value}"),
        })
    });
    let all = words_of(typed).into_iter().chain(of_variables);
    let mut args = policy_of(all).unwrap();
    args.files = files;
    let env = Environment {
        arguments: Some(typed.split_whitespace().map(str::to_owned).collect()),
        ..env(variables)
    };
    (args, env)
}

fn places(rules: &[(Pattern, Rule)]) -> Vec<String> {
    let rules = rules.iter();
    rules
        .map(|(_, rule)| format!("{} {}", rule.text(), rule.origin))
        .collect()
}

fn limits<T>(limits: &[Limit<T>]) -> Vec<String> {
    let limits = limits.iter();
    limits
        .map(|limit| format!("{} {}", limit.rule.text(), limit.rule.origin))
        .collect()
}

#[test]
fn denials_and_limits_of_all_layers_add_up() {
    let (args, env) = policy(
        "--deny-tool=a --rate-limit=5/m",
        &[("MCPIPE_IGNORE_TOOL", "b"), ("MCPIPE_MAX_TOOLS", "9")],
        vec![
            layer("/managed", "--deny-tool=e --max-tools=7", &[], true),
            layer(
                "/user",
                "--max-tools=50 --deny-tool=c --deny-tool=d",
                &[],
                false,
            ),
            layer("/user", "--rate-limit=x=1/s", &[], false),
        ],
    );
    let rules = rules(&args, &env).unwrap();
    assert_eq!(
        places(&rules.tools.deny),
        [
            "deny-tool e /managed:1",
            "deny-tool a --deny-tool",
            "deny-tool c /user:2",
            "deny-tool d /user:3",
            "ignore-tool b MCPIPE_IGNORE_TOOL",
        ]
    );
    assert_eq!(
        limits(&rules.max_tools),
        [
            "max-tools 7 /managed:2",
            "max-tools 9 MCPIPE_MAX_TOOLS",
            "max-tools 50 /user:1"
        ]
    );
    assert_eq!(
        limits(&rules.rate_limit),
        ["rate-limit 5/m --rate-limit", "rate-limit x=1/s /user:1"]
    );
}

#[test]
fn a_variable_adds_to_a_flag_that_was_typed() {
    // clap has taken the flag alone.
    let (args, _) = policy("--deny-tool=a --max-tools=9", &[], vec![]);
    let env = Environment {
        arguments: Some(vec![
            "--deny-tool=a".into(),
            "--max-tools".into(),
            "9".into(),
        ]),
        ..env(&[("MCPIPE_DENY_TOOL", "b"), ("MCPIPE_MAX_TOOLS", "7")])
    };
    let found = rules(&args, &env).unwrap();
    assert_eq!(
        places(&found.tools.deny),
        ["deny-tool a --deny-tool", "deny-tool b MCPIPE_DENY_TOOL"]
    );
    assert_eq!(
        limits(&found.max_tools),
        ["max-tools 9 --max-tools", "max-tools 7 MCPIPE_MAX_TOOLS"]
    );
    let env = Environment {
        variables: [("MCPIPE_DENY_TOOL".to_owned(), "[".to_owned())].into(),
        ..env
    };
    assert!(rules(&args, &env).is_err());
}

#[test]
fn of_permissions_the_nearest_of_the_users_counts_beside_the_administrators() {
    let (args, env) = policy(
        "",
        &[],
        vec![
            layer("/managed", "--allow-tool=m*", &[], true),
            layer("/user", "--allow-tool=near", &[], false),
            layer("/user", "--allow-tool=far --allow-prompt=p", &[], false),
        ],
    );
    let rules = rules(&args, &env).unwrap();
    let lists: Vec<_> = rules.tools.allow.iter().map(|list| places(list)).collect();
    assert_eq!(
        lists,
        [
            vec!["allow-tool m* /managed:1"],
            vec!["allow-tool near /user:1"]
        ]
    );
    assert_eq!(rules.prompts.allow.len(), 1);
}

#[test]
fn a_user_switches_off_what_is_the_users_own_and_nothing_of_the_administrators() {
    let files = |off: &[&str]| {
        vec![
            layer("/user", "", off, false),
            layer("/user", "--read-only --sanitize", &[], false),
        ]
    };
    let on = |typed, variables: &[(&str, &str)], files| {
        let (args, env) = policy(typed, variables, files);
        let rules = rules(&args, &env).unwrap();
        rules.read_only.map(|rule| rule.origin.to_string())
    };
    assert_eq!(on("", &[], files(&[])).as_deref(), Some("/user:1"));
    assert_eq!(on("", &[], files(&["read-only"])), None);
    assert_eq!(on("", &[("MCPIPE_READ_ONLY", "0")], files(&[])), None);
    let typed = on(
        "--read-only",
        &[("MCPIPE_READ_ONLY", "0")],
        files(&["read-only"]),
    );
    assert_eq!(typed.as_deref(), Some("--read-only"));
    let mut managed = files(&["read-only"]);
    managed.insert(0, layer("/managed", "--read-only", &[], true));
    let stays = on("", &[("MCPIPE_READ_ONLY", "0")], managed);
    assert_eq!(stays.as_deref(), Some("/managed:1"));
}

#[test]
fn nothing_of_the_users_undoes_the_administrators_rules() {
    for (typed, managed, is_refused) in [
        ("--policy-dry-run", "--deny-tool=x", true),
        ("--policy-dry-run", "--deny-tool=x --policy-dry-run", false),
        ("--audit-best-effort", "--audit=/log", true),
        ("--audit-best-effort", "--deny-tool=x", false),
        ("--audit=/mine", "--audit=/log", false),
    ] {
        let files = vec![layer("/managed", managed, &[], true)];
        let (args, env) = policy(typed, &[], files);
        let found = rules(&args, &env);
        assert_eq!(found.is_err(), is_refused, "{typed} {managed}");
        if let Err(failure) = found {
            let text = failure.text();
            assert!(text.contains(typed) && text.contains("/managed"), "{text}");
        }
    }
}

#[test]
fn the_audit_is_the_administrators_if_there_is_one() {
    let settled = |typed, files| {
        let (mut args, env) = policy(typed, &[], files);
        settle_audit(&mut args, &env).unwrap();
        (args.audit, args.audit_arguments, args.audit_best_effort)
    };
    let path = |path: &str| Some(PathBuf::from(path));
    let user = || {
        let line = "--audit=/user --audit-best-effort";
        layer("/f", line, &[], false)
    };
    let managed = || {
        layer(
            "/m",
            "--audit=/log --audit-arguments --audit-best-effort",
            &[],
            true,
        )
    };
    assert_eq!(settled("", vec![]), (None, false, false));
    assert_eq!(settled("", vec![user()]), (path("/user"), false, true));
    assert_eq!(
        settled("--audit=/typed", vec![user()]),
        (path("/typed"), false, true)
    );
    assert_eq!(
        settled("--audit=/typed", vec![managed(), user()]),
        (path("/log"), true, true)
    );
}

#[test]
fn every_guard_rail_of_a_file_counts_and_is_listed() {
    let source = include_str!("../policy.rs");
    for key in cli::keys().into_iter().filter(|key| key.is_guard_rail) {
        let name = format!("name!(\"{}\")", key.name);
        assert!(
            source.contains(&name),
            "{} is not taken from files",
            key.name
        );
        let values = ["", "=5", "=2048", "=5/m", "=result"];
        let words = values.map(|value| format!("--{}{value}", key.name));
        let word = words.iter().find(|word| policy_of(words_of(word)).is_ok());
        let word = word.unwrap_or_else(|| panic!("{} takes another value", key.name));
        let (args, env) = policy("", &[], vec![layer("/user", word, &[], false)]);
        let listed = listed(&args, &env).unwrap();
        let [rule] = listed.as_slice() else {
            panic!("{word}: {listed:?}")
        };
        assert_eq!(
            (rule.key, rule.origin.to_string().as_str()),
            (key.name.as_str(), "/user:1")
        );
    }
}
