//! `mcpipe vault status`: the place of the vault, its slots, its protection; never a secret.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::ShowArgs;
use crate::commands::print;
use crate::commands::vault::text::{count, lasting};
use crate::report::{Failure, Kind};
use crate::settings::{self, Environment};
use crate::store::slot::{Kdf, SlotKind};
use crate::store::{Error, SlotStatus, Vault, VaultStatus, agent};
use crate::text::printable;

pub(super) async fn status(args: &ShowArgs, env: &Environment) -> Result<(), Failure> {
    let vault = settings::vault(&args.common.vault, env, false)?;
    let status = vault.status().await?;
    let agent = agent_of(&vault)?;
    let cost = cost(&status);
    let took = measured(cost).await?;
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if args.json {
        let text = json!({
            "path": status.path.as_ref().map(|path| path.display().to_string()),
            "exists": status.generation.is_some(),
            "generation": status.generation,
            "newest_generation_seen": status.behind,
            "protection": status.level.map(|level| level.to_string()),
            "slots": status.slots.iter().map(slot_json).collect::<Vec<_>>(),
            "agent": agent.map(|left| json!({ "seconds_left": left.as_secs() })),
            "argon2id": {
                "memory_kib": cost.memory(), "passes": cost.passes(), "lanes": cost.lanes(),
                "milliseconds": millis,
            },
        });
        return print(&format!("{text:#}\n"));
    }
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<12} {value}");
    };
    match (&status.path, status.generation) {
        (None, _) => line("vault", "in memory only".into()),
        (Some(path), None) => line("vault", format!("{} (not made yet)", path.display())),
        (Some(path), Some(_)) => line("vault", path.display().to_string()),
    }
    if let Some(generation) = status.generation {
        let behind = status.behind.map(|newest| {
            format!(" (an older copy: this machine has written generation {newest})")
        });
        line(
            "generation",
            format!("{generation}{}", behind.unwrap_or_default()),
        );
    }
    if let Some(level) = status.level {
        // The vault is not opened, so nothing of the slots is authenticated.
        line(
            "protection",
            format!("{level}, {AS_SAID}: {}", level.words()),
        );
    }
    for (slot, name) in status
        .slots
        .iter()
        .zip(std::iter::once("opens by").chain(std::iter::repeat("")))
    {
        line(name, slot_text(slot));
    }
    let agent = match agent {
        Some(left) => format!("holds the vault open for {}", lasting(left)),
        None => "not running".to_owned(),
    };
    line("agent", agent);
    line("argon2id", format!("{}: {millis} ms here", costs(cost)));
    print(&text)
}

pub(super) async fn slots(args: &ShowArgs, env: &Environment) -> Result<(), Failure> {
    let vault = settings::vault(&args.common.vault, env, false)?;
    let status = vault.status().await?;
    if status.generation.is_none() {
        let vault = status.path.ok_or(Error::InMemory)?;
        return Err(Error::NoVault { vault }.into());
    }
    if args.json {
        let slots: Vec<Value> = status.slots.iter().map(slot_json).collect();
        return print(&format!("{:#}\n", Value::from(slots)));
    }
    let lines = status.slots.iter().map(|slot| slot_text(slot) + "\n");
    print(&lines.collect::<String>())
}

pub(super) async fn verify(args: &ShowArgs, env: &Environment) -> Result<(), Failure> {
    let vault = settings::vault(&args.common.vault, env, env.is_terminal)?;
    let verified = vault.verify().await?;
    if args.json {
        print(&format!(
            "{:#}\n",
            json!({ "entries": verified.entries, "damaged": verified.damaged })
        ))?;
    } else if verified.damaged.is_empty() {
        let entries = count(verified.entries, "entry", "entries");
        print(&format!("All is whole: {entries}.\n"))?;
    }
    if verified.damaged.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = verified
        .damaged
        .iter()
        .map(|name| printable(name, 200))
        .collect();
    let error = format!("damaged: {}", names.join(", "));
    Err(Failure::new(Kind::Failed, error).hint("restore the vault from a backup"))
}

/// Returns the time for which an agent still holds this vault open.
fn agent_of(vault: &Vault) -> Result<Option<Duration>, Failure> {
    let Ok(paths) = vault.paths() else {
        return Ok(None);
    };
    let left = agent::left(&paths).map_err(Error::from)?;
    Ok(left.map(|(left, _)| left))
}

/// Returns the cost of the dearest passphrase slot; without one, the cost that a passphrase would have.
fn cost(status: &VaultStatus) -> Kdf {
    let costs = status.slots.iter().filter_map(|slot| match slot.kind {
        SlotKind::Argon2id(kdf) => Some(kdf),
        SlotKind::Raw => None,
    });
    let dearest = costs.max_by_key(|kdf| u64::from(kdf.memory()) * u64::from(kdf.passes()));
    dearest.unwrap_or(Kdf::DEFAULT)
}

async fn measured(kdf: Kdf) -> Result<Duration, Failure> {
    let begun = settings::now();
    let done = tokio::task::spawn_blocking(move || kdf.try_out()).await;
    let took = settings::now().duration_since(begun).unwrap_or_default();
    match done {
        Ok(Ok(())) => Ok(took),
        Ok(Err(error)) => Err(Failure::new(Kind::Failed, error)),
        Err(error) => Err(Failure::new(Kind::Failed, error)),
    }
}

fn slot_text(slot: &SlotStatus) -> String {
    let what = match slot.kind {
        SlotKind::Argon2id(kdf) => format!("passphrase (Argon2id: {})", costs(kdf)),
        SlotKind::Raw => "key".to_owned(),
    };
    let label = printable(&slot.label, 64);
    format!("{label:<16} {} {what}, {AS_SAID}", slot.id)
}

/// The mark of values that are not authenticated: any process that can write to the vault's file may have written them.
const AS_SAID: &str = "as the file says";

fn slot_json(slot: &SlotStatus) -> Value {
    let costs = match slot.kind {
        SlotKind::Argon2id(kdf) => Some(json!({
            "memory_kib": kdf.memory(), "passes": kdf.passes(), "lanes": kdf.lanes(),
        })),
        SlotKind::Raw => None,
    };
    json!({
        "id": slot.id,
        "label": slot.label,
        "kind": if costs.is_some() { "passphrase" } else { "key" },
        "argon2id": costs,
    })
}

fn costs(kdf: Kdf) -> String {
    format!(
        "{} MiB, {}, {}",
        kdf.memory() / 1024,
        count(kdf.passes() as usize, "pass", "passes"),
        count(kdf.lanes() as usize, "lane", "lanes")
    )
}
