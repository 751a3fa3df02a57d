//! Which messages follow a request, and when in business time.

use jiff::SignedDuration;

use super::{
    Chain, Office, SENDER, SERVICE_ID,
    answer::{Content, payload},
    behaviour::Behaviour as Act,
};
use crate::simulation::{chance::Chance, envelope::Form, post::Message};

/// What is wrong with a message beside its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Twist {
    Nothing,
    OtherChain,
    OtherNumber,
    OtherPerson,
}

struct Step {
    after: SignedDuration,
    content: Content,
    twist: Twist,
}

/// Answers in a thousand that are never pushed and wait in the mailbox.
const PULL_ONLY_PERMILLE: u16 = 100;
/// Pushes in a thousand whose date has no offset.
const BARE_DATE_PERMILLE: u16 = 250;

const fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

const fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

fn steps(act: Act, chance: &mut Chance) -> Vec<Step> {
    let step = |after, content| Step { after, content, twist: Twist::Nothing };
    let twisted = |twist| {
        let first = Step { twist, ..step(minutes(10), Content::Clear) };
        vec![first, step(minutes(20), Content::Clear)]
    };
    match act {
        Act::Clear
        | Act::PullOnly
        | Act::AckLost
        | Act::AckCut
        | Act::AckHtml
        | Act::AckGarbage
        | Act::AckSlow => vec![step(minutes(10), Content::Clear)],
        Act::Early => vec![step(minutes(0), Content::Clear)],
        Act::Convicted => vec![step(minutes(10), Content::Convicted)],
        Act::AdditionalCheck => {
            let later = hours(72 + i64::from(chance.below(24)));
            vec![step(minutes(10), Content::AdditionalCheck), step(later, Content::Clear)]
        }
        Act::InProgress => {
            vec![step(minutes(5), Content::InProgress), step(minutes(20), Content::Clear)]
        }
        Act::NotIdentified => vec![step(minutes(10), Content::NotIdentified)],
        Act::Late => vec![step(hours(15 * 24), Content::Clear)],
        Act::Twice => vec![step(minutes(10), Content::Clear), step(minutes(11), Content::Clear)],
        Act::TwoDifferent => {
            vec![step(minutes(10), Content::Clear), step(minutes(20), Content::Convicted)]
        }
        Act::Contradiction => vec![step(minutes(10), Content::Contradiction)],
        Act::WrongPerson => twisted(Twist::OtherPerson),
        Act::WrongNumber => twisted(Twist::OtherNumber),
        Act::UnknownChain => twisted(Twist::OtherChain),
        Act::UnknownStatus => vec![step(minutes(10), Content::UnknownStatus)],
        Act::Broken => vec![step(minutes(10), Content::Broken)],
        Act::Never
        | Act::AckLostNever
        | Act::Refused
        | Act::UnknownFault
        | Act::ServerError
        | Act::HtmlBadGateway
        | Act::ResetBefore
        | Act::SlowBefore => Vec::new(),
    }
}

impl Office {
    /// Schedules what follows. Returns the ids of the messages.
    pub(super) fn schedule(&self, act: Act, chain: &Chain, chance: &mut Chance) -> Vec<u64> {
        let steps = steps(act, chance);
        let drawn = chance.permille() < PULL_ONLY_PERMILLE;
        // A message that must come before the acknowledgement can only be pushed.
        let pull_only = act == Act::PullOnly || (drawn && act != Act::Early);
        let certificate = 1 + chance.below(999_999);
        let now = self.simulation.now();
        let mut ids = Vec::new();
        for step in steps {
            let due = now.checked_add(step.after).unwrap_or(jiff::Timestamp::MAX);
            let mut message = self.message(chain, step.content, step.twist, certificate, chance);
            message.at = due;
            ids.push(message.message_id);
            self.simulation.send(due, message, Some(chain.entry), pull_only);
        }
        ids
    }

    /// One message of a chain, dated now.
    pub(super) fn message(
        &self,
        chain: &Chain,
        content: Content,
        twist: Twist,
        certificate: u32,
        chance: &mut Chance,
    ) -> Message {
        let at = self.simulation.now();
        let number = match twist {
            Twist::OtherNumber => chance.uuid().to_string(),
            Twist::Nothing | Twist::OtherChain | Twist::OtherPerson => chain.number.clone(),
        };
        let iin = match (twist, chain.iin.as_str()) {
            (Twist::OtherPerson, "850100300012") => "920300400029",
            (Twist::OtherPerson, _) => "850100300012",
            (Twist::Nothing | Twist::OtherChain | Twist::OtherNumber, own) => own,
        };
        Message {
            message_id: self.simulation.post().next_id(),
            correlation_id: match twist {
                Twist::OtherChain => self.simulation.post().next_id(),
                Twist::Nothing | Twist::OtherNumber | Twist::OtherPerson => chain.correlation_id,
            },
            service_id: SERVICE_ID,
            kind: content.kind(),
            sender: SENDER,
            at,
            bare_date: chance.permille() < BARE_DATE_PERMILLE,
            session: chance.uuid(),
            form: if content == Content::Broken { Form::EscapedText } else { Form::draw(chance) },
            payload: payload(content, &number, iin, certificate, at),
            written: None,
        }
    }
}
