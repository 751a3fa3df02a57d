//! How fast each worker works: counters of every hub, looked at all the time.
//!
//! *Guarantee*: a worker is back at the moment from which it admitted, over [`WINDOW`], at least
//! [`FULL`] of what it admitted before. A counter that began again (another process) or that could not
//! be read counts as no work.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;
use workers::demo::stage::{Http, Stage};

/// Between two looks.
pub const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A rate is measured over this.
pub const WINDOW: Duration = Duration::from_secs(2);
/// The part of the rate before that counts as full.
pub const FULL: f64 = 0.9;
/// Looks that are kept: a quarter of an hour.
const LOOKS_MAX: usize = 3_600;
/// One page of metrics; a hub whose database is away takes longer.
const PAGE_WAIT_MAX: Duration = Duration::from_secs(1);

/// The counters of one hub.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counters {
    /// Messages decided.
    pub admitted: f64,
    /// Jobs taken from the dead.
    pub rescued: f64,
    /// Results of lost runs.
    pub fenced: f64,
    /// Calls under way.
    pub in_flight: f64,
}

/// One look at all hubs; `None` where a hub did not answer.
type Look = (Instant, Vec<Option<Counters>>);

/// Looks at the hubs until it is dropped.
#[derive(Debug)]
pub struct Sampler {
    looks: Arc<Mutex<VecDeque<Look>>>,
    task: JoinHandle<()>,
}

impl Sampler {
    /// Begins to look.
    pub fn start(stage: &Stage) -> Self {
        let looks: Arc<Mutex<VecDeque<Look>>> = Arc::default();
        let url = |hub| format!("http://{}/metrics", stage.addresses(hub).admin);
        let urls: Vec<String> = (0..stage.hubs.len()).map(url).collect();
        let (http, kept) = (stage.http().clone(), looks.clone());
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let at = Instant::now();
                let pages = urls.iter().map(|url| read(&http, url));
                let counters = futures_util::future::join_all(pages).await;
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() == LOOKS_MAX {
                    kept.pop_front();
                }
                kept.push_back((at, counters));
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
        let from = looks.iter().rposition(|look| looks[last].0 - look.0 >= WINDOW).unwrap_or(0);
        let hubs = looks[last].1.len();
        (0..hubs).map(|hub| rate(&looks[from], &looks[last], hub)).collect()
    }

    /// Calls under way at the last look, at all hubs that answered.
    pub fn in_flight(&self) -> f64 {
        let looks = self.looks();
        let last = looks.back().map(|look| look.1.clone()).unwrap_or_default();
        last.iter().flatten().map(|counters| counters.in_flight).sum()
    }

    /// How much a counter has grown since an instant, at all hubs, whatever process they were.
    pub fn grown(&self, since: Instant, counter: impl Fn(&Counters) -> f64) -> f64 {
        let looks = self.looks();
        let hubs = looks.back().map_or(0, |look| look.1.len());
        let mut grown = 0.0;
        for hub in 0..hubs {
            let mut last = None;
            for (at, counters) in looks.iter() {
                let Some(value) = counters[hub].as_ref().map(&counter) else { continue };
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

    /// The moment after `since` from which every hub worked at its share of `before`, if that moment
    /// has come.
    pub fn back_at(&self, since: Instant, before: &[f64]) -> Option<Instant> {
        let looks = self.looks();
        for (at, from) in looks.iter().enumerate().filter(|(_, look)| look.0 >= since) {
            let to = looks.iter().skip(at).find(|look| look.0 - from.0 >= WINDOW)?;
            let full = |hub: usize| rate(from, to, hub) >= before[hub] * FULL;
            if (0..before.len()).all(full) {
                return Some(from.0);
            }
        }
        None
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn rate(from: &Look, to: &Look, hub: usize) -> f64 {
    let seconds = (to.0 - from.0).as_secs_f64();
    match (from.1[hub], to.1[hub]) {
        (Some(a), Some(b)) if b.admitted >= a.admitted && seconds > 0.0 => {
            (b.admitted - a.admitted) / seconds
        }
        _ => 0.0,
    }
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
        rescued: sum("hub_jobs_rescued_total"),
        fenced: sum("hub_results_fenced_total"),
        in_flight: sum("hub_calls_in_flight"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(looks: Vec<(u64, Vec<Option<f64>>)>, start: Instant) -> Sampler {
        let look = |(ms, hubs): (u64, Vec<Option<f64>>)| {
            let counters = |admitted| Counters { admitted, ..Counters::default() };
            let hubs = hubs.into_iter().map(|hub| hub.map(counters)).collect();
            (start + Duration::from_millis(ms), hubs)
        };
        let looks = Arc::new(Mutex::new(looks.into_iter().map(look).collect()));
        Sampler { looks, task: tokio::spawn(async {}) }
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
        let back = seen.back_at(start, &[10.0, 10.0]);
        assert_eq!(back, Some(start + Duration::from_secs(4)));
        assert_eq!(seen.back_at(start, &[10.0, 20.0]), None);
        let half = seen.rates();
        assert_eq!(half, [10.0, 10.0]);
    }

    #[tokio::test]
    async fn a_counter_that_begins_again_is_another_process() {
        let start = Instant::now();
        let looks =
            vec![(0, vec![Some(100.0)]), (2_000, vec![Some(5.0)]), (4_000, vec![Some(25.0)])];
        let seen = sampler(looks, start);
        assert_eq!(seen.back_at(start, &[10.0]), Some(start + Duration::from_secs(2)));
        assert!(
            (seen.grown(start, |c| c.admitted) - 25.0).abs() < 0.1,
            "5 and 20 after the 100 of before"
        );
    }
}
