//! Readers of envelopes and documents, and what the gateway delivers.

use std::{collections::HashMap, path::Path, sync::Arc};

use adapters::{
    channel::{MessageKind, Reading},
    settings::Settings,
    system::Adapter,
    systems::{self, kazpost::Callback},
    transport::{
        payload,
        shep_async::{self, Push},
        shep_sync, soap,
        xml::{self, DEPTH_MAX, ELEMENTS_MAX, Element, Writer},
    },
};
use contracts::case::Kind;

use super::{
    payloads::{call, connect, hides_people, operation, proofs},
    run::Target,
    seeds::{Seed, of_cases},
};

/// A document may hold thousands that lie in each other.
const DATA_READ_MAX: usize = 8;

/// Documents: what every envelope is read with.
pub(crate) struct Documents(Vec<Seed>);

impl Documents {
    pub(crate) fn new() -> Self {
        Self(of_cases(|_, name| Path::new(name).extension().is_some_and(|end| end == "xml")))
    }
}

impl Target for Documents {
    fn name(&self) -> &'static str {
        "documents"
    }

    fn seeds(&self) -> &[Seed] {
        &self.0
    }

    fn check(&self, _: &Seed, bytes: &[u8]) -> Result<(), String> {
        let Ok(document) = xml::read(bytes) else { return Ok(()) };
        if document.root().descendants().count() >= ELEMENTS_MAX
            || depth(document.root()) > DEPTH_MAX
        {
            return Err("a limit does not hold".to_owned());
        }
        let written = write(document.root());
        let again = xml::read(written.as_bytes())
            .map_err(|error| format!("what was read cannot be read again: {error}"))?;
        if !is_same(document.root(), again.root()) {
            return Err("what was written reads otherwise".to_owned());
        }
        // As the hub does: `data` alone. All elements would be read once for each that holds them.
        let data = document.root().descendants().filter(|element| element.local() == "data");
        for element in data.take(DATA_READ_MAX) {
            payload::payload(element.content_of(bytes)).ok();
        }
        soap::body(&document).ok();
        drop(shep_sync::read(document));
        Ok(())
    }
}

fn depth(element: Element<'_>) -> usize {
    1 + element.children().map(depth).max().unwrap_or(0)
}

fn write(element: Element<'_>) -> String {
    let mut writer = Writer::with_capacity(1024);
    put(&mut writer, element);
    writer.finish().expect("writable")
}

fn put(writer: &mut Writer, element: Element<'_>) {
    if element.has_children() {
        writer.open(element.local());
        element.children().for_each(|child| put(writer, child));
        writer.close(element.local());
    } else {
        writer.leaf(element.local(), element.text());
    }
}

fn is_same(one: Element<'_>, other: Element<'_>) -> bool {
    let text = |element: Element<'_>| element.text().to_owned();
    one.local() == other.local()
        && text(one) == text(other)
        && one.children().count() == other.children().count()
        && one.children().zip(other.children()).all(|(one, other)| is_same(one, other))
}

/// Messages of the gateway: read, then judged against their job, or received.
pub(crate) struct Pushes {
    seeds: Vec<Seed>,
    adapters: HashMap<&'static str, Arc<dyn Adapter>>,
}

impl Pushes {
    pub(crate) fn new() -> Self {
        let seeds = of_cases(|case, name| {
            let is_delivered = |kind| {
                matches!(kind, Kind::Response | Kind::Notification | Kind::Request | Kind::Update)
            };
            name == "response.xml"
                && ["kpsisu", "eqyzmet"].iter().any(|one| case.operation.starts_with(one))
                && case.message.is_some_and(is_delivered)
        });
        let all = systems::all();
        let adapters =
            all.iter().map(|one| (one.spec().name, connect(&**one, "http://127.0.0.1:1")));
        Self { seeds, adapters: adapters.collect() }
    }
}

impl Target for Pushes {
    fn name(&self) -> &'static str {
        "pushes"
    }

    fn seeds(&self) -> &[Seed] {
        &self.seeds
    }

    fn check(&self, seed: &Seed, bytes: &[u8]) -> Result<(), String> {
        let case = seed.case.as_ref().expect("a case");
        let message = match shep_async::read_push(bytes) {
            Ok(Push::Message(message)) => message,
            Ok(Push::StatusChange(_)) => return Ok(()),
            Err(error) => return hides_people(case, &format!("{error} {error:?}")),
        };
        // Ids of the gateway print; a bent one may look like anybody.
        let plain = adapters::channel::Message {
            message_id: String::new(),
            correlation_id: String::new(),
            service_id: String::new(),
            sender_id: String::new(),
            session_id: None,
            ..message.clone()
        };
        hides_people(case, &format!("{plain:?}"))?;
        let system = case.operation.split('.').next().unwrap_or_default();
        let Some(channel) = self.adapters[system].channel() else { return Ok(()) };
        let number = channel.request_number(&message);
        match channel.receive(&message) {
            Some(Ok(received)) => {
                let data = String::from_utf8_lossy(message.data.expose()).into_owned();
                // eqyzmet: the organisation that is ours stands in the message.
                if !data.contains("990140000007") && !data.contains("&#") {
                    return Err("it receives a message for nobody".to_owned());
                }
                hides_people(case, &format!("{received:?}"))?;
            }
            Some(Err(mismatch)) => hides_people(case, &format!("{mismatch:?}"))?,
            None => {}
        }
        let Some(call) = operation(case).and_then(|one| call(case, one)) else { return Ok(()) };
        let reading = channel.judge(&message, &call);
        hides_people(case, &format!("{reading:?}"))?;
        let is_for_us = number == Some(call.job_id);
        match reading {
            Reading::Answered(answer) if is_for_us && message.kind == MessageKind::Response => {
                proofs(case, call.operation, &answer.summary, message.data.expose())
            }
            Reading::Answered(_) => Err("it answers another job, or before the end".to_owned()),
            Reading::Progress { .. } if !is_for_us => {
                Err("it is another job's progress".to_owned())
            }
            Reading::Progress { .. } | Reading::Failed(_) | Reading::NotOurs(_) => Ok(()),
        }
    }
}

/// Kazpost's hint that a parcel moved.
pub(crate) struct Hints {
    seeds: Vec<Seed>,
    callback: Callback,
}

impl Hints {
    pub(crate) fn new() -> Self {
        let mut settings = Settings::for_url("http://127.0.0.1:1/");
        settings.options.insert("callback_enabled".to_owned(), "true".into());
        settings.options.insert("callback_secret".to_owned(), "known to us alone".into());
        let body =
            r#"{"secret": "known to us alone", "trackid": "AP000000014KZ", "status": "RCPOPS"}"#;
        let seed = Seed { name: "hint.json".to_owned(), bytes: body.into(), case: None };
        Self { seeds: vec![seed], callback: Callback::new(&settings).expect("switched on") }
    }
}

impl Target for Hints {
    fn name(&self) -> &'static str {
        "hints"
    }

    fn seeds(&self) -> &[Seed] {
        &self.seeds
    }

    fn check(&self, _: &Seed, bytes: &[u8]) -> Result<(), String> {
        match self.callback.read(bytes) {
            Ok(number) => {
                // What is passed over may be nested deeper than a value may be.
                let Ok(json) = serde_json::from_slice::<serde_json::Value>(bytes) else {
                    return Ok(());
                };
                let is_right = json["secret"] == "known to us alone"
                    && json["trackid"].as_str().is_some_and(|text| text.trim() == number.expose());
                if is_right {
                    Ok(())
                } else {
                    Err("it believes a hint without the secret".to_owned())
                }
            }
            Err(error) => {
                let shown = format!("{error} {error:?}");
                if shown.contains("AP0000") || shown.contains("known to us") {
                    return Err("an error shows what was read".to_owned());
                }
                Ok(())
            }
        }
    }
}
