//! How fast each worker works: counters of every hub, looked at all the time.
//!
//! *Guarantee*: the workers are back at the moment from which, over [`WINDOW`],
//!
//! - each admitted at least [`FULL`] of what it admitted before,
//! - each recorded the end of a job, and all together [`MOST`] of what they recorded over [`CALM`] before
//!   (some jobs wait for business time, which stands still), and at least [`ENDED_MIN`] of what is published,
//! - the portal heard [`MOST`] of the events that it heard before, and at least [`HEARD_MIN`] for each message
//!   that it publishes.
//!
//! What was caught up before the fault is no measure: a baseline is at most [`ENDED_MAX`] and [`HEARD_MAX`] of
//! what is published.
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
/// Ends and events before a fault are counted over this.
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

/// What was done in a second, before a fault.
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

    /// What is done now, where each hub has this share of what is published. Making up for what was
    /// owed is more than that, and no measure for what comes after.
    pub fn baseline(&self, share: f64) -> Baseline {
        let admitted: Vec<f64> = self.rates().iter().map(|rate| rate.min(share)).collect();
        let published: f64 = admitted.iter().map(|_| share).sum();
        let looks = self.looks();
        let calm = looks.back().and_then(|last| {
            let from = looks.iter().rfind(|look| last.at - look.at >= CALM)?;
            let ended = (0..last.hubs.len()).map(|hub| rate(from, last, hub, ENDED)).sum();
            Some((ended, heard(from, last)))
        });
        // Where there was no calm yet, the least counts.
        let (ended, heard) = calm.unwrap_or((0.0_f64, 0.0_f64));
        let ended = ended.min(published * ENDED_MAX);
        let heard = heard.min(published * HEARD_MAX);
        Baseline { admitted, published, ended, heard }
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

    /// The moment after `since` from which everybody worked as before, if that moment has come.
    pub fn back_at(&self, since: Instant, before: &Baseline) -> Option<Instant> {
        let looks = self.looks();
        for (at, from) in looks.iter().enumerate().filter(|(_, look)| look.at >= since) {
            let to = looks.iter().skip(at).find(|look| look.at - from.at >= WINDOW)?;
            if before.is_reached(from, to) {
                return Some(from.at);
            }
        }
        None
    }
}

impl Baseline {
    fn is_reached(&self, from: &Look, to: &Look) -> bool {
        let hubs = 0..self.admitted.len();
        let ended: Vec<f64> = hubs.clone().map(|hub| rate(from, to, hub, ENDED)).collect();
        let ended_min = (self.published * ENDED_MIN).max(self.ended * MOST);
        let heard_min = (self.published * HEARD_MIN).max(self.heard * MOST);
        hubs.clone().all(|hub| rate(from, to, hub, ADMITTED) >= self.admitted[hub] * FULL)
            && ended.iter().all(|ended| *ended > 0.0)
            && ended.iter().sum::<f64>() >= ended_min
            && heard(from, to) >= heard_min
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
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
mod tests {
    use super::*;

    /// Looks of hubs that record two of three jobs that they admit; of each job two events are heard.
    fn sampler(looks: Vec<(u64, Vec<Option<f64>>)>, start: Instant) -> Sampler {
        let look = |(ms, hubs): (u64, Vec<Option<f64>>)| {
            let admitted: f64 = hubs.iter().flatten().sum();
            let counters =
                |admitted| Counters { admitted, ended: admitted / 1.5, ..Counters::default() };
            let hubs = hubs.into_iter().map(|hub| hub.map(counters)).collect();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
            let heard = (2.0 * admitted) as usize;
            Look { at: start + Duration::from_millis(ms), hubs, heard }
        };
        let looks = Arc::new(Mutex::new(looks.into_iter().map(look).collect()));
        Sampler { looks, task: tokio::spawn(async {}) }
    }

    fn before(admitted: &[f64]) -> Baseline {
        let published: f64 = admitted.iter().sum();
        let (ended, heard) = (published / 1.5, published * 2.0);
        Baseline { admitted: admitted.to_vec(), published, ended, heard }
    }

    #[tokio::test]
    async fn a_worker_is_back_when_its_window_is_full_and_not_when_the_other_is() {
        let start = Instant::now();
        let looks = vec![
            (0, vec![Some(0.0), None]),
            (2_000, vec![Some(20.0), Some(0.0)]),
            (4_000, vec![Some(40.0), Some(5.0)]),
            (6_000, vec![Some(60.0), Some(25.0)]),
        ];
        let seen = sampler(looks, start);
        let back = seen.back_at(start, &before(&[10.0, 10.0]));
        assert_eq!(back, Some(start + Duration::from_secs(4)));
        assert_eq!(seen.back_at(start, &before(&[10.0, 20.0])), None);
        assert_eq!(seen.rates(), [10.0, 10.0]);
    }

    #[tokio::test]
    async fn who_admits_and_records_nothing_is_not_back() {
        let start = Instant::now();
        let seen = sampler(vec![(0, vec![Some(0.0)]), (2_000, vec![Some(20.0)])], start);
        assert_eq!(seen.back_at(start, &before(&[10.0])), Some(start));
        seen.looks()[1].hubs[0].as_mut().expect("it answered").ended = 0.0;
        assert_eq!(seen.back_at(start, &before(&[10.0])), None);
    }

    #[tokio::test]
    async fn who_records_and_tells_nobody_is_not_back() {
        let start = Instant::now();
        let seen = sampler(vec![(0, vec![Some(0.0)]), (2_000, vec![Some(20.0)])], start);
        for heard in [0, 20] {
            seen.looks()[1].heard = heard;
            assert_eq!(seen.back_at(start, &before(&[10.0])), None, "{heard} of 40");
        }
        seen.looks()[1].heard = 30;
        assert_eq!(seen.back_at(start, &before(&[10.0])), Some(start));
    }

    #[tokio::test]
    async fn a_counter_that_begins_again_is_another_process() {
        let start = Instant::now();
        let looks =
            vec![(0, vec![Some(100.0)]), (2_000, vec![Some(5.0)]), (4_000, vec![Some(25.0)])];
        let seen = sampler(looks, start);
        let grown = seen.grown(start, |c| c.admitted);
        assert!((grown - 25.0).abs() < 0.1, "5 and 20 after the 100 of before, not {grown}");
        let back = seen.back_at(start, &before(&[10.0]));
        assert_eq!(back, Some(start + Duration::from_secs(2)));
    }
}
