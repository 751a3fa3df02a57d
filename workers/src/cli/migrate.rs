//! `hub migrate`: brings the schema up to date.

use std::path::Path;

use super::{DONE, FAILED, complain, load, say};
use crate::store::Store;

pub(super) async fn run(path: Option<&Path>) -> u8 {
    let config = match load(path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let migrated = async {
        let store = Store::new(&config.database_url, config.connections_max)?;
        let before = store.schema_versions().await?.0;
        store.migrate().await?;
        let after = store.schema_versions().await?.0;
        store.close().await;
        Ok::<_, crate::store::Error>((before, after))
    };
    match migrated.await {
        Ok((before, after)) if before == after => {
            say(&format!("the schema is at version {after} already"));
            DONE
        }
        Ok((before, after)) => {
            say(&format!("the schema went from version {before} to {after}"));
            DONE
        }
        Err(error) => {
            complain(&error);
            FAILED
        }
    }
}
