//! Hostile pushes: what somebody might send to the hub's inbound endpoint.

use super::{Office, answer::Content, plan::Twist};
use crate::simulation::{behaviour::Forge, envelope::Form, post::Sender};

const OVERSIZE_REPEATS: usize = 200_000;

impl Forge for Office {
    fn kinds(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("unknown_correlation", "a clear answer for a chain that nobody started"),
            ("wrong_person", "a clear answer about another IIN in the last chain"),
            ("wrong_request_number", "a clear answer with another RequestNumber in the last chain"),
            ("unknown_sender", "a clear answer for the last chain from an unknown sender"),
            ("wrong_password", "a clear answer for the last chain with a wrong password"),
            ("no_correlation", "a RESPONSE without correlationId"),
            ("other_service", "a clear answer for the last chain under another serviceId"),
            ("request", "the last chain's answer as messageType REQUEST"),
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
        let chain = self.last_chain().ok_or("let one request be executed first")?;
        let twist = match kind {
            "unknown_correlation" => Twist::OtherChain,
            "wrong_person" => Twist::OtherPerson,
            "wrong_request_number" => Twist::OtherNumber,
            _ => Twist::Nothing,
        };
        let serial = self.simulation.post().next_id().to_string();
        let mut chance = self.simulation.chance(&["forge", kind, &serial]);
        let mut message = self.message(&chain, Content::Clear, twist, 666, &mut chance);
        message.form = Form::Canonical;
        match kind {
            "unknown_sender" => message.sender = Sender { id: "mallory", ..message.sender },
            "wrong_password" => {
                message.sender = Sender { password: "0000000000000000", ..message.sender };
            }
            "other_service" => message.service_id = "sim.other.service",
            "request" => message.kind = "REQUEST",
            _ => {}
        }
        let text = String::from_utf8_lossy(&message.push()).into_owned();
        Ok(match kind {
            "no_correlation" => {
                let id = format!("<correlationId>{}</correlationId>", message.correlation_id);
                text.replace(&id, "")
            }
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
}
