//! The systems of a tester's file of stands, ready to be asked.

use std::{collections::BTreeMap, path::Path};

use adapters::replay::live::{Address, Peer};

use crate::config::{self, Error};

/// Reads the file; `rate` holds where a system names none. Also tells its name in reports.
pub(super) fn read(file: &Path, rate: f64) -> Result<(String, BTreeMap<String, Peer>), Vec<Error>> {
    let stands = config::stands(file, |name| std::env::var(name).ok()).map_err(|one| vec![one])?;
    let notes = stands.iter().filter_map(|(name, one)| Some((name, one.note.as_ref()?)));
    let notes: Vec<String> = notes.map(|(name, note)| format!("{name}: {note}")).collect();
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
    let mut target = format!("stands of {}", name.unwrap_or_default());
    if !notes.is_empty() {
        target = format!("{target} ({})", notes.join("; "));
    }
    let peers = stands.into_iter().map(|(name, stand)| {
        let address = Address::Settings(Box::new(stand.settings));
        let peer = Peer { address, rate: Some(stand.rate.unwrap_or(rate)), orders: None };
        (name.to_owned(), peer)
    });
    Ok((target, peers.collect()))
}
