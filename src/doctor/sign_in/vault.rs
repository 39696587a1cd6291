//! The vault: its file, and what opens it. Asks nothing and makes nothing.

use crate::doctor::codes::stored as codes;
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::store::{Error, OpenedBy, VaultStatus};

/// The proof that the vault can be read.
#[derive(Debug)]
pub(super) struct Readable;

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let vault = &context.vault;
    let status = match vault.status().await {
        Ok(status) => status,
        Err(error) => return vec![unusable(&error)],
    };
    if status.path.is_none() {
        context.learn(Readable);
        let sentence = "nothing is kept: --vault none keeps sign-ins in memory only";
        let finding = Finding::warn(&codes::VAULT_IN_MEMORY, sentence);
        return vec![finding.remedy("leave --vault none out")];
    }
    let mut findings = Vec::new();
    match vault.list().await {
        Err(Error::Locked { .. }) if status.generation.is_some() => findings.push(
            Finding::skipped(
                &codes::VAULT_LOCKED,
                "the vault is locked: it opens by a passphrase, and doctor asks for none",
            )
            .remedy("`mcpipe vault unlock`"),
        ),
        Err(error @ Error::NotRun { .. }) => findings.push(
            Finding::skipped(&codes::VAULT_LOCKED, error.to_string())
                .remedy("`mcpipe vault unlock`"),
        ),
        Err(error) => findings.push(unusable(&error)),
        Ok(_) => {
            context.learn(Readable);
            let by = vault.opened_by().await.ok().flatten();
            findings.push(opened(&status, by));
        }
    }
    if let (Some(newest), Some(generation)) = (status.behind, status.generation) {
        let sentence = format!(
            "the vault is an older copy of itself: generation {generation}, and this machine has written {newest}"
        );
        findings.push(
            Finding::warn(&codes::VAULT_OLD_COPY, sentence)
                .remedy("nothing, if it was restored on purpose; a sign-in that fails is repeated with `mcpipe login`"),
        );
    }
    findings
}

fn opened(status: &VaultStatus, by: Option<OpenedBy>) -> Finding {
    let Some(level) = status.level else {
        let sentence = "there is no vault yet; the first sign-in makes it";
        return Finding::ok(&codes::VAULT_NOT_MADE, sentence);
    };
    let by = match by {
        Some(OpenedBy::KeyFile) => "by the key file of this machine".to_owned(),
        Some(OpenedBy::Agent) => "by the agent of `mcpipe vault unlock`".to_owned(),
        Some(OpenedBy::Credential) => "by a credential of the service manager".to_owned(),
        Some(OpenedBy::Passphrase(source)) => format!("by the passphrase from {source}"),
        Some(OpenedBy::Program(label)) => format!("by the program of the slot {label}"),
        Some(OpenedBy::Typed) => "by a typed passphrase".to_owned(),
        Some(OpenedBy::OtherProcess) | None => "already".to_owned(),
    };
    let sentence = format!("the vault is yours alone, and opens {by}");
    Finding::ok(&codes::VAULT_OPEN, sentence).fact("protection", level)
}

fn unusable(error: &Error) -> Finding {
    let mut sentence = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let text = cause.to_string();
        if !sentence.contains(&text) {
            sentence = format!("{sentence}: {text}");
        }
        source = cause.source();
    }
    let remedy = error.hint();
    Finding::fail(&codes::VAULT_UNUSABLE, sentence).remedy(
        remedy.unwrap_or_else(|| "`mcpipe vault status` says what is known of it".to_owned()),
    )
}
