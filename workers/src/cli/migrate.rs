//! `hub migrate`: brings the schema up to date, and the business calendar into it.

use std::path::Path;

use super::{DONE, FAILED, complain, load, say};
use crate::store::{
    Store,
    calendar::{Conflict, Loaded},
};

pub(super) async fn run(path: Option<&Path>) -> u8 {
    let config = match load(path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let migrated = async {
        let store = Store::new(&config.database_url, config.connections_max)?;
        let before = store.schema_versions().await?.0;
        store.migrate().await?;
        let (after, known) = store.schema_versions().await?;
        let loaded = store.load_calendar(&config.calendar).await?;
        store.close().await;
        Ok::<_, crate::store::Error>((before, after, known, loaded))
    };
    match migrated.await {
        Ok((_, after, known, loaded)) if after > known => {
            say(&format!(
                "the schema is at version {after}; this program knows {known} and leaves it as it is: one \
                 version apart works on"
            ));
            tell_calendar(loaded)
        }
        Ok((before, after, _, loaded)) => {
            if before == after {
                say(&format!("the schema is at version {after} already"));
            } else {
                say(&format!("the schema went from version {before} to {after}"));
            }
            tell_calendar(loaded)
        }
        Err(error) => {
            complain(&error);
            FAILED
        }
    }
}

fn tell_calendar(loaded: Result<Loaded, Conflict>) -> u8 {
    let Loaded { written, newer } = match loaded {
        Ok(loaded) => loaded,
        Err(conflict) => {
            complain(&conflict);
            return FAILED;
        }
    };
    if !written.is_empty() {
        say(&format!("years of the business calendar that were written: {written:?}"));
    }
    for (year, there, here) in newer {
        say(&format!(
            "the calendar of {year} stays at revision {there}; this program has revision {here}"
        ));
    }
    DONE
}
