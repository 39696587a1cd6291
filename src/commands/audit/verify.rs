//! `mcpipe audit verify`: the chains of audit files, whole or with their first fault.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::audit::{self, verify::Chain};
use crate::cli::AuditVerifyArgs;
use crate::commands::print;
use crate::report::{Failure, Kind};

pub(super) fn run(args: &AuditVerifyArgs) -> Result<(), Failure> {
    let chains = audit::read(&args.files, args.contains).map_err(|error| {
        Failure::usage(error)
            .hint("name FILE of --audit and the files beside it: FILE.1, FILE.2, …")
    })?;
    if chains.is_empty() {
        let error = "none of these files is an audit file: heads and locks stand beside one";
        return Err(Failure::usage(error).hint("name FILE of --audit too"));
    }
    let faults = chains.iter().filter(|chain| chain.fault.is_some()).count();
    let is_missing = args.contains.is_some() && !chains.iter().any(|chain| chain.has_anchor);
    match args.json {
        true => {
            let is_ok = faults == 0 && !is_missing;
            let mut text = json!({ "v": 1, "ok": is_ok, "chains": chains.iter().map(as_json).collect::<Vec<_>>() });
            if args.contains.is_some()
                && let Some(text) = text.as_object_mut()
            {
                text.insert("contains".into(), (!is_missing).into());
            }
            print(&format!("{text:#}\n"))?;
        }
        false => print(&chains.iter().map(as_text).collect::<String>())?,
    }
    if faults > 0 {
        let error = match (faults, chains.len()) {
            (1, 1) => "the chain is not as it was written".to_owned(),
            (faults, of) => format!("{faults} of {of} chains are not as they were written"),
        };
        return Err(Failure::new(Kind::Failed, error));
    }
    match args.contains {
        Some(hash) if is_missing => {
            let error = format!(
                "no line has the hash {hash}: lines were removed, or all were written anew"
            );
            Err(Failure::new(Kind::Failed, error))
        }
        _ => Ok(()),
    }
}

fn as_text(chain: &Chain) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = match &chain.fault {
        Some((file, fault)) => writeln!(text, "{file}: {fault}"),
        None => writeln!(text, "whole: {}", chain.files.join(", ")),
    };
    if let (Some(id), Some((first, last))) = (chain.id, &chain.times) {
        let (from, to) = (chain.before.seq.saturating_add(1), chain.last.seq);
        let lines = match chain.lines {
            1 => "1 line".to_owned(),
            lines => format!("{lines} lines"),
        };
        let _ = writeln!(text, "  chain {id}: {lines}, {from} to {to}");
        let _ = writeln!(text, "  from {first} to {last}");
        if chain.fault.is_none() {
            let _ = writeln!(text, "  head {}", chain.last.hash);
        }
    }
    for note in &chain.notes {
        let _ = writeln!(text, "  note: {note}");
    }
    text
}

fn as_json(chain: &Chain) -> Value {
    let times = chain.times.as_ref();
    let fault = chain.fault.as_ref().map(|(file, fault)| {
        let line = (fault.line > 0).then_some(fault.line);
        json!({ "kind": fault.kind.name(), "file": file, "line": line, "message": fault.text })
    });
    json!({
        "chain": chain.id.map(|id| id.to_string()),
        "files": chain.files,
        "lines": chain.lines,
        "firstSeq": chain.before.seq.saturating_add(1),
        "lastSeq": chain.last.seq,
        "firstTime": times.map(|(first, _)| first),
        "lastTime": times.map(|(_, last)| last),
        "head": chain.last.hash.to_string(),
        "notes": chain.notes,
        "fault": fault,
    })
}
