//! The manuals' stories: what a person does, what the hub does for them, what the portal shows.
//!
//! Each story publishes its jobs as the portal would, waits for what the hub writes, and ends with one
//! line that the portal would show, in the manuals' words. The line is made from the portal's tables,
//! and compared with what the manual says: a story whose line differs fails the demo.
//!
//! *Business time* moves only while a story waits, so a person may type a code before it expires.

mod message;
mod order;
mod organisation;
mod specialist;
mod supplier;
mod teller;

use serde::Serialize;

pub use self::teller::Teller;
use super::stage::{Error, Stage};

/// How a story went.
#[derive(Debug, Clone, Serialize)]
pub struct Told {
    /// Whose story: `specialist`, `organisation` …
    pub story: &'static str,
    /// Which way it took.
    pub branch: &'static str,
    /// Where the manual tells it.
    pub manual: &'static str,
    /// What the portal shows in the end, made from its tables.
    pub portal_shows: String,
    /// What it must show.
    pub expected: String,
    /// Whether the two are the same.
    pub good: bool,
}

/// Plays every story, one after the other. `say` is told of each as it ends.
pub async fn play(stage: &Stage, mut say: impl FnMut(&Told)) -> Result<Vec<Told>, Error> {
    // The stories show what the manuals promise; how the hub stands faults, the cast has shown.
    stage.order("faults", &serde_json::json!({ "permille": 0 })).await?;
    let teller = Teller::start(stage).await?;
    let mut all = Vec::new();
    let mut tell = |told: Vec<Told>| {
        told.iter().for_each(&mut say);
        all.extend(told);
    };
    tell(specialist::play(&teller).await?);
    tell(organisation::play(&teller).await?);
    tell(supplier::play(&teller).await?);
    tell(order::play(&teller).await?);
    tell(message::play(&teller).await?);
    teller.finish().await;
    Ok(all)
}

/// A story's end.
fn told(
    story: &'static str,
    branch: &'static str,
    manual: &'static str,
    shows: String,
    expected: &str,
) -> Told {
    let good = shows == expected;
    Told { story, branch, manual, portal_shows: shows, expected: expected.to_owned(), good }
}
