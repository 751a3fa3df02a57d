//! Fail points: the borders between two steps, at which a test can end or stop this process.
//!
//! ```text
//! folder/after_ack            "kill 7"      armed: the process that comes by the 7th time takes it
//! folder/after_ack.taken.4711               fired: process 4711 killed or froze itself there
//! ```
//!
//! *Guarantee*: without the cargo feature `fail-points` nothing of this is compiled but the names,
//! and [`reach`] is empty; the program `hub` has none. A program that has them refuses to start with
//! `HUB_FAIL_POINTS` unless `clock.allow_shift` says that this is a demo or a test. An armed point
//! fires once: of all processes that share the folder one takes it, by renaming its file.
//!
//! *Limits*: a process notices a point that is armed when it next comes by, and counts from there.

/// A border between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// A delivery came; nothing of it is written.
    AfterDeliver,
    /// The admission's statements ran; its commit was not sent.
    BeforeAdmitCommit,
    /// Admitted and committed; the broker does not know yet.
    AfterAdmitCommitBeforeAck,
    /// The broker knows; nothing is called yet.
    AfterAck,
    /// The intent is committed; nothing has left.
    BeforeCall,
    /// The call is over; what it learned is in memory alone.
    AfterCallBeforeRecord,
    /// A result's statements ran; their commit was not sent.
    BeforeRecordCommit,
    /// A result is committed; nobody was woken.
    AfterRecordCommit,
    /// Events are with the broker; their confirms were not read.
    AfterPublishBeforeConfirm,
    /// Events are confirmed and still in the outbox.
    AfterConfirmBeforeOutboxDelete,
    /// A message came in and is stored; its sender has no answer.
    AfterInboundStoreBeforeReply,
    /// A page of messages was pulled and stored; the gateway was not told.
    AfterPullBeforeConfirm,
    /// Timers fired; their commit was not sent.
    BeforeTimerCommit,
    /// Timers fired and are committed; nobody was woken.
    AfterTimerCommit,
    /// A verified code opened its check; nobody was woken.
    AfterConsentOpened,
    /// Stored jobs were claimed and committed; none is started.
    AfterClaimBeforeStart,
    /// Jobs of a dead worker are taken over; the commit was not sent.
    BeforeRescueCommit,
    /// A callback was sent; its result is not written.
    CallbackSentBeforeRecord,
}

impl Point {
    /// All of them, in the order of a job's way.
    pub const ALL: [Self; 18] = [
        Self::AfterDeliver,
        Self::BeforeAdmitCommit,
        Self::AfterAdmitCommitBeforeAck,
        Self::AfterAck,
        Self::BeforeCall,
        Self::AfterCallBeforeRecord,
        Self::BeforeRecordCommit,
        Self::AfterRecordCommit,
        Self::AfterPublishBeforeConfirm,
        Self::AfterConfirmBeforeOutboxDelete,
        Self::AfterInboundStoreBeforeReply,
        Self::AfterPullBeforeConfirm,
        Self::BeforeTimerCommit,
        Self::AfterTimerCommit,
        Self::AfterConsentOpened,
        Self::AfterClaimBeforeStart,
        Self::BeforeRescueCommit,
        Self::CallbackSentBeforeRecord,
    ];

    /// The name of its file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AfterDeliver => "after_deliver",
            Self::BeforeAdmitCommit => "before_admit_commit",
            Self::AfterAdmitCommitBeforeAck => "after_admit_commit_before_ack",
            Self::AfterAck => "after_ack",
            Self::BeforeCall => "before_call",
            Self::AfterCallBeforeRecord => "after_call_before_record",
            Self::BeforeRecordCommit => "before_record_commit",
            Self::AfterRecordCommit => "after_record_commit",
            Self::AfterPublishBeforeConfirm => "after_publish_before_confirm",
            Self::AfterConfirmBeforeOutboxDelete => "after_confirm_before_outbox_delete",
            Self::AfterInboundStoreBeforeReply => "after_inbound_store_before_reply",
            Self::AfterPullBeforeConfirm => "after_pull_before_confirm",
            Self::BeforeTimerCommit => "before_timer_commit",
            Self::AfterTimerCommit => "after_timer_commit",
            Self::AfterConsentOpened => "after_consent_opened",
            Self::AfterClaimBeforeStart => "after_claim_before_start",
            Self::BeforeRescueCommit => "before_rescue_commit",
            Self::CallbackSentBeforeRecord => "callback_sent_before_record",
        }
    }
}

#[cfg(not(feature = "fail-points"))]
mod inert {
    /// Nothing: this program has no fail points.
    #[inline]
    pub const fn reach(_point: super::Point) {}

    /// No: this program sees the processes of its machine.
    pub const fn is_apart() -> bool {
        false
    }

    /// Nothing: this program has no fail points.
    pub const fn permit(_is_test: bool) -> Result<(), &'static str> {
        Ok(())
    }
}

#[cfg(feature = "fail-points")]
mod live;

#[cfg(not(feature = "fail-points"))]
pub use inert::{is_apart, permit, reach};
#[cfg(feature = "fail-points")]
pub use live::{is_apart, permit, reach};
