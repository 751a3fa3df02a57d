//! Conversations that ИИС «Е-қызмет» begins: by order, a reviewer's decision in business time, and
//! hostile pushes.

use jiff::{SignedDuration, Timestamp};

use super::{
    ORGANISATION, Office, SENDER, SERVICE_ID,
    behaviour::Behaviour as Act,
    ledger::Kept,
    letter::{Flaw, Letter, letter},
    request::Question,
};
use crate::simulation::{
    behaviour::Forge,
    envelope::Form,
    post::{Message, Sender},
};

/// Pushes in a thousand whose date has no offset.
const BARE_DATE_PERMILLE: u16 = 250;
const OVERSIZE_REPEATS: usize = 300_000;
/// Between the parts of one conversation.
const PAUSE: SignedDuration = SignedDuration::from_mins(10);

const CONVERSATIONS: &[(&str, &str)] = &[
    ("notice", "a notice, read-only"),
    ("editable", "an editable message with fields and a file"),
    ("changed", "an editable message, and after 10 minutes an UPDATE of it"),
    ("update_first", "an UPDATE, and after 10 minutes the REQUEST that came before it"),
    ("twice", "an editable message in two messages of the gateway"),
    ("pull_only", "a notice that is never pushed: it waits in the mailbox"),
    ("other_organisation", "a notice for an organisation that is not ours"),
    ("lengths_differ", "parallel lists of different length"),
    ("key_twice", "a key stands twice"),
    ("no_values", "a param without values"),
    ("no_service_name", "no serviceName"),
    ("unknown_service", "a serviceName that is none of messages"),
    ("no_message_id", "no messageId"),
    ("no_revision", "no revision"),
    ("unknown_state", "a state that no document lists"),
    ("person_in_id", "a person's number in the place of the message's id"),
    ("huge", "a text of more than a hundred thousand characters"),
    ("not_xml", "a payload that is no XML"),
];

/// One push of a conversation.
struct Step {
    kind: &'static str,
    after: SignedDuration,
    revision: u32,
}

impl Office {
    /// The reviewer's decision about a submission. Returns the id of its push.
    pub(super) fn decide(&self, act: Act, asked: &Question, entry: u64) -> Option<u64> {
        let (state, after) = act.decision()?;
        let due = self.simulation.now().checked_add(after).unwrap_or(Timestamp::MAX);
        let open_from = (state == "SIM-RETURNED").then_some(due);
        let kept = self.ledger().decide(&asked.message_id, open_from)?;
        let payload = payload(&kept, kept.revision, state, due, Flaw::None);
        let message = self.message(&kept, "UPDATE", due, payload);
        let id = message.message_id;
        self.simulation.send(due, message, Some(entry), false);
        Some(id)
    }

    fn message(&self, kept: &Kept, kind: &'static str, at: Timestamp, payload: String) -> Message {
        let message_id = self.simulation.post().next_id();
        let serial = message_id.to_string();
        let mut chance = self.simulation.chance(&["eqyzmet", "message", &serial]);
        Message {
            message_id,
            correlation_id: kept.chain,
            service_id: SERVICE_ID,
            kind,
            sender: SENDER,
            at,
            bare_date: chance.permille() < BARE_DATE_PERMILLE,
            session: chance.uuid(),
            form: Form::draw(&mut chance),
            payload,
            written: None,
        }
    }

    /// Remembers a message that begins now.
    fn open(&self, organisation: &str, is_editable: bool, revision: u32) -> Kept {
        let chain = self.simulation.post().next_id();
        let kept = Kept {
            message_id: format!("SIM-{chain}.1"),
            organisation: organisation.to_owned(),
            is_editable,
            revision,
            chain,
            holder: None,
            open_from: None,
        };
        self.ledger().keep(kept.clone());
        kept
    }

    fn send(&self, kept: &Kept, kind: &str, step: &Step, due: Timestamp) {
        let due = due.checked_add(step.after).unwrap_or(Timestamp::MAX);
        let payload = if kind == "not_xml" {
            "<Request serviceName=\"SIM_noticeMessage\"><param></Request>".to_owned()
        } else {
            payload(kept, step.revision, "SIM-NEW", due, flaw(kind))
        };
        let mut message = self.message(kept, step.kind, due, payload);
        if kind == "not_xml" {
            message.form = Form::EscapedText;
        }
        self.simulation.send(due, message, None, kind == "pull_only");
    }
}

fn payload(kept: &Kept, revision: u32, state: &str, at: Timestamp, flaw: Flaw) -> String {
    let described = Letter {
        message_id: &kept.message_id,
        organisation: &kept.organisation,
        is_editable: kept.is_editable,
        revision,
        state,
        at,
    };
    letter(described, flaw)
}

fn flaw(kind: &str) -> Flaw {
    match kind {
        "lengths_differ" => Flaw::LengthsDiffer,
        "key_twice" => Flaw::KeyTwice,
        "no_values" => Flaw::NoValues,
        "no_service_name" => Flaw::NoServiceName,
        "unknown_service" => Flaw::UnknownService,
        "no_message_id" => Flaw::NoMessageId,
        "no_revision" => Flaw::NoRevision,
        "unknown_state" => Flaw::UnknownState,
        "person_in_id" => Flaw::PersonInId,
        "huge" => Flaw::Huge,
        _ => Flaw::None,
    }
}

fn steps(kind: &str) -> Vec<Step> {
    let step = |kind, after, revision| Step { kind, after, revision };
    let now = SignedDuration::ZERO;
    match kind {
        "changed" => vec![step("REQUEST", now, 1), step("UPDATE", PAUSE, 2)],
        "update_first" => vec![step("UPDATE", now, 2), step("REQUEST", PAUSE, 1)],
        "twice" => vec![step("REQUEST", now, 1), step("REQUEST", now, 1)],
        _ => vec![step("REQUEST", now, 1)],
    }
}

impl Forge for Office {
    fn kinds(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("unknown_sender", "a notice from an unknown sender"),
            ("wrong_password", "a notice with a wrong password"),
            ("other_service", "a notice under another serviceId"),
            ("response", "a notice as messageType RESPONSE"),
            ("duplicate", "the last delivered message once more"),
            ("not_xml", "text that is no XML"),
            ("cut", "half of a message"),
            ("doctype", "a message with a DOCTYPE"),
            ("oversize", "a message of some megabytes"),
        ]
    }

    fn forge(&self, kind: &str) -> Result<Vec<u8>, &'static str> {
        if kind == "not_xml" {
            return Ok(b"this is no XML".to_vec());
        }
        if kind == "duplicate" {
            let last = self.simulation.post().last_delivered();
            return last.map(|message| message.push()).ok_or("let one message be delivered first");
        }
        let kept = self.open(ORGANISATION, false, 1);
        let now = self.simulation.now();
        let payload = payload(&kept, 1, "SIM-NEW", now, Flaw::None);
        let mut message = self.message(&kept, "REQUEST", now, payload);
        message.form = Form::Canonical;
        match kind {
            "unknown_sender" => message.sender = Sender { id: "mallory", ..message.sender },
            "wrong_password" => {
                message.sender = Sender { password: "0000000000000000", ..message.sender };
            }
            "other_service" => message.service_id = "sim.other.service",
            "response" => message.kind = "RESPONSE",
            _ => {}
        }
        let text = String::from_utf8_lossy(&message.push()).into_owned();
        Ok(match kind {
            "cut" => text.chars().take(text.chars().count() / 2).collect(),
            "doctype" => format!("<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{text}"),
            "oversize" => {
                let filler = "filler ".repeat(OVERSIZE_REPEATS);
                text.replace("<data>", &format!("<data>{filler}"))
            }
            _ => text,
        }
        .into_bytes())
    }

    fn conversations(&self) -> &'static [(&'static str, &'static str)] {
        CONVERSATIONS
    }

    fn begin(&self, kind: &str, organisation: Option<&str>, due: Timestamp) -> String {
        let organisation = match kind {
            "other_organisation" => "150641000006",
            _ => organisation.unwrap_or(ORGANISATION),
        };
        let is_notice = matches!(kind, "notice" | "pull_only" | "other_organisation" | "not_xml");
        let steps = steps(kind);
        let last = steps.iter().map(|step| step.revision).max().unwrap_or(1);
        let kept = self.open(organisation, !is_notice, last);
        for step in &steps {
            self.send(&kept, kind, step, due);
        }
        kept.message_id
    }
}
