//! An alarm: the next moment, on this process's monotonic clock, at which timers may be due.
//!
//! *Guarantee*: whoever sets it can only bring it forward; the one who waits takes it away. Moments
//! that lie closer together than the one who waits cares for become one.

use std::time::{Duration, Instant};

use tokio::sync::watch;

/// The next moment, where there is one.
#[derive(Debug)]
pub struct Alarm(watch::Sender<Option<Instant>>);

impl Default for Alarm {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Alarm {
    /// Rings at once.
    pub fn now(&self) {
        self.within(Duration::ZERO);
    }

    /// Rings after this, or earlier where it was set to.
    pub fn within(&self, wait: Duration) {
        let Some(at) = Instant::now().checked_add(wait) else { return };
        self.0.send_if_modified(|set| {
            let earlier = set.is_none_or(|set| at < set);
            if earlier {
                *set = Some(at);
            }
            earlier
        });
    }

    /// Waits until it rings, and takes it away.
    pub async fn ring(&self) {
        let mut set = self.0.subscribe();
        loop {
            let at = *set.borrow_and_update();
            let rings = async {
                match at {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = rings => break,
                // The sender is `self`: it outlives the one who waits.
                _ = set.changed() => {}
            }
        }
        self.0.send_replace(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_earlier_of_two_moments_rings_and_takes_the_later_one_with_it() {
        let alarm = Alarm::default();
        alarm.within(Duration::from_secs(3600));
        alarm.now();
        alarm.within(Duration::from_secs(60));
        tokio::time::timeout(Duration::from_secs(30), alarm.ring()).await.expect("rings now");
        assert!(alarm.0.borrow().is_none(), "nothing is set any more");
    }

    #[tokio::test]
    async fn a_moment_that_is_brought_forward_while_somebody_waits_is_heard() {
        let alarm = Alarm::default();
        alarm.within(Duration::from_secs(3600));
        let heard = tokio::time::timeout(Duration::from_secs(30), alarm.ring());
        let ((), heard) = tokio::join!(
            async {
                tokio::task::yield_now().await;
                alarm.within(Duration::from_millis(1));
            },
            heard
        );
        assert!(heard.is_ok());
    }
}
