//! `kpsisu.check`: starts a check (D7).
//!
//! *Guarantee*: the request is sent once. Only a connection that was never made proves that no
//! check was started; see `failures.rs`.

use async_trait::async_trait;
use contracts::{code, number::Iin, personal::Personal, rejection::FieldError};
use serde::Deserialize;
use serde_json::Value;

use super::{
    failures::{Cause, failure},
    wire::{self, Request},
};
use crate::{
    attempt::{Attempt, Call, Exchange, Outcome},
    channel::AsyncChannel,
    settings::Settings,
    system::{Adapter, ConnectError},
    transport::{
        gateway::Gateway,
        shep_async::{self, Mailbox},
        xml::is_writable,
    },
};

const PURPOSE_DEFAULT: &str = "SIM-LICENSE";

/// What the portal asks. Names are sent when known.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Whose record.
    pub(super) iin: Iin,
    /// Surname.
    #[schemars(length(min = 1, max = 100))]
    surname: Option<Personal<String>>,
    /// Given name.
    #[schemars(length(min = 1, max = 100))]
    name: Option<Personal<String>>,
    /// Patronymic.
    #[schemars(length(min = 1, max = 100))]
    patronymic: Option<Personal<String>>,
    /// Date of birth, `YYYY-MM-DD`.
    #[schemars(extend("format" = "date", "pattern" = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    birth_date: Option<Personal<String>>,
    /// Surname before a marriage or another change.
    #[schemars(length(min = 1, max = 100))]
    previous_surname: Option<Personal<String>>,
    /// What for; a code of theirs.
    #[schemars(length(min = 1, max = 50), extend("pattern" = "^[A-Za-z0-9_.-]+$"))]
    purpose: Option<String>,
}

/// The adapter.
#[derive(Debug)]
pub(super) struct Checks {
    pub(super) gateway: Gateway,
    pub(super) mailbox: Mailbox,
    requestor_bin: String,
}

impl Checks {
    /// Takes account, addresses and believed senders from the settings.
    pub(super) fn new(settings: &Settings) -> Result<Self, ConnectError> {
        Ok(Self {
            gateway: Gateway::new(super::SPEC.name, settings)?,
            mailbox: Mailbox::new(wire::SERVICE_ID, settings, super::CHECK.call_timeout),
            requestor_bin: settings.requestor_bin.clone(),
        })
    }
}

#[async_trait]
impl Adapter for Checks {
    async fn attempt(&self, call: &Call) -> Attempt {
        let Ok(input) = Input::deserialize(call.input.expose()) else {
            let outcome = Outcome::Failed(failure(&Cause::Input));
            return Attempt::new(outcome, Exchange::default());
        };
        let request = self.request(call, &input);
        let (chain, exchange) =
            shep_async::send(&self.gateway, wire::SERVICE_ID, call.now, call.time_limit, |xml| {
                wire::write(xml, request);
            })
            .await;
        let outcome = match chain {
            Ok(chain) => Outcome::Acknowledged(chain),
            Err(trouble) => Outcome::Failed(failure(&Cause::Start(trouble))),
        };
        Attempt::new(outcome, exchange)
    }

    fn channel(&self) -> Option<&dyn AsyncChannel> {
        Some(self)
    }
}

impl Checks {
    fn request<'a>(&'a self, call: &Call, input: &'a Input) -> Request<'a> {
        Request {
            id: call.job_id,
            now: call.now,
            requestor_bin: &self.requestor_bin,
            purpose: input.purpose.as_deref().unwrap_or(PURPOSE_DEFAULT),
            iin: input.iin.expose(),
            surname: text(input.surname.as_ref()),
            name: text(input.name.as_ref()),
            patronymic: text(input.patronymic.as_ref()),
            birth_date: text(input.birth_date.as_ref()),
            previous_surname: text(input.previous_surname.as_ref()),
        }
    }
}

fn text(value: Option<&Personal<String>>) -> Option<&str> {
    value.map(|value| value.expose().trim()).filter(|text| !text.is_empty())
}

/// What a schema cannot say: a name must be writable as XML.
pub(super) fn check_input(input: &Value) -> Vec<FieldError> {
    let fields = input.as_object().into_iter().flatten();
    let unwritable = fields
        .filter(|(_, value)| value.as_str().is_some_and(|text| !text.chars().all(is_writable)));
    unwritable
        .map(|(name, _)| {
            let text = "holds a control character that cannot be sent";
            FieldError::new(&format!("/input/{name}"), code!("control_character"), text)
        })
        .collect()
}
