//! What is learned while one request is answered, for the list of exchanges.
//!
//! [`super::front`] opens a visit around each request; whatever decides about it notes that here, on
//! the same task. Outside of a visit (a conversation that the system begins) notes are dropped.

use std::{cell::RefCell, future::Future};

use jiff::SignedDuration;

/// Notes about one request.
#[derive(Debug, Clone, Default)]
pub struct Visit {
    /// The behaviour that was chosen, or the recorded case.
    pub behaviour: String,
    /// Whether the request took effect.
    pub executed: bool,
    /// Where later messages go, if not to the usual addresses.
    pub push_url: Option<String>,
    /// When the first later message is due, if not at its usual time.
    pub push_after: Option<SignedDuration>,
    /// What the first later message was moved by, once that is known.
    pub moved_by: Option<SignedDuration>,
}

tokio::task_local! {
    static VISIT: RefCell<Visit>;
}

/// Runs a visit and tells what was noted.
pub(super) async fn open<T>(answering: impl Future<Output = T>) -> (T, Visit) {
    let noting = async move {
        let answer = answering.await;
        (answer, VISIT.with(RefCell::take))
    };
    VISIT.scope(RefCell::default(), noting).await
}

/// Notes something about the request that is being answered. `None`: there is no visit.
pub(super) fn note<T>(change: impl FnOnce(&mut Visit) -> T) -> Option<T> {
    VISIT.try_with(|visit| change(&mut visit.borrow_mut())).ok()
}
