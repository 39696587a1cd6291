//! `mcpipe pins`: what is pinned of a server, what has changed since, and the user's word on it. Sends nothing.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use url::Url;

use crate::auth;
use crate::bridge::PinSettings;
use crate::cli::{DEFAULT_ACCOUNT, PinsAction, PinsArgs};
use crate::clock::{self, Clock};
use crate::commands::{pin_scan, print};
use crate::pin_store::{self, PinStore};
use crate::policy::pins::definition::{Kind, Version};
use crate::policy::pins::diff::visible;
use crate::policy::pins::set::{Change, PinSet, What};
use crate::report::{Failure, Kind as FailureKind};
use crate::settings::{self, Environment};
use crate::store::Vault;
use crate::text::{printable, without_query};

/// Shows, approves or forgets the pins of one account at one server.
///
/// # Errors
/// Wrong settings, a name for which nothing waits, or a vault that cannot be read or written.
pub async fn run(args: &PinsArgs, env: &Environment) -> Result<(), Failure> {
    let url = settings::address(&args.url, settings::SERVER, true)?;
    let vault = settings::vault(&args.vault, env, env.is_terminal)?;
    if vault.location().is_none() {
        let error = "pins that are kept in memory only end with the bridge that made them";
        return Err(Failure::usage(error).hint("leave out --vault none"));
    }
    let place = Place::new(&url, &args.account, Arc::new(vault))?;
    if args.action != Some(PinsAction::Approve) && !args.names.is_empty() {
        let error = "only `approve` takes names";
        return Err(Failure::usage(error).hint(format!("`{} approve NAME`", place.command())));
    }
    match args.action {
        None => show(&place, args.json).await,
        Some(PinsAction::Approve) => approve(&place, &args.names, args.json).await,
        Some(PinsAction::Scan) => pin_scan::run(&place.store, &place.shown, args.json).await,
        Some(PinsAction::Forget) => forget(&place, args.json).await,
    }
}

/// The pins that a command is about.
struct Place {
    store: PinStore,
    /// The server's address, as it may be shown.
    shown: String,
    account: String,
}

/// Returns the pins of an account at a server, for a bridge.
///
/// # Errors
/// The address has no canonical spelling.
pub(super) fn of_bridge(
    url: &Url,
    account: &str,
    vault: Arc<Vault>,
) -> Result<PinSettings, Failure> {
    let place = Place::new(url, account, vault)?;
    Ok(PinSettings {
        command: place.command(),
        store: place.store,
    })
}

impl Place {
    fn new(url: &Url, account: &str, vault: Arc<Vault>) -> Result<Self, Failure> {
        let now = Clock::new(settings::now);
        let server = auth::Settings::new(url.as_str(), now)
            .map_err(Failure::usage)?
            .canonical_resource();
        Ok(Self {
            store: PinStore::new(vault, account, &server),
            shown: without_query(&server),
            account: account.to_owned(),
        })
    }

    /// Returns the command that shows them.
    fn command(&self) -> String {
        let shown = &self.shown;
        match self.account.as_str() {
            DEFAULT_ACCOUNT => format!("mcpipe pins {shown}"),
            account => format!("mcpipe pins {shown} --account {}", printable(account, 100)),
        }
    }

    /// Returns the server with the account, if it is not the usual one.
    fn name(&self) -> String {
        match self.account.as_str() {
            DEFAULT_ACCOUNT => self.shown.clone(),
            account => format!("{} ({})", self.shown, printable(account, 100)),
        }
    }
}

impl From<pin_store::Error> for Failure {
    fn from(error: pin_store::Error) -> Self {
        match error {
            pin_store::Error::Vault(error) => error.into(),
            error @ pin_store::Error::Foreign(_) => {
                let hint = error.hint().unwrap_or_default();
                Self::new(FailureKind::Failed, error).hint(hint)
            }
        }
    }
}

async fn show(place: &Place, is_json: bool) -> Result<(), Failure> {
    let set = place.store.read().await?;
    if is_json {
        return print(&format!("{:#}\n", set_json(place, set.as_ref())));
    }
    print(&match set {
        None => nothing(place),
        Some(set) => set_text(place, &set),
    })
}

fn nothing(place: &Place) -> String {
    format!(
        "Nothing is pinned of {}. A bridge that is started with --pin-tools pins what it sees first.\n",
        place.name()
    )
}

async fn approve(place: &Place, names: &[String], is_json: bool) -> Result<(), Failure> {
    let Some(shown) = place.store.read().await? else {
        let failure = Failure::usage(format!("nothing is pinned of {}", place.name()));
        return Err(failure.hint("start a bridge with --pin-tools first"));
    };
    let changes = shown.changes();
    for name in names {
        if !changes.iter().any(|change| change.is_called(name)) {
            return Err(unknown(place, &shown, &changes, name));
        }
    }
    let is_meant =
        |change: &Change<'_>| names.is_empty() || names.iter().any(|name| change.is_called(name));
    let meant: Vec<&Change<'_>> = changes.iter().filter(|change| is_meant(change)).collect();
    let now = clock::seconds(settings::now());
    let (after, approved) = place
        .store
        .change(|set| {
            // Another bridge may have seen another version in between, which this user has not.
            let same = set.changes();
            let approved: Vec<&Change<'_>> = meant
                .iter()
                .copied()
                .filter(|it| same.contains(it))
                .collect();
            for change in &approved {
                set.accept(change.kind, change.name, now);
            }
            approved
        })
        .await?;
    let left = after.changes().len();
    if is_json {
        let approved: Vec<Value> = approved.iter().map(|it| change_json(it, &shown)).collect();
        let text = json!({ "server": place.shown, "account": place.account, "approved": approved, "left": left });
        return print(&format!("{text:#}\n"));
    }
    let mut text = String::new();
    for change in &approved {
        change_text(change, &shown, &mut text);
    }
    let count = approved.len();
    let _ = match count {
        0 => writeln!(text, "Nothing waits for approval at {}.", place.name()),
        _ => writeln!(
            text,
            "Approved: {}. Running bridges show it within seconds.",
            counted(count, "change")
        ),
    };
    if left > 0 {
        let _ = writeln!(
            text,
            "Still waiting: {}. `{}` shows it.",
            counted(left, "change"),
            place.command()
        );
    }
    print(&text)
}

fn unknown(place: &Place, set: &PinSet, changes: &[Change<'_>], name: &str) -> Failure {
    let shown = visible(name);
    let kinds = Kind::ALL.into_iter().filter_map(|kind| set.pins(kind));
    if kinds.clone().any(|pins| pins.items.contains_key(name)) {
        let error = format!("nothing has changed about {shown:?} at {}", place.name());
        return Failure::usage(error).hint(format!("`{}` shows what has", place.command()));
    }
    let failure = Failure::usage(format!(
        "nothing called {shown:?} waits for approval at {}",
        place.name()
    ));
    let near = changes
        .iter()
        .map(|change| visible(change.name))
        .min_by_key(|near| distance(near, &shown));
    match near {
        Some(near) => failure.hint(format!(
            "the nearest is {near:?}; `{}` shows all",
            place.command()
        )),
        None => failure.hint(format!(
            "nothing waits; `{}` shows what is pinned",
            place.command()
        )),
    }
}

/// Returns the number of letters to change, add or take out between two names (Levenshtein), of their first 64.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, c) in one.chars().take(64).enumerate() {
        let mut next = vec![at + 1];
        for ((d, above), pair) in other.iter().zip(row.iter().skip(1)).zip(row.iter()) {
            let left = next.last().copied().unwrap_or_default();
            next.push((pair + usize::from(c != *d)).min(left + 1).min(above + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

async fn forget(place: &Place, is_json: bool) -> Result<(), Failure> {
    let is_forgotten = place.store.forget().await?;
    if is_json {
        let text =
            json!({ "server": place.shown, "account": place.account, "forgotten": is_forgotten });
        return print(&format!("{text:#}\n"));
    }
    print(&match is_forgotten {
        true => format!(
            "Forgotten. A bridge with --pin-tools pins what it sees next of {}.\n",
            place.name()
        ),
        false => nothing(place),
    })
}

fn set_text(place: &Place, set: &PinSet) -> String {
    let mut text = format!("{}\n", place.name());
    for kind in Kind::ALL {
        let Some(pins) = set.pins(kind) else { continue };
        let accepted = pins
            .items
            .values()
            .filter(|pin| pin.accepted.is_some())
            .count();
        let what = match (kind, accepted) {
            (Kind::Instructions, 0) => "no instructions".to_owned(),
            (Kind::Instructions, _) => "instructions".to_owned(),
            (kind, count) => counted(count, kind.word()),
        };
        let _ = writeln!(text, "  {what:<16} pinned since {}", date(pins.since));
    }
    let changes = set.changes();
    if changes.is_empty() {
        text.push_str("Nothing has changed.\n");
        return text;
    }
    for change in &changes {
        text.push('\n');
        change_text(change, set, &mut text);
    }
    let hidden = changes.iter().filter(|change| change.hides()).count();
    if hidden > 0 {
        text.push_str("\nHosts are shown nothing of what is changed, new or renamed.\n");
    }
    let command = place.command();
    let _ = writeln!(
        text,
        "`{command} approve` accepts all of this, `{command} approve NAME…` some of it."
    );
    text
}

fn change_text(change: &Change<'_>, set: &PinSet, text: &mut String) {
    let _ = writeln!(
        text,
        "{} {}, since {}",
        change.word(),
        change.subject(),
        date(since(change, set))
    );
    for line in change.diff() {
        let _ = writeln!(text, "  {line}");
    }
}

/// Returns the time since which it is so.
fn since(change: &Change<'_>, set: &PinSet) -> u64 {
    let pin = set.pin(change.kind, change.name);
    pin.and_then(|pin| pin.pending_since.or(pin.gone_since))
        .unwrap_or_default()
}

fn set_json(place: &Place, set: Option<&PinSet>) -> Value {
    let kinds: serde_json::Map<String, Value> = Kind::ALL
        .into_iter()
        .filter_map(|kind| {
            let pins = set?.pins(kind)?;
            let accepted: serde_json::Map<String, Value> = pins
                .items
                .iter()
                .filter_map(|(name, pin)| {
                    Some((name.clone(), json!(pin.accepted.as_ref()?.sha256)))
                })
                .collect();
            let about = json!({ "pinned_since": pins.since, "accepted": accepted });
            Some((kind.word().to_owned(), about))
        })
        .collect();
    let changes = set.map(PinSet::changes).unwrap_or_default();
    let changes: Vec<Value> = changes
        .iter()
        .filter_map(|change| Some(change_json(change, set?)))
        .collect();
    json!({ "server": place.shown, "account": place.account, "pinned": kinds, "changes": changes })
}

fn change_json(change: &Change<'_>, set: &PinSet) -> Value {
    let version = |version: &Version| json!({ "sha256": version.sha256, "text": version.text });
    let (from, to, rename) = match &change.what {
        What::Changed { from, to } => (Some(*from), Some(*to), None),
        What::Renamed {
            from,
            to,
            old,
            percent,
        } => (Some(*from), Some(*to), Some((*old, *percent))),
        What::New { to } => (None, Some(*to), None),
        What::Vanished { from } => (Some(*from), None, None),
    };
    json!({
        "kind": change.kind.word(),
        "name": change.name,
        "change": change.word(),
        "hidden": change.hides(),
        "since": since(change, set),
        "old_name": rename.map(|(old, _)| old),
        "likeness_percent": rename.map(|(_, percent)| percent),
        "accepted": from.map(version),
        "pending": to.map(version),
        "diff": change.diff(),
    })
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

fn date(seconds: u64) -> String {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    // A date after the year 9999 has no spelling.
    match time.filter(|_| seconds < 253_402_300_800) {
        Some(time) => httpdate::fmt_http_date(time),
        None => "a time that cannot be told".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn the_nearest_name_takes_the_fewest_letters_to_change() {
        for (one, other, letters) in [
            ("", "", 0),
            ("add", "add", 0),
            ("ad", "add", 1),
            ("sned", "send", 2),
            ("", "abc", 3),
        ] {
            assert_eq!(distance(one, other), letters);
            assert_eq!(distance(other, one), letters);
        }
    }
}
