//! How fast each worker works: counters of every hub, looked at all the time.
//!
//! *Guarantee*: the workers are back at the moment from which, over [`WINDOW`],
//!
//! - each admitted at least [`FULL`] of what it admitted in calm,
//! - all together recorded [`MOST`] of the ends that they recorded in calm (some jobs wait for business time,
//!   which stands still), and at least [`ENDED_MIN`] of what is published, and each [`SHARE`] of its part of
//!   that,
//! - the portal heard [`MOST`] of the events that it heard in calm, and at least [`HEARD_MIN`] for each message
//!   that it publishes,
//! - and no later window has less than [`HELD`] of each of these: what catches up in a burst and then stands
//!   still is not back.
//!
//! Calm is [`CALM`] at the beginning of a round, before its first fault: what was caught up after one is no
//! measure. A baseline is at most [`ENDED_MAX`] and [`HEARD_MAX`] of what is published.
//!
//! A counter that began again (another process) or that could not be read counts as no work.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;
use workers::demo::stage::{Http, Stage};

use crate::portal::Portal;

/// Between two looks.
pub const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A rate is measured over this.
pub const WINDOW: Duration = Duration::from_secs(2);
/// The part of the rate before that counts as full.
pub const FULL: f64 = 0.9;
/// The part of ends and events before that counts as full: in two seconds they are few, and vary.
pub const MOST: f64 = 0.7;
/// The part of an equal share of these ends that each hub records: who ends a job is drawn.
pub const SHARE: f64 = 0.25;
/// The part of all this that every later window has. Of 20 messages a second 15 end: that of 30 ends in
/// two seconds 10 are left by chance happens less than once in ten thousand windows.
pub const HELD: f64 = 0.5;
/// What is full is measured over this, once a round.
pub const CALM: Duration = Duration::from_secs(8);
/// Ends that are recorded, of what is published. In a calm campaign it is about three quarters.
pub const ENDED_MIN: f64 = 0.4;
/// The most that a baseline demands of them.
pub const ENDED_MAX: f64 = 0.75;
/// Events that are heard, of what is published. In a calm campaign there are more than two a message.
pub const HEARD_MIN: f64 = 0.9;
/// The most that a baseline demands of them.
pub const HEARD_MAX: f64 = 2.0;
/// Looks that are kept: a quarter of an hour.
const LOOKS_MAX: usize = 3_600;
/// One page of metrics; a hub whose database is away takes longer.
const PAGE_WAIT_MAX: Duration = Duration::from_secs(1);

/// The counters of one hub.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counters {
    /// Messages decided.
    pub admitted: f64,
    /// Jobs whose end was recorded.
    pub ended: f64,
    /// Jobs taken from the dead.
    pub rescued: f64,
    /// Results of lost runs.
    pub fenced: f64,
    /// Calls under way.
    pub in_flight: f64,
}

/// One look at everybody.
#[derive(Debug)]
struct Look {
    at: Instant,
    /// `None` where a hub did not answer.
    hubs: Vec<Option<Counters>>,
    /// Events that the portal has heard.
    heard: usize,
}

/// What was done in a second of a round, before its first fault.
#[derive(Debug, Clone)]
pub struct Baseline {
    /// Messages decided by each hub.
    pub admitted: Vec<f64>,
    /// Messages that the portal publishes.
    pub published: f64,
    /// Ends that all recorded.
    pub ended: f64,
    /// Events that the portal heard.
    pub heard: f64,
}

/// Looks at the hubs until it is dropped.
#[derive(Debug)]
pub struct Sampler {
    looks: Arc<Mutex<VecDeque<Look>>>,
    task: JoinHandle<()>,
}

impl Sampler {
    /// Begins to look.
    pub fn start(stage: &Stage, portal: &Portal) -> Self {
        let looks: Arc<Mutex<VecDeque<Look>>> = Arc::default();
        let url = |hub| format!("http://{}/metrics", stage.addresses(hub).admin);
        let urls: Vec<String> = (0..stage.hubs.len()).map(url).collect();
        let (http, kept, portal) = (stage.http().clone(), looks.clone(), portal.clone());
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let at = Instant::now();
                let pages = urls.iter().map(|url| read(&http, url));
                let hubs = futures_util::future::join_all(pages).await;
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() == LOOKS_MAX {
                    kept.pop_front();
                }
                kept.push_back(Look { at, hubs, heard: portal.events() });
            }
        });
        Self { looks, task }
    }

    fn looks(&self) -> MutexGuard<'_, VecDeque<Look>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Messages a second that each hub admitted over the last [`WINDOW`].
    pub fn rates(&self) -> Vec<f64> {
        let looks = self.looks();
        let Some(last) = looks.len().checked_sub(1) else { return Vec::new() };
        let from = looks.iter().rposition(|look| looks[last].at - look.at >= WINDOW).unwrap_or(0);
        let hubs = looks[last].hubs.len();
        (0..hubs).map(|hub| rate(&looks[from], &looks[last], hub, ADMITTED)).collect()
    }

    /// What was done over the last [`CALM`], where each hub has this share of what is published. Making
    /// up for what was owed is more than that, and no measure for what comes after. `None`: nobody has
    /// looked for so long.
    pub fn baseline(&self, share: f64) -> Option<Baseline> {
        let looks = self.looks();
        let last = looks.back()?;
        let from = looks.iter().rfind(|look| last.at - look.at >= CALM)?;
        let hubs = 0..last.hubs.len();
        let each = |counter: Counter| hubs.clone().map(move |hub| rate(from, last, hub, counter));
        let admitted: Vec<f64> = each(ADMITTED).map(|rate| rate.min(share)).collect();
        let published: f64 = admitted.iter().map(|_| share).sum();
        let ended = each(ENDED).sum::<f64>().min(published * ENDED_MAX);
        let heard = heard(from, last).min(published * HEARD_MAX);
        Some(Baseline { admitted, published, ended, heard })
    }

    /// Calls under way at the last look, at all hubs that answered.
    pub fn in_flight(&self) -> f64 {
        let looks = self.looks();
        let last = looks.back().map(|look| look.hubs.clone()).unwrap_or_default();
        last.iter().flatten().map(|counters| counters.in_flight).sum()
    }

    /// How much a counter has grown since an instant, at all hubs, whatever process they were.
    pub fn grown(&self, since: Instant, counter: impl Fn(&Counters) -> f64) -> f64 {
        let looks = self.looks();
        let hubs = looks.back().map_or(0, |look| look.hubs.len());
        let mut grown = 0.0;
        for hub in 0..hubs {
            let mut last = None;
            for Look { at, hubs, .. } in looks.iter() {
                let Some(value) = hubs[hub].as_ref().map(&counter) else { continue };
                let before = last.replace(value);
                if *at >= since {
                    grown += match before {
                        Some(before) if value >= before => value - before,
                        // A counter that is smaller than before is that of another process.
                        Some(_) => value,
                        None => 0.0,
                    };
                }
            }
        }
        grown
    }

    /// A line a second since an instant: what each hub admitted, recorded and what the portal heard.
    pub fn seconds(&self, since: Instant) -> Vec<String> {
        let looks = self.looks();
        let mut lines = Vec::new();
        let mut from: Option<&Look> = None;
        for look in looks.iter().filter(|look| look.at >= since) {
            let Some(start) = from else {
                from = Some(look);
                continue;
            };
            if look.at - start.at < Duration::from_secs(1) {
                continue;
            }
            let each = |counter: Counter| -> Vec<i64> {
                let hubs = 0..look.hubs.len();
                #[expect(clippy::cast_possible_truncation, reason = "a rate of jobs")]
                hubs.map(|hub| rate(start, look, hub, counter).round() as i64).collect()
            };
            lines.push(format!(
                "+{:>4.1} s  admitted {:?}  recorded {:?}  heard {}",
                (look.at - since).as_secs_f64(),
                each(ADMITTED),
                each(ENDED),
                look.heard.saturating_sub(start.heard)
            ));
            from = Some(look);
        }
        lines
    }

    /// The moment after `since` from which everybody worked as in calm until now, if that moment has
    /// come.
    pub fn back_at(&self, since: Instant, calm: &Baseline) -> Option<Instant> {
        let looks = self.looks();
        let mut back = None;
        for (at, from) in looks.iter().enumerate().filter(|(_, look)| look.at >= since) {
            let Some(to) = window(&looks, at) else { continue };
            if !calm.is_reached(from, to, HELD) {
                back = None;
            } else if back.is_none() && calm.is_reached(from, to, 1.0) {
                back = Some(from.at);
            }
        }
        back
    }
}

impl Baseline {
    /// Whether a window has this part of what is full.
    fn is_reached(&self, from: &Look, to: &Look, part: f64) -> bool {
        let hubs = 0..self.admitted.len();
        let ended: Vec<f64> = hubs.clone().map(|hub| rate(from, to, hub, ENDED)).collect();
        let ended_min = (self.published * ENDED_MIN).max(self.ended * MOST) * part;
        let heard_min = (self.published * HEARD_MIN).max(self.heard * MOST) * part;
        #[expect(clippy::cast_precision_loss, reason = "a few hubs")]
        let each_min = ended_min / ended.len().max(1) as f64 * SHARE;
        hubs.clone().all(|hub| rate(from, to, hub, ADMITTED) >= self.admitted[hub] * FULL * part)
            && ended.iter().all(|ended| *ended > 0.0 && *ended >= each_min)
            && ended.iter().sum::<f64>() >= ended_min
            && heard(from, to) >= heard_min
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where the window ends that begins with this look; `None` where that is not seen yet, or where it
/// cannot be measured from here. A hub that does not answer one look has its window end with the next;
/// who is silent for another [`WINDOW`] has done nothing.
fn window(looks: &VecDeque<Look>, at: usize) -> Option<&Look> {
    let is_whole = |look: &Look| look.hubs.iter().all(Option::is_some);
    let from = looks.get(at).filter(|look| is_whole(look))?;
    let mut later = looks.iter().skip(at).filter(|look| look.at - from.at >= WINDOW);
    later.find(|look| is_whole(look) || look.at - from.at >= 2 * WINDOW)
}

type Counter = fn(&Counters) -> f64;
const ADMITTED: Counter = |counters| counters.admitted;
const ENDED: Counter = |counters| counters.ended;

fn rate(from: &Look, to: &Look, hub: usize, counter: Counter) -> f64 {
    let seconds = (to.at - from.at).as_secs_f64();
    let counts = |look: &Look| look.hubs[hub].as_ref().map(counter);
    match (counts(from), counts(to)) {
        (Some(a), Some(b)) if b >= a && seconds > 0.0 => (b - a) / seconds,
        _ => 0.0,
    }
}

/// Events a second.
fn heard(from: &Look, to: &Look) -> f64 {
    let events = u32::try_from(to.heard.saturating_sub(from.heard)).unwrap_or(u32::MAX);
    f64::from(events) / (to.at - from.at).as_secs_f64()
}

async fn read(http: &Http, url: &str) -> Option<Counters> {
    let page = async { http.get(url).send().await.ok()?.text().await.ok() };
    let page = tokio::time::timeout(PAGE_WAIT_MAX, page).await.ok()??;
    let sum = |name: &str| -> f64 {
        let lines = page.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
        });
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    Some(Counters {
        admitted: sum("hub_jobs_admitted_total"),
        ended: sum("hub_job_duration_seconds_count"),
        rescued: sum("hub_jobs_rescued_total"),
        fenced: sum("hub_results_fenced_total"),
        in_flight: sum("hub_calls_in_flight"),
    })
}

#[cfg(test)]
mod tests;
