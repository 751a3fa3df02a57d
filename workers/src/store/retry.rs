//! A new job with the content of one that ended.
//!
//! *Guarantee*: terminal is terminal: the old job stays as it is. The new id is made from the old one,
//! so a job is repeated once, however often and by whomever it is asked for; a repetition that ended
//! badly too is repeated itself. What may have been executed is repeated only by who says so, what a
//! person asks for by a press (D6) by nobody, and a subject whose row belongs to another job is left
//! alone.

use std::collections::HashMap;

use contracts::{
    code,
    operation::{Again, Effect, Parts, SlaSpec},
    state::{Phase, State},
};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    Error, Store, Tx,
    admission::{self, Body, Entry, Fate},
    audit::{self, Act, Outcome},
    held::{self, Held, Hold},
    portal, within,
};

/// What a repetition needs to know beside the job.
#[derive(Debug, Clone)]
pub struct Retry {
    /// Whether a command is repeated although it may have been executed.
    pub even_if_done: bool,
    /// Real time: from here the new promise counts.
    pub now: Timestamp,
    /// The promises, as they are configured.
    pub slas: HashMap<&'static str, SlaSpec>,
}

/// The id of the job that repeats this one.
pub fn retry_id(job: Uuid) -> Uuid {
    Uuid::new_v5(&job, b"hub.retry")
}

impl Store {
    /// Makes a new job of one that ended without success.
    pub async fn retry(&self, id: Uuid, retry: &Retry, act: &Act) -> Result<Outcome, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let outcome = match held::hold(&mut tx, id).await? {
                Hold::Job(job) => repeat(&mut tx, &job, retry, act).await?,
                Hold::Unknown => Outcome::unknown_job(),
                Hold::OtherBuild => Outcome::other_build(),
            };
            audit::finish(tx, act, outcome).await
        })
        .await
    }
}

async fn repeat(tx: Tx<'_>, job: &Held, retry: &Retry, act: &Act) -> Result<Outcome, Error> {
    if let Some(refused) = objection(job, retry.even_if_done) {
        return Ok(refused);
    }
    let new = retry_id(job.id);
    // Whoever holds the job is the only one who repeats it, so nobody comes between.
    let before: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM hub.job_key WHERE id = $1)")
            .bind(new)
            .fetch_one(&mut *tx)
            .await?;
    if before {
        return Ok(retried_before(new));
    }
    if let Some(newer) = portal::newer_owner(tx, job).await? {
        return Ok(Outcome::refused(
            code!("superseded"),
            format!("the subject's row belongs to the newer job {newer}: repeat that one, if any"),
        ));
    }
    let Some(entry) = entry(job, retry) else {
        return Ok(Outcome::refused(
            code!("no_content"),
            "it was rejected at the door and has no content: publish a correct job",
        ));
    };
    if admission::begin(tx, &[entry]).await? == 0 {
        return Ok(retried_before(new));
    }
    let action = if retry.even_if_done && may_be_done(job) {
        "jobs.retry.even_if_done"
    } else {
        "jobs.retry"
    };
    audit::note(tx, act, action, &job.id.to_string(), &new.to_string()).await?;
    Ok(Outcome { new_job: Some(new), ..Outcome::done(code!("retried"), format!("new job {new}")) })
}

fn retried_before(new: Uuid) -> Outcome {
    let text = format!("{new} repeats it already: look at that one");
    Outcome { new_job: Some(new), ..Outcome::refused(code!("retried_before"), text) }
}

/// The new job, as it is admitted; `None` where nothing of the old one's content is there.
fn entry(job: &Held, retry: &Retry) -> Option<Entry> {
    let id = retry_id(job.id);
    Some(Entry {
        id,
        // Nobody publishes it, so its id says all.
        content_hash: Sha256::digest(id.as_bytes()).into(),
        operation: Some(job.operation),
        subject: job.subject.clone(),
        reply: None,
        trace: job.trace.clone(),
        code: None,
        child: None,
        fate: Fate::Job {
            start: false,
            body: Box::new(Body {
                requested_by: job.requested_by.clone()?,
                priority: job.priority,
                input: job.input.clone()?,
                consent: job.consent.clone(),
                verify_job: None,
                retry_of: Some(job.id),
                begun_by: None,
                callback_url: job.callback_url.clone(),
                requested_at: retry.now,
                sla: *retry.slas.get(job.operation.name)?,
            }),
        },
    })
}

/// Why a job is not repeated; `None` where it may be. Pure.
fn objection(job: &Held, even_if_done: bool) -> Option<Outcome> {
    let name = job.state.name();
    match job.state {
        State::Succeeded => {
            let text = "it was answered; to ask again, publish a new job";
            return Some(Outcome::refused(code!("succeeded"), text));
        }
        State::Accepted | State::Calling | State::Waiting | State::Pending | State::InDoubt => {
            let text = format!("it is {name} and goes on by itself; `hub jobs show` tells when");
            return Some(Outcome::refused(code!("live"), text));
        }
        State::Refused | State::Failed | State::Expired | State::Cancelled | State::Rejected => {}
    }
    match job.operation.again {
        Again::Anybody => {}
        Again::Person => {
            let text = "it reaches a person at once, and one press sends one message (D6): who still \
                        wants it presses again, which is a new job of the portal";
            return Some(Outcome::refused(code!("press_needed"), text));
        }
    }
    let by_eds = |consent: &serde_json::Value| consent["kind"] == "eds";
    if job.operation.parts == Parts::Code || !job.consent.as_ref().is_none_or(by_eds) {
        let text = "it was agreed to by a one-time code, which opens one check (D4): the person \
                    has to agree again, in a new job of the portal";
        return Some(Outcome::refused(code!("code_needed"), text));
    }
    if may_be_done(job) && !even_if_done {
        let text = "it is a command that may have been executed: find out, and say \
                    --even-if-done where doing it twice does no harm";
        return Some(Outcome::refused(code!("may_be_done"), text));
    }
    None
}

/// Whether a command that ended may have been executed. Pure.
fn may_be_done(job: &Held) -> bool {
    if job.operation.effect == Effect::Query {
        return false;
    }
    if job.evidence {
        return true;
    }
    match job.state {
        State::Failed => {
            job.acknowledged
                || matches!(job.phase, Phase::Continue | Phase::Ask)
                || job.code.as_deref() == Some("outcome_unknown")
        }
        // They said no, or it never left.
        State::Refused | State::Cancelled | State::Rejected => false,
        State::Expired
        | State::Accepted
        | State::Calling
        | State::Waiting
        | State::Pending
        | State::InDoubt
        | State::Succeeded => true,
    }
}

#[cfg(test)]
mod tests {
    use adapters::systems::{gbdfl, kpsisu, mgov};
    use serde_json::json;

    use super::*;

    fn ended(state: State) -> Held {
        Held {
            seq: 1,
            id: Uuid::from_u128(1),
            operation: &kpsisu::CHECK,
            subject: None,
            state,
            phase: Phase::Send,
            attempts: 1,
            deaths: 0,
            events: 1,
            warnings: Vec::new(),
            code: None,
            requested_by: None,
            priority: 0,
            input: None,
            consent: Some(json!({"kind": "eds"})),
            callback_url: None,
            trace: None,
            called: false,
            acknowledged: false,
            evidence: false,
            unreached: false,
        }
    }

    fn refusal(job: &Held, even_if_done: bool) -> Option<&'static str> {
        objection(job, even_if_done).map(|refused| refused.code.name())
    }

    #[test]
    fn what_goes_on_or_was_answered_is_not_repeated() {
        for state in State::ALL.into_iter().filter(|state| !state.is_terminal()) {
            assert_eq!(refusal(&ended(state), true), Some("live"), "{state:?}");
        }
        assert_eq!(refusal(&ended(State::Succeeded), true), Some("succeeded"));
    }

    #[test]
    fn a_command_that_may_be_done_needs_a_word_for_it() {
        let unknown = Held { code: Some("outcome_unknown".into()), ..ended(State::Failed) };
        let asked = Held { phase: Phase::Ask, ..ended(State::Failed) };
        let contradicted = Held { acknowledged: true, ..ended(State::Failed) };
        let answered_late = Held { evidence: true, ..ended(State::Failed) };
        let withdrawn = Held { evidence: true, ..ended(State::Cancelled) };
        let unanswered = ended(State::Expired);
        for job in [unknown, asked, contradicted, answered_late, withdrawn, unanswered] {
            assert_eq!(refusal(&job, false), Some("may_be_done"), "{job:?}");
            assert_eq!(refusal(&job, true), None);
            let query = Held { operation: &gbdfl::PERSON, ..job };
            assert_eq!(refusal(&query, false), None, "a query does no harm twice");
        }
    }

    #[test]
    fn what_certainly_was_not_done_is_repeated() {
        for state in [State::Failed, State::Refused, State::Cancelled, State::Rejected] {
            assert_eq!(refusal(&ended(state), false), None, "{state:?}");
        }
    }

    #[test]
    fn d6_no_operator_presses_for_a_person() {
        for state in [State::Failed, State::Refused, State::Expired, State::Cancelled] {
            let sent = Held { operation: &mgov::SEND_CODE, consent: None, ..ended(state) };
            for even_if_done in [false, true] {
                assert_eq!(refusal(&sent, even_if_done), Some("press_needed"), "{state:?}");
            }
        }
        let looked = Held { operation: &mgov::LOOKUP, consent: None, ..ended(State::Failed) };
        assert_eq!(refusal(&looked, false), None);
    }

    #[test]
    fn d4_a_code_that_opened_a_check_opens_no_second_one() {
        for consent in [json!({"kind": "sms_code"}), json!({"kind": "verified_by"})] {
            let job = Held { consent: Some(consent), ..ended(State::Failed) };
            assert_eq!(refusal(&job, true), Some("code_needed"));
        }
    }
}
