//! Jobs at an even rate, each with the moment at which it was due.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use contracts::number::Iin;
use tokio::task::JoinHandle;
use uuid::Uuid;
use workers::{
    chance::Chance,
    clock::real_now,
    demo::cast::{self, Part},
};

use super::{COMMAND_ONE_IN, Spread};
use crate::{
    Error, Outcome,
    portal::{Letter, Portal},
    world::World,
};

/// Between two rounds of publishing.
const ROUND: Duration = Duration::from_millis(20);
/// The numbers of the persons begin here; the cast's end below.
const PERSONS_FROM: u32 = 150_000;
/// Persons who are asked about.
const PERSONS: usize = 8_000;

/// The load; it goes on until [`Load::end`].
#[derive(Debug)]
pub struct Load {
    ended: Arc<AtomicBool>,
    task: JoinHandle<Vec<(Instant, Part)>>,
}

/// What was published.
#[derive(Debug)]
pub struct Jobs(Vec<Job>);

#[derive(Debug)]
struct Job {
    due: Instant,
    id: Uuid,
    is_query: bool,
}

impl Load {
    /// Begins at once.
    pub fn start(world: &World, rate: u32) -> Self {
        let chance = Chance::seeded(world.chance.below(u64::MAX));
        let ended = Arc::<AtomicBool>::default();
        let first = world.parts.len();
        let task = tokio::spawn(publish(world.portal.clone(), chance, first, rate, ended.clone()));
        Self { ended, task }
    }

    /// Publishes no more; what was published is confirmed, and a part of the world's cast, when this
    /// returns.
    pub async fn end(self, world: &mut World, wait_max: Duration) -> Outcome<Jobs> {
        self.ended.store(true, Ordering::Relaxed);
        let late = |_| Error::Late(wait_max, "the broker confirms every message".into());
        let published = tokio::time::timeout(wait_max, self.task).await.map_err(late)?;
        let published = published.map_err(|error| Error::Told(error.to_string()))?;
        let job = |(due, part): &(Instant, Part)| {
            let is_query = part.operation == "gbdfl.person";
            Some(Job { due: *due, id: part.id?, is_query })
        };
        let jobs = Jobs(published.iter().filter_map(job).collect());
        world.parts.extend(published.into_iter().map(|(_, part)| part));
        Ok(jobs)
    }
}

impl Jobs {
    /// How many.
    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// The latencies of the queries that were due between two moments.
    pub fn spread(&self, portal: &Portal, from: Instant, to: Instant) -> Spread {
        let due = self.0.iter().filter(|job| job.is_query && job.due >= from && job.due < to);
        Spread::of(due.filter_map(|job| Some(portal.ended_at(job.id)? - job.due)).collect())
    }
}

async fn publish(
    portal: Portal,
    chance: Chance,
    first: usize,
    rate: u32,
    ended: Arc<AtomicBool>,
) -> Vec<(Instant, Part)> {
    let gap = Duration::from_secs(1) / rate.max(1);
    let mut published: Vec<(Instant, Part)> = Vec::new();
    let (mut line, mut due) = (None, Instant::now());
    while !ended.load(Ordering::Relaxed) {
        let before = published.len();
        // What a round that took long has kept waiting was due all the same.
        while due <= Instant::now() {
            published.push((due, part(&chance, published.len())));
            due += gap;
        }
        let round = published[before..].iter().enumerate();
        let letters: Vec<Letter<'_>> =
            round.map(|(n, (_, part))| Letter { place: first + before + n, part }).collect();
        portal.publish_on(&mut line, &letters).await;
        tokio::time::sleep(ROUND).await;
    }
    published
}

fn part(chance: &Chance, number: usize) -> Part {
    let serial = u32::try_from(number % PERSONS).unwrap_or(0);
    let iin = Iin::synthetic(PERSONS_FROM + serial);
    if number.is_multiple_of(COMMAND_ONE_IN) {
        cast::check(chance, iin.expose(), &format!("specialist:rolling-{number}"), real_now())
    } else {
        cast::person(chance, iin.expose(), &format!("person:rolling-{number}"), real_now())
    }
}
