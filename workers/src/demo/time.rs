//! Business time that jumps: when nothing is in flight, to the next due moment.
//!
//! *Guarantee*: answers come before timers. Time moves only to the nearest moment at which either a
//! timer, a pull or a simulator's answer is due, and only after everything due before has been dealt
//! with: no job runs or could run, no event is unsent, no message is unread, no simulator is busy,
//! and the simulators have heard of the last jump. It never moves while a system is held.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::stage::{Error, Stage};
use crate::store::jobs::Pulse;

/// Between two looks.
pub const LOOK_EVERY: Duration = Duration::from_millis(15);
/// How far the simulators' clock may differ before they count as not having heard of a jump.
const CLOCKS_DIFFER_MAX: SignedDuration = SignedDuration::from_millis(400);
/// Time moves past the due moment by this, so that "due" holds for every reader.
const PAST: SignedDuration = SignedDuration::from_millis(2);

/// What one look saw.
#[derive(Debug, Clone)]
pub struct Look {
    /// The hub's side.
    pub pulse: Pulse,
    /// Business time now.
    pub now: Timestamp,
    /// Whether nothing is in flight anywhere.
    pub quiet: bool,
    /// The next moment at which anything is due.
    pub next: Option<Timestamp>,
}

/// Looks at the hub and the simulators.
pub async fn look(stage: &Stage) -> Result<Look, Error> {
    // The simulators first and last: what they hand over in between shows on one of the sides.
    let before = stage.control("state").await?;
    let pulse = stage.store.pulse().await?;
    let after = stage.control("state").await?;
    let now = stage.store.business_now().await?;
    let instant = |name: &str| after[name].as_str().and_then(|text| text.parse().ok());
    let their_now: Timestamp = instant("now").unwrap_or(Timestamp::UNIX_EPOCH);
    let in_step = their_now.duration_since(now).abs() < CLOCKS_DIFFER_MAX;
    let idle = |state: &serde_json::Value| state["in_flight"] == 0;
    let hub_quiet = pulse.busy == 0 && pulse.outbox == 0 && pulse.unread == 0 && !pulse.held;
    let hub_next =
        pulse.next_ms.and_then(|ms| now.checked_add(SignedDuration::from_millis(ms)).ok());
    let next = [hub_next, instant("next_due")].into_iter().flatten().min();
    let nothing_due = next.is_none_or(|next| next > now);
    let quiet = hub_quiet && in_step && idle(&before) && idle(&after) && nothing_due;
    Ok(Look { pulse, now, quiet, next })
}

/// Moves time if two looks in a row saw nothing in flight; `true` if it moved.
pub async fn advance(stage: &Stage) -> Result<bool, Error> {
    let first = look(stage).await?;
    if !first.quiet {
        return Ok(false);
    }
    let second = look(stage).await?;
    let Some(next) =
        second.next.filter(|_| second.quiet && second.next == first_next(&first, &second))
    else {
        return Ok(false);
    };
    stage.store.jump_to(next.checked_add(PAST).unwrap_or(next)).await?;
    Ok(true)
}

/// The same moment, give or take the rounding of two looks.
fn first_next(first: &Look, second: &Look) -> Option<Timestamp> {
    let (a, b) = (first.next?, second.next?);
    (a.duration_since(b).abs() < SignedDuration::from_millis(50)).then_some(b)
}
