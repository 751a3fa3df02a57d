//! Late answers: read by the adapter as any other, applied because an operator says so.
//!
//! *Guarantee*: a message that is not about the job is not applied, whoever asks (invariant 11). The
//! oldest answer counts, as it would have in time; where a later one says otherwise, somebody has to
//! name the one that counts.

use contracts::{code, code::Code};
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

/// What a message says of the job.
#[derive(Debug)]
enum Said {
    Answer(Answer),
    /// They turned it down, with this code of ours.
    No(Code),
}

impl Said {
    fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Answer(a), Self::Answer(b)) => a.summary == b.summary,
            (Self::No(a), Self::No(b)) => a == b,
            (Self::Answer(_), Self::No(_)) | (Self::No(_), Self::Answer(_)) => false,
        }
    }
}

/// What each message says; those that say nothing final of this job are left out.
fn read(hub: &Hub, id: Uuid, late: &Late) -> Vec<(i64, Said)> {
    let destination = hub.destination(late.operation);
    let Some(channel) = destination.and_then(|d| d.adapter.channel()) else { return Vec::new() };
    let call = Call::first(late.operation, id, late.input.clone(), late.now, Duration::ZERO);
    let read = |stored: &LateMessage| {
        let message = matching::open(hub, &stored.source, &stored.sealed).ok()?;
        match channel.judge(&message, &call) {
            Reading::Answered(answer) => Some((stored.id, Said::Answer(answer))),
            Reading::Failed(failure) => Some((stored.id, Said::No(failure.code))),
            Reading::Progress { .. } | Reading::NotOurs(_) => None,
        }
    };
    late.messages.iter().filter_map(read).collect()
}

/// The answer that counts.
fn choose(all: Vec<(i64, Said)>, named: Option<i64>) -> Result<(i64, Answer), Outcome> {
    let mut all = all.into_iter();
    let (chosen, others) = match named {
        Some(named) => (all.find(|(id, _)| *id == named), Vec::new()),
        None => (all.next(), all.collect()),
    };
    let Some((id, said)) = chosen else {
        let text = match named {
            Some(named) => format!("message {named} is no late answer to this job that can be read"),
            None => "no late answer to it is kept that can be read; its system must be configured here, \
                     and the key be the one that sealed it"
                .to_owned(),
        };
        return Err(Outcome::refused(code!("no_answer"), text));
    };
    let differ: Vec<i64> =
        others.iter().filter(|(_, other)| !said.agrees(other)).map(|(id, _)| *id).collect();
    if !differ.is_empty() {
        let text = format!(
            "message {id} says something else than {differ:?}: find out which is true, and name it with \
             --message"
        );
        return Err(Outcome::refused(code!("contradiction"), text));
    }
    match said {
        Said::Answer(answer) => Ok((id, answer)),
        Said::No(code) => {
            let text =
                format!("message {id} says no ({code}): there is no answer to give to the portal");
            Err(Outcome::refused(code!("no_answer"), text))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn answer(verdict: &str) -> Said {
        let mut summary = Map::new();
        summary.insert("verdict".to_owned(), json!(verdict));
        Said::Answer(Answer::new(summary, Map::new()))
    }

    fn chosen(answers: Vec<(i64, Said)>, named: Option<i64>) -> Result<i64, &'static str> {
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
    fn a_late_no_is_told_and_stands_against_a_late_answer() {
        let no = || Said::No(code!("not_identified"));
        assert_eq!(chosen(vec![(3, no()), (4, no())], None), Err("no_answer"));
        assert_eq!(chosen(vec![(3, no()), (4, answer("clear"))], None), Err("contradiction"));
        assert_eq!(chosen(vec![(3, answer("clear")), (4, no())], None), Err("contradiction"));
        assert_eq!(chosen(vec![(3, no()), (4, answer("clear"))], Some(4)), Ok(4));
        assert_eq!(chosen(vec![(3, no())], Some(3)), Err("no_answer"));
    }

    #[test]
    fn nothing_that_is_no_answer_is_applied() {
        assert_eq!(chosen(Vec::new(), None), Err("no_answer"));
        assert_eq!(chosen(vec![(3, answer("clear"))], Some(5)), Err("no_answer"));
    }
}
