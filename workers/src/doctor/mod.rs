//! `hub doctor`: what the hub depends on, each with a light, the reason and what to do.
//!
//! ```text
//! settings · calendar · disk · broker · database · hub · destinations · callbacks     one file each
//!     each: look (bounded, all at once) → facts → pure decision → finding
//! ```
//!
//! *Guarantee*: it changes nothing and sends no business request. Every area, and every destination,
//! has a deadline of its own: one that hangs hides nothing, and what it told before stays. A report
//! holds no secret and nothing of a person: its words are made from names, counts and codes, never
//! from a message of a server or from a row's content.
//!
//! *Limits*: the broker cannot be asked for its time, its disk or all rights of a user over AMQP; the
//! clock of the database is known to half a round trip. The certificate inside the PKCS#12 of a signer is
//! not read: NCANode tells of it.

mod broker;
mod calendar;
mod callbacks;
mod database;
mod destinations;
mod disk;
pub mod expiry;
mod finding;
mod hub;
mod reach;
mod settings;

use std::{path::PathBuf, time::Duration};

use futures_util::{FutureExt, future::join_all};
use jiff::Timestamp;

pub use self::finding::{Area, Finding, Findings, Light, Report, Verdict};
use crate::config::Examined;

/// What is looked at.
#[derive(Debug)]
pub struct Subject {
    /// The settings, faults and all.
    pub settings: Examined,
    /// Where they stand.
    pub settings_file: Option<PathBuf>,
    /// Real time.
    pub now: Timestamp,
    /// One look ends within this.
    pub limit: Duration,
}

/// Looks at these areas, all at once.
pub async fn examine(subject: &Subject, areas: &[Area]) -> Report {
    let looks = areas.iter().map(|area| match area {
        Area::Settings => {
            bounded(subject, *area, async |f| settings::look(subject, f)).boxed_local()
        }
        Area::Calendar => {
            bounded(subject, *area, async |f| calendar::look(subject, f)).boxed_local()
        }
        Area::Disk => bounded(subject, *area, async |f| disk::look(f)).boxed_local(),
        Area::Broker => {
            bounded(subject, *area, async |f| broker::look(subject, f).await).boxed_local()
        }
        Area::Database => {
            bounded(subject, *area, async |f| database::look(subject, f).await).boxed_local()
        }
        Area::Hub => bounded(subject, *area, async |f| hub::look(subject, f).await).boxed_local(),
        Area::Destinations => destinations::look(subject).boxed_local(),
        Area::Callbacks => callbacks::look(subject).boxed_local(),
    });
    let findings = join_all(looks).await.into_iter().flatten().collect();
    Report::new(crate::build::BUILD.to_owned(), subject.now, findings)
}

/// One look with its deadline; what was found before it stays.
async fn bounded(
    subject: &Subject,
    area: Area,
    look: impl AsyncFnOnce(&mut Findings),
) -> Vec<Finding> {
    bounded_about(subject, area, None, look).await
}

/// The same, about one of several.
async fn bounded_about(
    subject: &Subject,
    area: Area,
    about: Option<&str>,
    look: impl AsyncFnOnce(&mut Findings),
) -> Vec<Finding> {
    let mut findings = Findings::new(area);
    if tokio::time::timeout(subject.limit, look(&mut findings)).await.is_err() {
        let found = format!("no answer within {} s", subject.limit.as_secs_f64());
        let mend = "It took the connection and says nothing, or packets are dropped on the way: look \
                    at firewalls and at its own log; --timeout waits longer";
        findings.add_about("deadline", about, Verdict::fail(found, mend));
    }
    findings.into_vec()
}
