//! What ИИС «Е-қызмет» remembers: messages per organisation, and submissions per request number.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::{MESSAGES_MAX, SUBMISSIONS_MAX, request::Question};

/// Everything that is remembered.
#[derive(Default)]
pub(super) struct Ledger {
    messages: BTreeMap<String, Kept>,
    submissions: HashMap<String, Submission>,
}

/// A message that was begun.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) message_id: String,
    pub(super) organisation: String,
    pub(super) is_editable: bool,
    /// Counts every change, a submission included.
    pub(super) revision: u32,
    /// The chain that its pushes belong to.
    pub(super) chain: u64,
    /// The request number that holds it, until the reviewer returns it.
    pub(super) holder: Option<String>,
    /// From when on a return opens it again.
    pub(super) open_from: Option<Timestamp>,
}

/// A submission that took effect.
#[derive(Debug, Clone)]
struct Submission {
    message_id: String,
    revision: u32,
    at: Timestamp,
    /// Questions that are not answered yet.
    deaf: u32,
}

/// What is said to a submission or a question.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    /// It took effect, once.
    Done {
        /// What it made of the message.
        revision: u32,
        /// When.
        at: Timestamp,
    },
    /// Only to a question: nobody sent this number.
    Unknown,
    /// No, with a code, and whose request was first where that is why.
    No(&'static str, Option<String>),
}

impl Ledger {
    /// Remembers a message that begins.
    pub(super) fn keep(&mut self, kept: Kept) {
        if self.messages.len() >= MESSAGES_MAX {
            self.messages.pop_first();
        }
        self.messages.insert(kept.message_id.clone(), kept);
    }

    /// The reviewer decides: the message changes once more. `open_from`: it may be edited again.
    pub(super) fn decide(
        &mut self,
        message_id: &str,
        open_from: Option<Timestamp>,
    ) -> Option<Kept> {
        let kept = self.messages.get_mut(message_id)?;
        kept.revision += 1;
        kept.open_from = open_from;
        Some(kept.clone())
    }

    /// Takes a submission, or says why not. True: it took effect just now.
    pub(super) fn submit(
        &mut self,
        asked: &Question,
        now: Timestamp,
        deaf: bool,
    ) -> (Verdict, bool) {
        if let Some(done) = self.submissions.get(&asked.number) {
            return (done.verdict(), false);
        }
        let no = |code| (Verdict::No(code, None), false);
        let Some(kept) = self.messages.get_mut(&asked.message_id) else {
            return no("SIM-NOT-FOUND");
        };
        if kept.organisation != asked.organisation {
            return no("SIM-OTHER-ORGANISATION");
        }
        if !kept.is_editable {
            return no("SIM-NOT-EDITABLE");
        }
        let is_open = kept.open_from.is_some_and(|from| from <= now);
        if let Some(holder) = kept.holder.clone().filter(|_| !is_open) {
            return (Verdict::No("SIM-ALREADY-SUBMITTED", Some(holder)), false);
        }
        kept.holder = Some(asked.number.clone());
        kept.open_from = None;
        kept.revision += 1;
        let submission = Submission {
            message_id: asked.message_id.clone(),
            revision: kept.revision,
            at: now,
            deaf: u32::from(deaf),
        };
        let verdict = submission.verdict();
        if self.submissions.len() < SUBMISSIONS_MAX {
            self.submissions.insert(asked.number.clone(), submission);
        }
        (verdict, true)
    }

    /// Answers a question about a request number; `None`: not now.
    pub(super) fn question(&mut self, asked: &Question) -> Option<Verdict> {
        let Some(done) = self.submissions.get_mut(&asked.number) else {
            return Some(Verdict::Unknown);
        };
        if done.deaf > 0 {
            done.deaf -= 1;
            return None;
        }
        let is_about = done.message_id == asked.message_id;
        Some(if is_about { done.verdict() } else { Verdict::Unknown })
    }
}

impl Submission {
    const fn verdict(&self) -> Verdict {
        Verdict::Done { revision: self.revision, at: self.at }
    }
}
