//! So many requests in a second, and no more.

use std::time::Duration;

use tokio::{sync::Mutex, time::Instant};

/// The pace of one system.
pub(super) struct Pace {
    pause: Option<Duration>,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// `None`: as fast as they answer.
    pub(super) fn new(rate: Option<f64>) -> Self {
        let pause = rate.filter(|rate| *rate > 0.0).map(|rate| Duration::from_secs_f64(1.0 / rate));
        Self { pause, next: Mutex::default() }
    }

    /// Until the next request may leave.
    pub(super) async fn wait(&self) {
        let Some(pause) = self.pause else { return };
        let mut next = self.next.lock().await;
        if let Some(at) = *next {
            tokio::time::sleep_until(at).await;
        }
        *next = Some(Instant::now() + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_leave_one_pause_after_another_and_the_first_at_once() {
        let (pace, started) = (Pace::new(Some(50.0)), Instant::now());
        for least_ms in [0, 20, 40] {
            pace.wait().await;
            assert!(started.elapsed() >= Duration::from_millis(least_ms));
        }
        let unlimited = Pace::new(None);
        unlimited.wait().await;
        assert!(unlimited.next.lock().await.is_none());
    }
}
