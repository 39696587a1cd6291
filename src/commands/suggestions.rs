//! Addresses and accounts that are stored, beside one that is not: the user may have meant them.

use crate::auth::flow::accounts;
use crate::report::{Failure, Kind};
use crate::store::{self, Vault};
use crate::text::printable;
use crate::text::without_query;

/// The entries stored near an address.
pub(super) struct Near {
    /// All the entries, for a sentence.
    pub(super) stored: String,
    /// The command for the first entry, to be typed.
    pub(super) command: String,
}

/// Looks for entries near an address for which nothing is stored. `command` is the command that the user typed.
pub(super) async fn found(
    vault: &Vault,
    resource: &str,
    account: Option<&str>,
    command: &str,
) -> Result<Option<Near>, store::Error> {
    let near = accounts::near(vault, resource, account).await?;
    let Some((first, whose)) = near.first() else {
        return Ok(None);
    };
    let stored = near
        .iter()
        .map(|(resource, account)| place(resource, Some(account)));
    let stored: Vec<String> = stored.collect();
    let flag = match whose.as_str() {
        // `mcpipe status` shows all accounts.
        _ if command == "status" => String::new(),
        "default" => String::new(),
        account => format!(" --account {}", printable(account, 100)),
    };
    // Of several accounts none can be preferred, and a command for the wrong one may sign it out.
    let is_of_several = command == "logout" && near.len() > 1;
    Ok(Some(Near {
        stored: stored.join(", "),
        command: match is_of_several {
            true => format!("`mcpipe status {}` shows them", shown(first)),
            false => format!("`mcpipe {command} {}{flag}`", shown(first)),
        },
    }))
}

/// Returns the failure of a command that found no entry where it was told to look, if an entry is stored near.
pub(super) async fn failure(
    vault: &Vault,
    resource: &str,
    account: Option<&str>,
    command: &str,
) -> Result<Option<Failure>, store::Error> {
    let near = found(vault, resource, account, command).await?;
    Ok(near.map(|Near { stored, command }| {
        let place = place(resource, account);
        let error = format!("nothing is stored for {place}; stored is {stored}");
        Failure::new(Kind::Failed, error).hint(command)
    }))
}

/// Returns an address, with the account if it is not the usual one.
fn place(resource: &str, account: Option<&str>) -> String {
    match account {
        None | Some("default") => shown(resource),
        Some(account) => format!("{} (account {})", shown(resource), printable(account, 100)),
    }
}

fn shown(resource: &str) -> String {
    printable(&without_query(resource), 500)
}
