//! Relay: from the outbox to the broker. The only place that publishes events.
//!
//! ```text
//! take unsent rows of my partitions (one a job) → publish all → await all confirms → forget them
//! ```
//!
//! *Guarantee*: a row is forgotten after its confirm. A job has at most one unconfirmed event, so the
//! order within a job holds whatever the broker refuses. An event that no queue takes is returned
//! before its confirm; it is kept as unheard and not retried. An event that a full queue refuses is set
//! aside with its job and tried again, while the others go on; the next round after a refusal has a new
//! channel, because a channel whose queue lost its leader refuses all that follows. A reply has one try.
//! Partitions change hands between two rounds, so that nobody publishes what another has under way. A
//! relay without a broker says so, and its partitions go to those that have one.
//!
//! *Limits*: `pipeline.unconfirmed_max` events a round; nothing is held between rounds.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use contracts::{topology::EVENTS_EXCHANGE, trace::TraceContext};
use futures_util::FutureExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    broker::{
        self, Address,
        publisher::{Message, Pending, Published, Publisher},
    },
    fail_point::{self, Point},
    pipeline::Hub,
    policy::pause::Pause,
    store::outbox::{PARTITIONS, Sent, Unsent},
    telemetry::metric::Metric,
};

/// An event that a full queue refused is tried again after this, and its job waits so long.
pub const REFUSED_PAUSE: Duration = Duration::from_secs(5);
/// Between two channels, while events are refused.
pub const RENEW_EVERY: Duration = Duration::from_secs(1);
/// Jobs whose events are set aside; past that the relay waits for the queue to be emptied.
pub const ASIDE_MAX: usize = 10_000;

/// Jobs whose events a queue refused, with the moment of the next try: one subscriber's full queue
/// must not hold up the events of the others.
#[derive(Debug, Default)]
struct Aside {
    jobs: HashMap<i64, Instant>,
    /// Whether something was refused on the channel that is used.
    refused: bool,
    renewed: Option<Instant>,
}

impl Aside {
    fn jobs(&mut self, now: Instant) -> Vec<i64> {
        self.jobs.retain(|_, until| *until > now);
        self.jobs.keys().copied().collect()
    }

    fn set(&mut self, job_seq: i64, now: Instant) -> Result<(), broker::Error> {
        self.refused = true;
        if self.jobs.len() >= ASIDE_MAX {
            return Err(broker::Error::Ended("publish: too many events are refused"));
        }
        self.jobs.insert(job_seq, now + REFUSED_PAUSE);
        Ok(())
    }

    /// Whether the next round needs a new channel: something was refused on this one. A queue that is
    /// full refuses on any channel, so no more than one in [`RENEW_EVERY`].
    fn renews(&mut self, now: Instant) -> bool {
        let due = self.renewed.is_none_or(|last| now - last >= RENEW_EVERY);
        let renews = self.refused && due;
        if renews {
            self.refused = false;
            self.renewed = Some(now);
        }
        renews
    }
}

/// Publishes until cancelled.
pub async fn run(
    hub: Arc<Hub>,
    mut partitions: watch::Receiver<Vec<i16>>,
    stop: CancellationToken,
) {
    let mut pause = Pause::reconnecting(hub.chance.clone());
    let broker = Address::beginning_anywhere(&hub.config.amqp_url, &hub.chance);
    let mut publisher: Option<Publisher> = None;
    hub.publishing.lost();
    loop {
        let ended = tokio::select! {
            () = stop.cancelled() => break,
            ended = publish(&hub, &broker, &mut publisher, &mut partitions, &mut pause) => ended,
        };
        if let Err(error) = ended {
            publisher = None;
            hub.publishing.lost();
            hub.wake.workers.notify_one();
            let wait = pause.next();
            tracing::warn!(%error, wait_ms = wait.as_millis(), "events wait");
            tokio::select! { () = stop.cancelled() => break, () = tokio::time::sleep(wait) => {} }
        }
    }
    if let Some(publisher) = publisher {
        publisher.close().await;
    }
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Broker(#[from] broker::Error),
    #[error(transparent)]
    Store(#[from] crate::store::Error),
}

async fn publish(
    hub: &Hub,
    broker: &Address,
    publisher: &mut Option<Publisher>,
    partitions: &mut watch::Receiver<Vec<i16>>,
    pause: &mut Pause,
) -> Result<(), Error> {
    let connected = if let Some(connected) = publisher.take().filter(Publisher::is_open) {
        connected
    } else {
        let fresh = Publisher::connect(broker, "publish").await?;
        fresh.declare(&hub.systems()).await?;
        fresh
    };
    let connected = publisher.insert(connected);
    let _telling = connected.tell(hub.publishing.clone());
    hub.wake.workers.notify_one();
    let mut aside = Aside::default();
    loop {
        let under_way = hub.relaying.lock().await;
        let mine = partitions.borrow_and_update().clone();
        let most = hub.config.pipeline.unconfirmed_max;
        let waiting = aside.jobs(Instant::now());
        let rows = if mine.is_empty() {
            Vec::new()
        } else {
            hub.store.unsent(&mine, &waiting, most).await?
        };
        if rows.is_empty() {
            drop(under_way);
            pause.reset();
            tokio::select! {
                () = hub.wake.relay.notified() => tell_others(hub, mine.len()).await?,
                () = hub.wake.unsent.notified() => {}
                changed = partitions.changed() => if changed.is_err() { return Ok(()) },
            }
            if !connected.is_open() {
                return Err(broker::Error::Ended("publishing connection").into());
            }
            continue;
        }
        if hub.wake.relay.notified().now_or_never().is_some() {
            tell_others(hub, mine.len()).await?;
        }
        if aside.renews(Instant::now()) {
            connected.renew().await?;
        }
        round(hub, connected, rows, &mut aside).await?;
        pause.reset();
    }
}

/// Events were written here. Unless every partition is ours, some of them are somebody else's to
/// publish: a process hears of them at once, and of those that nobody told it of by its watch.
async fn tell_others(hub: &Hub, mine: usize) -> Result<(), crate::store::Error> {
    if usize::try_from(PARTITIONS).is_ok_and(|all| mine == all) {
        return Ok(());
    }
    hub.store.tell_of_events().await
}

/// Publishes one round and forgets what was confirmed, also where a later publish failed.
async fn round(
    hub: &Hub,
    publisher: &Publisher,
    rows: Vec<Unsent>,
    aside: &mut Aside,
) -> Result<(), Error> {
    let mut jobs = HashSet::new();
    // Rejections of foreign ids belong to no job and need no order among themselves.
    let rows: Vec<Unsent> =
        rows.into_iter().filter(|row| row.job_seq == 0 || jobs.insert(row.job_seq)).collect();
    let mut pending: Vec<Result<Pending, broker::Error>> = Vec::with_capacity(rows.len());
    for row in &rows {
        // The event's own attributes say it, so that headers and event never differ.
        let trace = TraceContext::of_event(&row.body);
        let sent = publisher.publish_within(message(row), trace.as_ref()).await;
        let failed = sent.is_err();
        pending.push(sent);
        if failed {
            break;
        }
    }
    fail_point::reach(Point::AfterPublishBeforeConfirm);
    let mut sent = Vec::with_capacity(rows.len());
    let mut failure = None;
    for (row, pending) in rows.iter().zip(pending) {
        let published = match pending {
            Ok(pending) if failure.is_none() => pending.confirmed().await,
            // One confirm that is late is late enough for all that came after it.
            Ok(pending) => pending.confirmed_already(),
            Err(error) => Err(error),
        };
        match (published, &row.reply) {
            (Ok(_), Some(_)) => note(&mut sent, row, Sent::Done, "reply"),
            // One try, however it ended: a reply that the broker forbids must not come again.
            (Err(error), Some(_)) => {
                note(&mut sent, row, Sent::Done, "failed");
                failure.get_or_insert(error);
            }
            (Ok(Published::Confirmed), None) => note(&mut sent, row, Sent::Done, "confirmed"),
            (Ok(Published::Returned), None) => note(&mut sent, row, Sent::Unheard, "unheard"),
            (Ok(Published::Refused), None) => {
                Metric::Published.count([("result", "failed")]);
                failure = failure.or(aside.set(row.job_seq, Instant::now()).err());
            }
            (Err(error), None) => {
                Metric::Published.count([("result", "failed")]);
                failure.get_or_insert(error);
            }
        }
    }
    fail_point::reach(Point::AfterConfirmBeforeOutboxDelete);
    hub.store.forget_sent(&sent).await?;
    failure.map_or(Ok(()), |error| Err(error.into()))
}

fn note(sent: &mut Vec<((i16, i64), Sent)>, row: &Unsent, how: Sent, result: &'static str) {
    sent.push((row.key, how));
    Metric::Published.count([("result", result)]);
}

fn message(row: &Unsent) -> Message<'_> {
    match &row.reply {
        None => Message {
            exchange: EVENTS_EXCHANGE,
            routing_key: &row.routing_key,
            body: &row.body,
            mandatory: true,
            correlation_id: None,
            message_id: None,
            content_type: contracts::job::CONTENT_TYPE,
        },
        // The default exchange; with `mandatory` a direct reply is returned although delivered.
        Some(reply) => Message {
            exchange: "",
            routing_key: &reply.to,
            body: &row.body,
            mandatory: false,
            correlation_id: reply.correlation_id.as_deref(),
            message_id: None,
            content_type: contracts::job::CONTENT_TYPE,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_brings_one_new_channel_and_not_more_than_one_a_second() {
        let (mut aside, now) = (Aside::default(), Instant::now());
        assert!(!aside.renews(now), "nothing was refused");
        aside.set(1, now).unwrap();
        assert!(aside.renews(now));
        assert!(!aside.renews(now + RENEW_EVERY), "nothing was refused on the new channel");
        aside.set(2, now).unwrap();
        assert!(!aside.renews(now + RENEW_EVERY / 2));
        assert!(aside.renews(now + RENEW_EVERY));
    }

    #[test]
    fn a_job_is_set_aside_until_its_pause_is_over() {
        let (mut aside, now) = (Aside::default(), Instant::now());
        aside.set(7, now).unwrap();
        assert_eq!(aside.jobs(now), [7]);
        assert!(aside.jobs(now + REFUSED_PAUSE).is_empty());
    }
}
