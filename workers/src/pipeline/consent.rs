//! consent: a check that a person agreed to by a one-time code waits until the code is verified.
//!
//! ```text
//! check with consent sms_code ─ admitted in phase `consent` ─ child job mgov.verify_code
//!                                     verified │ wrong, expired, used, for another check …
//!                             may be sent ─────┘     └─ refused, nothing reaches the register
//! check with verified_by ───── the same, waiting for a job that the portal published
//! ```
//!
//! *Guarantee*: nothing of a check is sent before its consent is proven (D1), and a code opens one
//! check (D4). Who ends a verification looks for the check, a new check looks for its verification,
//! and a timer looks again: one of the three always comes second.

use std::time::Duration;

use adapters::{
    settings::Settings,
    systems::mgov::{CodeRules, Refusal},
};
use contracts::{
    class::{Class, Failure, Localised},
    code,
    job::{ConsentBy, ConsentRecord},
    operation::OperationSpec,
    personal::Personal,
    state::State,
};
use uuid::Uuid;

use super::{Hub, follow_up, record::failure_summary};
use crate::{
    clock::real_now,
    fail_point::{self, Point},
    store::{
        Error,
        admission::{Body, Entry, Fate, KeptCode},
        consent::{Code, Rules, Verdict, Waiting, Which},
    },
    telemetry::metric::Metric,
};

/// The system that sends and verifies codes.
pub const SYSTEM: &str = "mgov";
/// The operation that verifies the code of a consent.
pub const VERIFY: &str = "mgov.verify_code";
/// The operation that sends codes.
pub const SEND: &str = "mgov.send_code";
/// The purpose that codes are sealed for.
pub const PURPOSE: &str = "code";

/// The rules of codes, as `mgov` is configured.
pub fn rules(hub: &Hub) -> Rules {
    let configured = hub.destinations.get(SYSTEM).map(|d| CodeRules::read(&d.settings));
    // The adapter reads the same settings at the start, and there a fault ends the program.
    let CodeRules { lifetime, attempts, resend_after } = match configured {
        Some(Ok(rules)) => rules,
        Some(Err(_)) | None => CodeRules::read(&Settings::for_url("")).unwrap_or(CodeRules {
            lifetime: Duration::from_secs(300),
            attempts: 3,
            resend_after: Duration::from_secs(60),
        }),
    };
    Rules { life: lifetime, attempts_max: attempts.into(), resend_after }
}

/// A code on its way to the commit that keeps it.
pub fn keep(hub: &Hub, code_ref: &str, digits: &Personal<String>) -> KeptCode {
    KeptCode {
        code_ref: code_ref.to_owned(),
        sealed: hub.sealer.seal(PURPOSE, digits.expose().as_bytes()),
        life: rules(hub).life,
    }
}

/// The job that a check has to wait for: its id, and the job itself where this check brings it along.
pub fn verification(
    hub: &Hub,
    check: &Entry,
    consent: &ConsentRecord,
    code: Option<&Personal<String>>,
) -> Option<(Uuid, Option<Entry>)> {
    match &consent.by {
        ConsentBy::Eds => None,
        ConsentBy::VerifiedBy { verify_job } => Some((*verify_job, None)),
        ConsentBy::SmsCode { code_ref } => {
            let id = follow_up::child_id(check.id, VERIFY);
            let child = child(hub, check, id, code_ref, code?);
            Some((id, child))
        }
    }
}

fn child(
    hub: &Hub,
    check: &Entry,
    id: Uuid,
    code_ref: &str,
    digits: &Personal<String>,
) -> Option<Entry> {
    let operation = *hub.operations.get(VERIFY)?;
    let Fate::Job { body, .. } = &check.fate else { return None };
    let input = serde_json::json!({ "code_ref": code_ref, "iin": body.input.get("iin") });
    Some(Entry {
        id,
        // What the code is does not belong to the content of its job.
        content_hash: follow_up::hash_of(id),
        operation: Some(operation),
        subject: check.subject.clone(),
        reply: None,
        trace: check.trace.clone(),
        code: Some(keep(hub, code_ref, digits)),
        child: None,
        fate: Fate::Job {
            start: false,
            body: Box::new(Body {
                requested_by: body.requested_by.clone(),
                priority: body.priority,
                input,
                consent: None,
                verify_job: None,
                retry_of: None,
                begun_by: None,
                callback_url: None,
                requested_at: real_now(),
                sla: hub.config.operations[operation.name].sla,
            }),
        },
    })
}

/// Looks at checks whose consent may be proven or refused by now.
pub async fn settle(hub: &Hub, which: Which) {
    if let Err(error) = look(hub, &which).await {
        // Their timers look again.
        tracing::warn!(%error, "checks wait for their consent to be looked at");
    }
}

async fn look(hub: &Hub, which: &Which) -> Result<(), Error> {
    let operations: Vec<&'static OperationSpec> = hub.operations.values().copied().collect();
    let life = rules(hub).life;
    let settled = hub.store.settle_consents(which, life, &operations, decide).await?;
    if settled.iter().any(|(_, opened)| *opened) {
        fail_point::reach(Point::AfterConsentOpened);
    }
    for (operation, opened) in &settled {
        let result = if *opened { "opened" } else { "refused" };
        Metric::Consents.count([("operation", operation.name), ("result", result)]);
        if let Some(destination) = hub.destination(operation).filter(|_| *opened) {
            destination.note_stored(1);
        }
    }
    if !settled.is_empty() {
        hub.wake.claim.notify_one();
        hub.wake.relay.notify_one();
    }
    Ok(())
}

/// What follows for a check from what became of its verification. Pure.
fn decide(check: &Waiting) -> Verdict {
    let refuse = |failure: &Failure| Verdict::Refused {
        code: failure.code,
        summary: failure_summary(failure),
    };
    let Some(verified) = &check.verified else {
        // The two jobs travel by different queues: the check may be first.
        return if check.too_long { refuse(&Refusal::Unknown.failure()) } else { Verdict::Waits };
    };
    if !verified.is_verification {
        return refuse(&Refusal::Unknown.failure());
    }
    match verified.state {
        State::Accepted | State::Calling | State::Waiting | State::Pending | State::InDoubt => {
            Verdict::Waits
        }
        // It succeeded by somebody's word: who answered about the digits leaves no code.
        State::Succeeded if verified.code.is_some() => refuse(&unverified()),
        State::Succeeded if !verified.same_person => refuse(&Refusal::OtherPerson.failure()),
        State::Succeeded if !verified.same_check => refuse(&Refusal::OtherCheck.failure()),
        State::Succeeded if verified.used => refuse(&Refusal::Used.failure()),
        State::Succeeded => Verdict::Opens,
        // Their words are the verification's own: wrong, expired, used, too many attempts.
        State::Refused => match verified.code.as_deref().and_then(known_code) {
            Some(code) => Verdict::Refused { code, summary: verified.summary.clone() },
            None => refuse(&unverified()),
        },
        State::Failed | State::Expired | State::Cancelled | State::Rejected => {
            refuse(&unverified())
        }
    }
}

/// Why a code does not even have to be asked about; `None` where it may be. Pure.
pub fn objection(code: &Code) -> Option<Refusal> {
    let found = [
        (!code.same_person, Refusal::OtherPerson),
        (!code.same_check, Refusal::OtherCheck),
        (code.used, Refusal::Used),
        (code.expired || code.sealed.is_none(), Refusal::Expired),
        (!code.attempt_left, Refusal::AttemptsUsedUp),
    ];
    found.into_iter().find(|(is_so, _)| *is_so).map(|(_, no)| no)
}

/// Nobody could tell whether the code is right.
fn unverified() -> Failure {
    Failure::new(Class::Refused, code!("code_unverified")).with_reason(Localised {
        ru: "Код не удалось проверить. Отправьте новый код.",
        kk: "Кодты тексеру мүмкін болмады. Жаңа код жіберіңіз.",
    })
}

/// A code of M-Gov's refusals or ours, as the constant that it is.
fn known_code(code: &str) -> Option<contracts::code::Code> {
    Refusal::ALL.into_iter().map(Refusal::code).find(|known| *known == code)
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::store::consent::Verified;

    static CHECK: &OperationSpec = &adapters::systems::kpsisu::CHECK;

    fn verified(state: State) -> Verified {
        Verified {
            is_verification: true,
            state,
            code: None,
            summary: Map::new(),
            same_person: true,
            same_check: true,
            used: false,
        }
    }

    fn decided(verified: Option<Verified>, too_long: bool) -> &'static str {
        match decide(&Waiting { seq: 1, operation: CHECK, verified, too_long }) {
            Verdict::Opens => "opens",
            Verdict::Waits => "waits",
            Verdict::Refused { code, .. } => code.name(),
        }
    }

    #[test]
    fn d4_a_verification_that_somebody_called_done_opens_nothing() {
        let word = Some(crate::store::resolve::DONE.name().to_owned());
        let by_word = Verified { code: word, ..verified(State::Succeeded) };
        assert_eq!(decided(Some(by_word), false), "code_unverified");
    }

    #[test]
    fn d4_only_a_verified_unused_code_of_this_person_and_check_opens() {
        let good = verified(State::Succeeded);
        assert_eq!(decided(Some(good.clone()), false), "opens");
        let other = Verified { same_check: false, ..good.clone() };
        assert_eq!(decided(Some(other), false), "code_other_check");
        let other = Verified { same_person: false, ..good.clone() };
        assert_eq!(decided(Some(other), false), "code_other_person");
        let used = Verified { used: true, ..good.clone() };
        assert_eq!(decided(Some(used), false), "code_used");
        let something_else = Verified { is_verification: false, ..good };
        assert_eq!(decided(Some(something_else), false), "code_unknown");
    }

    #[test]
    fn a_check_waits_while_its_verification_is_open() {
        for state in State::ALL.into_iter().filter(|state| !state.is_terminal()) {
            assert_eq!(decided(Some(verified(state)), true), "waits", "{state:?}");
        }
    }

    #[test]
    fn a_verification_without_an_answer_opens_nothing() {
        for state in [State::Failed, State::Expired, State::Cancelled, State::Rejected] {
            assert_eq!(decided(Some(verified(state)), false), "code_unverified", "{state:?}");
        }
    }

    #[test]
    fn their_refusal_is_the_checks_refusal() {
        let code = Some("code_wrong".to_owned());
        let wrong = Verified { code, ..verified(State::Refused) };
        assert_eq!(decided(Some(wrong), false), "code_wrong");
    }

    #[test]
    fn a_check_may_come_before_the_verification_that_it_names() {
        assert_eq!(decided(None, false), "waits");
        assert_eq!(decided(None, true), "code_unknown");
    }
}
