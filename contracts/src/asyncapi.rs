//! The AsyncAPI 3 document of the hub, made from the same data that the hub runs on.
//!
//! It is written from the hub's side, as the standard has it: the hub *receives* jobs and *sends*
//! events; a portal does the opposite. Payloads refer to the JSON Schemas beside it.
//!
//! *What this does not do*: it does not describe the hub's own queues. A portal publishes to an
//! exchange and binds queues of its own; what is behind the exchange may change.

use serde_json::{Map, Value, json};

use crate::{
    event::EventName,
    operation::{Effect, OperationSpec},
    topology::{EVENTS_EXCHANGE, JOBS_EXCHANGE},
    trace::{STATE_BYTES_MAX, TRACEPARENT, TRACESTATE},
};

/// Version of the AsyncAPI AMQP bindings that are used.
const BINDING_VERSION: &str = "0.3.0";

/// An operation and what the document says of it.
#[derive(Debug, Clone)]
pub struct Described<'a> {
    /// The operation.
    pub spec: &'a OperationSpec,
    /// What people call its system.
    pub system_title: &'a str,
    /// A job, as `JOBS.md` shows it.
    pub example: Value,
}

/// The document: these operations, and the systems that begin messages of their own.
pub fn document(operations: &[Described<'_>], inbound: &[&str]) -> Value {
    let (mut channels, mut messages, mut acts) = (Map::new(), Map::new(), Map::new());
    for described in operations {
        let name = described.spec.name;
        let (jobs, events) = (format!("{name}.jobs"), format!("{name}.events"));
        messages.insert(format!("{name}.job"), job_message(described));
        channels.insert(jobs.clone(), jobs_channel(described));
        channels.insert(events.clone(), events_channel(name, &of_jobs()));
        acts.insert(format!("{name}.receive"), receive(name, &jobs));
        let summary = format!("The hub tells what became of jobs {name}.");
        acts.insert(format!("{name}.send"), send(&summary, &events, &of_jobs()));
    }
    for system in inbound {
        let (name, told) = (format!("{system}.inbound"), [EventName::MessageReceived]);
        let events = format!("{name}.events");
        channels.insert(events.clone(), events_channel(&name, &told));
        let summary = format!("The hub tells of a message that {system} began.");
        acts.insert(format!("{name}.send"), send(&summary, &events, &told));
    }
    let told = [EventName::Rejected];
    channels.insert("unknown.events".to_owned(), unknown_channel(&told));
    let summary = "The hub tells of a job whose routing key is no operation.";
    acts.insert("unknown.send".to_owned(), send(summary, "unknown.events", &told));
    for event in EventName::ALL {
        messages.insert(format!("event.{}", event.name()), event_message(event));
    }
    json!({
        "asyncapi": "3.0.0",
        "id": "urn:aleumet:hub",
        "info": {
            "title": "Integration hub of the portal of social services",
            "version": "1.0.0",
            "description": "Portal backends publish jobs; the hub asks government systems and publishes what became of \
                them. A job may carry the properties reply_to and correlation_id: its terminal event is then also \
                sent to that queue, once, through the default exchange, with the same correlation_id; such a reply can \
                be lost, the event cannot. Every rule: README.md of the project; every job: contracts/JOBS.md; \
                every code: contracts/CODES.md.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": crate::job::CONTENT_TYPE,
        "servers": { "broker": {
            "host": "broker.example:5671",
            "protocol": "amqps",
            "protocolVersion": "0.9.1",
            "description": "RabbitMQ 3.10 to 4.x. The exchanges are declared by the hub.",
        } },
        "channels": channels,
        "operations": acts,
        "components": { "messages": messages },
    })
}

fn exchange(name: &str) -> Value {
    json!({ "amqp": {
        "is": "routingKey",
        "exchange": { "name": name, "type": "topic", "durable": true, "autoDelete": false },
        "bindingVersion": BINDING_VERSION,
    } })
}

fn jobs_channel(described: &Described<'_>) -> Value {
    let name = described.spec.name;
    json!({
        "address": name,
        "title": format!("Jobs {name}"),
        "description": described.system_title,
        "messages": { "job": { "$ref": format!("#/components/messages/{name}.job") } },
        "bindings": exchange(JOBS_EXCHANGE),
    })
}

fn events_channel(name: &str, told: &[EventName]) -> Value {
    let messages: Map<String, Value> = told
        .iter()
        .map(|event| {
            let target = format!("#/components/messages/event.{}", event.name());
            (event.name().to_owned(), json!({ "$ref": target }))
        })
        .collect();
    let names: Vec<&str> = told.iter().map(|event| event.name()).collect();
    json!({
        "address": format!("{name}.{{event}}"),
        "title": format!("Events of {name}"),
        "parameters": { "event": { "enum": names, "description": "What is told." } },
        "messages": messages,
        "bindings": exchange(EVENTS_EXCHANGE),
    })
}

/// Where a job is answered that names no operation.
fn unknown_channel(told: &[EventName]) -> Value {
    let mut channel = events_channel("unknown", told);
    channel["title"] = json!("Events of jobs without an operation");
    channel["description"] = json!(
        "A job with a wrong routing key is not returned to its sender: it is rejected here. Bind it."
    );
    channel
}

/// The events that jobs have.
fn of_jobs() -> Vec<EventName> {
    let all = EventName::ALL.into_iter();
    all.filter(|event| *event != EventName::MessageReceived).collect()
}

fn job_message(described: &Described<'_>) -> Value {
    let OperationSpec { name, effect, .. } = described.spec;
    let effect = match effect {
        Effect::Query => "A query: may be asked again.",
        Effect::Command => "A command: never sent again blindly.",
    };
    json!({
        "name": format!("{name}.job"),
        "title": format!("A job {name}"),
        "summary": effect,
        "description": "Persistent, message_id = id, published with confirms and mandatory. A repetition \
            sends the same id and the same content.",
        "contentType": crate::job::CONTENT_TYPE,
        "headers": trace_headers("Of your trace; what does not fit is ignored."),
        "payload": { "$ref": format!("./{name}.job.v1.json") },
        "correlationId": {
            "location": "$message.payload#/id",
            "description": "Events carry it as data.job_id.",
        },
        "examples": [ { "name": "job", "payload": described.example } ],
        "bindings": { "amqp": { "bindingVersion": BINDING_VERSION } },
    })
}

fn event_message(event: EventName) -> Value {
    let name = event.name();
    json!({
        "name": format!("kz.aleumet.hub.job.{name}.v1"),
        "title": format!("Event {name}"),
        "contentType": crate::job::CONTENT_TYPE,
        "headers": trace_headers("The same as the attribute of the event; absent where the job has no trace."),
        "payload": { "allOf": [
            { "$ref": "./event.v1.json" },
            { "properties": { "type": { "const": format!("kz.aleumet.hub.job.{name}.v1") } } },
        ] },
        "correlationId": { "location": "$message.payload#/data/job_id" },
        "bindings": { "amqp": { "bindingVersion": BINDING_VERSION } },
    })
}

/// W3C Trace Context in the headers of a message; both are optional.
fn trace_headers(text: &str) -> Value {
    json!({ "type": "object", "properties": {
        TRACEPARENT: {
            "type": "string",
            "description": text,
            "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
        },
        TRACESTATE: { "type": "string", "maxLength": STATE_BYTES_MAX },
    } })
}

fn receive(name: &str, channel: &str) -> Value {
    json!({
        "action": "receive",
        "channel": { "$ref": format!("#/channels/{channel}") },
        "summary": format!("The hub takes jobs {name}."),
        "messages": [ { "$ref": format!("#/channels/{channel}/messages/job") } ],
        "bindings": { "amqp": {
            "deliveryMode": 2,
            "mandatory": true,
            "ack": true,
            "bindingVersion": BINDING_VERSION,
        } },
    })
}

fn send(summary: &str, channel: &str, told: &[EventName]) -> Value {
    let messages: Vec<Value> = told
        .iter()
        .map(|event| json!({ "$ref": format!("#/channels/{channel}/messages/{}", event.name()) }))
        .collect();
    json!({
        "action": "send",
        "channel": { "$ref": format!("#/channels/{channel}") },
        "summary": summary,
        "messages": messages,
        "bindings": { "amqp": {
            "deliveryMode": 2,
            "mandatory": true,
            "bindingVersion": BINDING_VERSION,
        } },
    })
}
