//! `hub contracts list`: what cases there are.

use adapters::{replay::live::RECORDED, systems};
use contracts::{
    case::{Case, Provenance},
    operation::Effect,
};
use serde_json::json;

use super::{
    super::{
        DONE,
        print::{table, tell, tell_json},
    },
    Which,
};

/// Which cases, and how to tell.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    which: Which,
    /// Tell as JSON.
    #[arg(long)]
    json: bool,
}

/// The exit code, either way.
pub(super) fn run(list: &List) -> Result<u8, u8> {
    let engine = list.which.open()?;
    let chosen = list.which.choose(&engine)?;
    let mut rows = table(&["case", "operation", "kind", "from", "replay", "what it shows"]);
    let mut all = Vec::new();
    for found in chosen {
        let name = format!("{}/{}", found.system, found.name);
        match &found.case {
            Ok(case) => {
                let (kind, replay) = (kind(case), replay(case));
                let from = provenance(case.provenance);
                rows.add_row([&name, &case.operation, kind, from, &replay, &case.title]);
                all.push(json!({
                    "system": found.system, "case": found.name, "operation": case.operation,
                    "kind": kind, "provenance": from, "behaviour": case.behaviour,
                    "title": case.title, "folder": found.folder.display().to_string(),
                }));
            }
            Err(error) => {
                let text = error.to_string();
                rows.add_row([name.as_str(), "", "", "", "", &format!("cannot be read: {text}")]);
                all.push(json!({
                    "system": found.system, "case": found.name, "error": text,
                    "folder": found.folder.display().to_string(),
                }));
            }
        }
    }
    if list.json {
        tell_json(&all);
    } else {
        tell(format!("{rows}\n\n{} cases", all.len()));
    }
    Ok(DONE)
}

/// Whether asking changes something over there.
fn kind(case: &Case) -> &'static str {
    let all = systems::all();
    let mut operations = all.iter().flat_map(|system| system.spec().operations.iter());
    match operations.find(|one| one.name == case.operation).map(|one| one.effect) {
        Some(Effect::Query) => "query",
        Some(Effect::Command) => "command",
        None => "message",
    }
}

/// What a live system must be made to do.
fn replay(case: &Case) -> String {
    match case.behaviour.as_deref() {
        None if kind(case) == "message" => "never".to_owned(),
        None => "anywhere".to_owned(),
        Some(RECORDED) => "simulator".to_owned(),
        Some(name) => format!("simulator: {name}"),
    }
}

const fn provenance(of: Provenance) -> &'static str {
    match of {
        Provenance::Found => "FOUND",
        Provenance::Hint => "HINT",
        Provenance::Designed => "DESIGNED",
    }
}
