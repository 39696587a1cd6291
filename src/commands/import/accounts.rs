//! Names for sign-ins that would be kept in one place: two entries for one server become two accounts.

use crate::auth::flow::adopt;
use crate::cli::DEFAULT_ACCOUNT;
use crate::commands::import::bridge_settings::settings_of;
use crate::commands::import::search::{FoundFiles, Searched};
use crate::commands::import::sources::Candidate;
use crate::settings::Environment;

/// Gives each entry that shares a server an account of its own, named after the entry in the client's configuration.
/// Entries with the same files of mcp-remote's are one sign-in, and stay one account.
pub(super) fn name(searched: &mut [Searched], env: &Environment) {
    let places: Vec<_> = searched
        .iter()
        .map(|it| match it.files {
            FoundFiles::Here(_) | FoundFiles::Moved(_) => {
                let (_, settings) = settings_of(&it.candidate, env).ok()?;
                Some(adopt::place(&settings))
            }
            FoundFiles::OfAnother(_) | FoundFiles::Nowhere => None,
        })
        .collect();
    let is_shared =
        |place: &Vec<String>| places.iter().flatten().filter(|it| *it == place).count() > 1;
    let mut given = vec![DEFAULT_ACCOUNT.to_owned()];
    for at in 0..searched.len() {
        let is_shared = places
            .get(at)
            .and_then(Option::as_ref)
            .is_some_and(is_shared);
        let owner = searched.get(at).and_then(|it| match it.files {
            FoundFiles::OfAnother(owner) => Some(owner),
            _ => None,
        });
        let of_owner = owner.and_then(|owner| Some(searched.get(owner)?.account().to_owned()));
        let Some(it) = searched.get_mut(at) else {
            continue;
        };
        if is_shared {
            let name = unused(&plain(&it.candidate), &given);
            given.push(name.clone());
            it.candidate.target.sign_in.account = name;
        } else if let Some(account) = of_owner {
            it.candidate.target.sign_in.account = account;
        }
    }
}

/// Returns the name of the entry in the characters of an account.
fn plain(candidate: &Candidate) -> String {
    let name = candidate.entries.first().map_or("", |said| &said.name);
    let name: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._".contains(c) {
                c
            } else {
                '-'
            }
        })
        .take(40)
        .collect();
    match name.trim_matches(['-', '.', '_']) {
        "" => "imported".to_owned(),
        name => name.to_owned(),
    }
}

fn unused(name: &str, given: &[String]) -> String {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|name| !given.contains(name)).unwrap_or_default()
}
