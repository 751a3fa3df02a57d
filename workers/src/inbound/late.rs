//! Late answers: read by the adapter as any other, applied because an operator says so.
//!
//! *Guarantee*: a message that is not about the job is not applied, whoever asks (invariant 11). The
//! oldest answer counts, as it would have in time; where a later one says otherwise, somebody has to
//! name the one that counts.

use contracts::code;
use std::time::Duration;

use adapters::{
    attempt::{Answer, Call},
    channel::Reading,
};
use uuid::Uuid;

use super::matching;
use crate::{
    pipeline::{Hub, record::answered},
    store::{
        Error,
        audit::{Act, Outcome},
        late::{Late, LateMessage},
        record::{Change, Guard},
    },
};

/// Applies the late answer to a job; `message` names it where there are several.
pub async fn apply(hub: &Hub, id: Uuid, message: Option<i64>, act: &Act) -> Result<Outcome, Error> {
    let late = match hub.store.late_messages(id).await? {
        Ok(late) => late,
        Err(refused) => return Ok(refused),
    };
    let (number, answer) = match choose(read(hub, id, &late), message) {
        Ok(chosen) => chosen,
        Err(refused) => return Ok(refused),
    };
    let to = contracts::state::State::Succeeded;
    let mut change = Change::to(to, late.seq, late.operation, Guard::Live);
    answered(hub, &mut change, answer);
    let outcome = hub.store.apply_late(id, number, &change, act).await?;
    hub.wake.relay.notify_one();
    Ok(outcome)
}

/// What each message says; those that are no answer to this job are left out.
fn read(hub: &Hub, id: Uuid, late: &Late) -> Vec<(i64, Answer)> {
    let destination = hub.destination(late.operation);
    let Some(channel) = destination.and_then(|d| d.adapter.channel()) else { return Vec::new() };
    let call = Call::first(late.operation, id, late.input.clone(), late.now, Duration::ZERO);
    let read = |stored: &LateMessage| {
        let message = matching::open(hub, &stored.source, &stored.sealed).ok()?;
        match channel.judge(&message, &call) {
            Reading::Answered(answer) => Some((stored.id, answer)),
            Reading::Progress { .. } | Reading::Failed(_) | Reading::NotOurs(_) => None,
        }
    };
    late.messages.iter().filter_map(read).collect()
}

/// The answer that counts.
fn choose(answers: Vec<(i64, Answer)>, named: Option<i64>) -> Result<(i64, Answer), Outcome> {
    if let Some(named) = named {
        return answers.into_iter().find(|(id, _)| *id == named).ok_or_else(|| {
            let text = format!("message {named} is no late answer to this job that can be read");
            Outcome::refused(code!("no_answer"), text)
        });
    }
    let mut answers = answers.into_iter();
    let Some(first) = answers.next() else {
        return Err(Outcome::refused(
            code!("no_answer"),
            "no late answer to it is kept that can be read; its system must be configured here, \
             and the key be the one that sealed it",
        ));
    };
    let others: Vec<i64> =
        answers.filter(|(_, a)| a.summary != first.1.summary).map(|(id, _)| id).collect();
    if others.is_empty() {
        return Ok(first);
    }
    let text = format!(
        "message {} says something else than {others:?}: find out which is true, and name it with \
         --message",
        first.0
    );
    Err(Outcome::refused(code!("contradiction"), text))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn answer(verdict: &str) -> Answer {
        let mut summary = Map::new();
        summary.insert("verdict".to_owned(), json!(verdict));
        Answer::new(summary, Map::new())
    }

    fn chosen(answers: Vec<(i64, Answer)>, named: Option<i64>) -> Result<i64, &'static str> {
        choose(answers, named).map(|(id, _)| id).map_err(|refused| refused.code.name())
    }

    #[test]
    fn the_oldest_of_equal_answers_counts() {
        assert_eq!(chosen(vec![(3, answer("clear")), (4, answer("clear"))], None), Ok(3));
    }

    #[test]
    fn answers_that_contradict_each_other_need_a_person_to_choose() {
        let answers = || vec![(3, answer("clear")), (4, answer("found"))];
        assert_eq!(chosen(answers(), None), Err("contradiction"));
        assert_eq!(chosen(answers(), Some(4)), Ok(4));
    }

    #[test]
    fn nothing_that_is_no_answer_is_applied() {
        assert_eq!(chosen(Vec::new(), None), Err("no_answer"));
        assert_eq!(chosen(vec![(3, answer("clear"))], Some(5)), Err("no_answer"));
    }
}
