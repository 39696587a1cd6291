//! The stored sign-in: whose it is, how old, when it ends, and whether it is one for these flags.

use super::shown_name;
use super::vault::Readable;
use crate::auth::flow::preview::{self, FixedParameters, Stored, Unread};
use crate::auth::grant::GrantType;
use crate::auth::oauth::challenge::Challenge;
use crate::auth::oauth::scope::Scopes;
use crate::auth::store::record::{TokenRecord, TokenState};
use crate::clock::seconds;
use crate::doctor::codes::stored as codes;
use crate::doctor::context::Context;
use crate::doctor::finding::{Finding, Verdict};
use crate::doctor::server;
use crate::doctor::typed::{Typed, quoted};

/// The vault's content about the account at the server.
#[derive(Debug)]
pub(super) struct Known(pub(super) Stored);

/// The seconds by which tokens may seem to come from the future.
const SLACK: u64 = 60;

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    if context.known::<Readable>().is_none() {
        let sentence = "the stored sign-in cannot be looked at while the vault is closed";
        let finding = Finding::skipped(&codes::VAULT_LOCKED, sentence);
        return vec![
            finding.remedy("do what the finding on the vault says, or `mcpipe vault unlock`"),
        ];
    }
    let stored = match preview::stored(&context.sign_in, &context.vault).await {
        Ok(stored) => stored,
        Err(error) => {
            let remedy = match &error {
                Unread::Vault(error) => error.hint(),
                _ => None,
            };
            let finding = Finding::fail(&codes::STORED_UNREADABLE, error.to_string());
            return vec![
                finding.remedy(remedy.unwrap_or_else(|| "use the newest mcpipe".to_owned())),
            ];
        }
    };
    let facts = Facts {
        account: &context.account,
        challenge: server::challenge(context).unwrap_or_default(),
        is_replaced: context.target.brings_authorization,
        is_passing: server::challenge(context).is_some_and(|it| it.status == 0),
        now: seconds((context.now)()),
        typed: &context.typed,
    };
    let findings = facts.judge(&stored);
    context.learn(Known(stored));
    findings
}

/// The facts beside what is stored.
struct Facts<'a> {
    account: &'a str,
    challenge: Challenge,
    is_replaced: bool,
    /// The server has answered without a credential.
    is_passing: bool,
    now: u64,
    typed: &'a Typed,
}

impl Facts<'_> {
    fn judge(&self, stored: &Stored) -> Vec<Finding> {
        let Some(tokens) = &stored.tokens else {
            return self.absent(stored).into_iter().collect();
        };
        if self.is_replaced {
            let sentence = "a sign-in is stored for this server, and your Authorization header takes its place";
            let finding = Finding::warn(&codes::STORED_UNUSED, sentence);
            return vec![finding.remedy("leave the header out to use it")];
        }
        let mut findings = vec![self.lifetime(tokens)];
        if tokens.obtained_at > self.now + SLACK {
            let sentence = format!(
                "the tokens are from {} in the future by this machine's clock",
                lasting(tokens.obtained_at - self.now)
            );
            findings.push(
                Finding::warn(&codes::STORED_IN_THE_FUTURE, sentence)
                    .remedy(format!("set the clock, then {}", self.login())),
            );
        }
        let wanted = self.challenge.scope.as_deref().map(Scopes::parse);
        if let (Some(wanted), Some(granted)) = (wanted, &tokens.scope_granted)
            && !granted.covers(&wanted)
        {
            let sentence = format!(
                "the server wants the scopes {}, and the stored sign-in has {}",
                shown_name(&wanted.to_string()),
                shown_name(&granted.to_string())
            );
            let finding = Finding::warn(&codes::STORED_SCOPE_SHORT, sentence);
            findings.push(finding.remedy(self.login()));
        }
        findings
    }

    fn absent(&self, stored: &Stored) -> Option<Finding> {
        if self.is_replaced {
            return None;
        }
        let account = shown_name(self.account);
        if let Some(flags) = stored.under_other_flags.first() {
            let sentence = format!(
                "a sign-in is stored for this server that was made {}; with your flags it is not used",
                with(flags)
            );
            let finding = Finding::warn(&codes::STORED_OTHER_FLAGS, sentence);
            return Some(finding.remedy(format!("use the same flags, or {}", self.login())));
        }
        if let Some(other) = stored.accounts.iter().find(|it| *it != self.account) {
            let other = shown_name(other);
            let sentence =
                format!("the account {other} is signed in to this server, and {account} is not");
            let line = self.typed.line("doctor", &["--account", &quoted(&other)]);
            let finding = Finding::warn(&codes::STORED_OTHER_ACCOUNT, sentence);
            return Some(finding.remedy(format!(
                "if that one is meant: {line}; otherwise {}",
                self.login()
            )));
        }
        let sentence = format!("nobody is signed in to this server (account {account})");
        if self.is_passing {
            return Some(Finding::ok(
                &codes::STORED_NONE,
                format!("{sentence}, and the server asks for nobody"),
            ));
        }
        Some(Finding::warn(&codes::STORED_NONE, sentence).remedy(self.login()))
    }

    fn lifetime(&self, tokens: &TokenRecord) -> Finding {
        let whose = whose(tokens, self.account);
        let is_renewable = tokens.refresh.is_some() || tokens.grant.is_repeatable();
        let ended = tokens.expires_at.and_then(|at| self.now.checked_sub(at));
        let left = tokens.expires_at.and_then(|at| at.checked_sub(self.now));
        let code = tokens.last_error.as_deref().map_or_else(
            || "without a code".to_owned(),
            |code| format!("with {}", shown_name(code)),
        );
        let (verdict, code, sentence) = match (tokens.state, ended, is_renewable) {
            (TokenState::NeedsLogin, ..) => (
                Verdict::Fail,
                &codes::STORED_DEAD,
                format!("{whose} has ended: its renewal was refused {code}"),
            ),
            (TokenState::Suspect, ..) => (
                Verdict::Warn,
                &codes::STORED_SUSPECT,
                format!("{whose} may have ended: its last renewal was refused {code}"),
            ),
            (TokenState::Ok, Some(ago), true) => (
                Verdict::Ok,
                &codes::STORED_RENEWABLE,
                format!(
                    "{whose} is renewed by the next request: the access token ended {} ago",
                    lasting(ago)
                ),
            ),
            (TokenState::Ok, Some(ago), false) => (
                Verdict::Fail,
                &codes::STORED_ENDED,
                format!(
                    "{whose} ended {} ago, and no refresh token was given",
                    lasting(ago)
                ),
            ),
            (TokenState::Ok, None, true) => (
                Verdict::Ok,
                &codes::STORED_GOOD,
                format!("{whose} is good{}, and can be renewed", until(left)),
            ),
            (TokenState::Ok, None, false) if left.is_some() => (
                Verdict::Warn,
                &codes::STORED_ENDS,
                format!(
                    "{whose} is good{}, and no refresh token was given",
                    until(left)
                ),
            ),
            (TokenState::Ok, None, false) => (
                Verdict::Ok,
                &codes::STORED_GOOD,
                format!("{whose} is good, and its end is not known"),
            ),
        };
        let mut finding = Finding::new(code, verdict, sentence)
            .fact("issuer", shown_name(&tokens.issuer))
            .fact("client_id", shown_name(&tokens.client.id))
            .fact("bound_to_a_key", tokens.is_bound());
        if let Some(scope) = &tokens.scope_granted {
            finding = finding.fact("scope", shown_name(&scope.to_string()));
        }
        if tokens.signed_in_at != 0 {
            let age = self.now.saturating_sub(tokens.signed_in_at);
            finding = finding.fact("age", lasting(age));
        }
        match verdict {
            Verdict::Ok => finding,
            _ => finding.remedy(self.login()),
        }
    }

    fn login(&self) -> String {
        self.typed.line("login", &[])
    }
}

/// Returns the sign-in as the beginning of a sentence: its way, its account, its user.
fn whose(tokens: &TokenRecord, account: &str) -> String {
    let by = match tokens.grant {
        GrantType::User => "the sign-in".to_owned(),
        grant => format!("the token by {}", grant.name()),
    };
    let account = shown_name(account);
    match &tokens.user {
        Some(user) => format!("{by} of {} (account {account})", shown_name(&user.words())),
        None => format!("{by} of the account {account}"),
    }
}

fn with(flags: &FixedParameters) -> String {
    let mut words = Vec::new();
    if let Some(scope) = &flags.scope {
        words.push(format!("--scope {}", quoted(&shown_name(scope))));
    }
    if let Some(resource) = &flags.resource {
        words.push(format!("--resource {}", quoted(&shown_name(resource))));
    }
    if flags.has_more {
        words.push("further parameters".to_owned());
    }
    match words.is_empty() {
        true => "with other flags or another client".to_owned(),
        false => format!("with {}", words.join(" and ")),
    }
}

fn until(left: Option<u64>) -> String {
    left.map_or_else(String::new, |left| {
        format!(" for another {}", lasting(left))
    })
}

/// Returns a time in its largest whole unit.
pub(super) fn lasting(seconds: u64) -> String {
    let units = [
        (86_400, "day"),
        (3600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let fits = units.into_iter().find(|(size, _)| seconds >= *size);
    let (size, unit) = fits.unwrap_or((1, "second"));
    match seconds / size {
        1 => format!("1 {unit}"),
        many => format!("{many} {unit}s"),
    }
}
