//! `hub contracts replay`: cases against a live system.
//!
//! Ctrl-C ends the run with a report of what was replayed so far, and exit code 1.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use adapters::{
    replay::live::{Address, Live, Options, Orders, Peer, Replayed},
    systems,
};
use contracts::case::Found;
use futures_util::{StreamExt, stream};
use indicatif::ProgressBar;

use super::{
    super::{DONE, FAILED, WRONG_USE, complain, say},
    Which, html, junit, progress, stands,
    style::Style,
    summary::Run,
    timings::{Timings, Tolerance},
};
use crate::{chance::Chance, clock};

/// What to send where, and how to tell.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("where").required(true).args(["target", "stands"])))]
pub(in crate::cli) struct Replay {
    #[command(flatten)]
    which: Which,
    /// One address below which every system has its own path, as `hub simulate` does:
    /// http://127.0.0.1:8090
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    /// A file that names the address and the credentials of each system (contracts/README.md).
    #[arg(long, value_name = "FILE")]
    stands: Option<PathBuf>,
    /// Send commands too: they issue labels, send text messages, begin checks.
    #[arg(long)]
    allow_commands: bool,
    /// Send the files of the cases, with a fresh number and date, instead of what the adapter
    /// writes.
    #[arg(long)]
    as_recorded: bool,
    /// Treat a simulator as a stand: order nothing from it.
    #[arg(long)]
    as_stand: bool,
    /// Requests to one system in a second, at most. [default: 5; no limit at a simulator]
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// Cases at once.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    parallel: u16,
    /// Time limit of one call, in seconds; the operation's own where absent.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: Option<u64>,
    /// Compare times with this baseline.
    #[arg(long, value_name = "FILE")]
    timings: Option<PathBuf>,
    /// Write the times of this run as a baseline.
    #[arg(long, value_name = "FILE")]
    save_timings: Option<PathBuf>,
    /// Slower is: more than so many times the baseline …
    #[arg(long, value_name = "N", default_value_t = 3.0, value_parser = factor)]
    slower_factor: f64,
    /// … and so many milliseconds more, at least.
    #[arg(long, value_name = "MS", default_value_t = 300)]
    slower_floor_ms: u64,
    /// Write a report as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write a report as one self-contained page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Show all values in the page. They may be personal: do not mail it.
    #[arg(long, requires = "html")]
    show_values: bool,
    /// Tell as JSON.
    #[arg(long)]
    json: bool,
}

/// Requests to one system of a stand in a second, where nobody says otherwise.
const RATE: f64 = 5.0;

/// The exit code, either way.
pub(super) async fn run(replay: Replay) -> Result<u8, u8> {
    let engine = replay.which.open()?;
    let chosen = replay.which.choose(&engine)?;
    let wrong = |text: String| {
        complain(&text);
        WRONG_USE
    };
    let baseline = replay.timings.as_deref().map(Timings::read).transpose().map_err(wrong)?;
    let (target, peers) = replay.peers().await?;
    let live = Live::new(&engine, replay.options(), peers);
    let bar = progress(chosen.len(), replay.json);
    let (started, clock) = (clock::real_now(), Instant::now());
    let mut cases = replay_all(&live, &chosen, &replay, &bar).await;
    bar.finish_and_clear();
    if let Some(baseline) = &baseline {
        let floor = Duration::from_millis(replay.slower_floor_ms);
        let tolerance = Tolerance { factor: replay.slower_factor, floor };
        for one in &mut cases {
            baseline.judge(one, tolerance);
        }
    }
    let run = Run { target, started, took: clock.elapsed(), cases, chosen: chosen.len() };
    if replay.json {
        say(&run.as_json());
    } else {
        say(&run.as_text(&Style::of_stdout()));
    }
    replay.write(&run, baseline)?;
    Ok(if run.is_good() { DONE } else { FAILED })
}

/// Replays until done or stopped.
async fn replay_all(
    live: &Live<'_>,
    chosen: &[&Found],
    replay: &Replay,
    bar: &ProgressBar,
) -> Vec<Replayed> {
    let all = stream::iter(chosen.iter().map(|found| live.replay(found)));
    let mut running = all.buffer_unordered(usize::from(replay.parallel));
    let mut stopped = std::pin::pin!(tokio::signal::ctrl_c());
    let mut done = Vec::new();
    loop {
        tokio::select! {
            next = running.next() => match next {
                Some(one) => {
                    bar.inc(1);
                    done.push(one);
                }
                None => break,
            },
            _ = &mut stopped => break,
        }
    }
    done.sort_by(|one, other| (&one.system, &one.case).cmp(&(&other.system, &other.case)));
    done
}

impl Replay {
    fn options(&self) -> Options {
        Options {
            run: Chance::from_entropy().uuid(),
            now: Box::new(clock::real_now),
            allows_commands: self.allow_commands,
            as_recorded: self.as_recorded,
            time_limit: self.timeout.map(Duration::from_secs),
        }
    }

    /// Where systems are asked, and its name in reports.
    async fn peers(&self) -> Result<(String, BTreeMap<String, Peer>), u8> {
        if let Some(file) = &self.stands {
            return stands::read(file, self.rate.unwrap_or(RATE)).map_err(|faults| {
                for fault in &faults {
                    complain(fault);
                }
                WRONG_USE
            });
        }
        let target = self.target.as_deref().unwrap_or_default();
        let url = reqwest::Url::parse(target).ok();
        let Some(url) =
            url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        else {
            complain(&"--target: expected a URL such as http://127.0.0.1:8090");
            return Err(WRONG_USE);
        };
        let orders = if self.as_stand { Ok(None) } else { Orders::detect(target).await };
        let orders = orders.map_err(|error| {
            complain(&error);
            WRONG_USE
        })?;
        let orders = orders.map(Arc::new);
        let rate = self.rate.or_else(|| orders.is_none().then_some(RATE));
        let peer = |name: &str| {
            let address = Address::Below(target.to_owned());
            (name.to_owned(), Peer { address, rate, orders: orders.clone() })
        };
        let peers = systems::all().iter().map(|system| peer(system.spec().name)).collect();
        let kind = if orders.is_some() { "simulator" } else { "stand" };
        Ok((format!("{kind} {}", shown(url)), peers))
    }

    /// The files that were asked for.
    fn write(&self, run: &Run, baseline: Option<Timings>) -> Result<(), u8> {
        let write = |file: &Path, text: String| {
            fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
        };
        let mut faults = Vec::new();
        if let Some(file) = &self.junit {
            faults.extend(write(file, junit::write(run)).err());
        }
        if let Some(file) = &self.html {
            faults.extend(write(file, html::write(run, self.show_values)).err());
        }
        if let Some(file) = &self.save_timings {
            faults.extend(Timings::of(&run.cases, baseline).write(file).err());
        }
        for fault in &faults {
            complain(fault);
        }
        if faults.is_empty() { Ok(()) } else { Err(FAILED) }
    }
}

/// An address without what may be secret in it.
fn shown(mut url: reqwest::Url) -> String {
    let is_bare = url.set_username("").is_ok() && url.set_password(None).is_ok();
    url.set_query(None);
    url.set_fragment(None);
    if is_bare { url.to_string() } else { url.host_str().unwrap_or_default().to_owned() }
}

fn rate(text: &str) -> Result<f64, String> {
    between(text, 0.01, 1_000.0)
}

fn factor(text: &str) -> Result<f64, String> {
    between(text, 1.0, 1_000.0)
}

fn between(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    let number = number.filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("expected a number from {least} to {most}"))
}
