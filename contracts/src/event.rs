//! Events: CloudEvents 1.0 in JSON, published to `hub.events`.
//!
//! *Guarantee*: an event holds no personal data: a subject is the portal's own key, and a summary is
//! made of closed sets, codes and numbers of certificates. The `id` of an event is made from the
//! job and the sequence, so a subscriber that sees it twice can tell.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    rejection::FieldError,
    state::{Sla, State},
    trace::TraceContext,
};

/// Where events come from: the `source` of every CloudEvent.
pub const SOURCE: &str = "urn:aleumet:hub";
/// Stands for the operation in the routing key where the job names none that exists.
pub const UNKNOWN_OPERATION: &str = "unknown";

/// What an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventName {
    /// The hub has the job and will not lose it.
    Accepted,
    /// The job breaks a contract; `errors` says where.
    Rejected,
    /// Their system reported something in between.
    Progress,
    /// To be tried again.
    Waiting,
    /// They acknowledged; the answer comes later.
    Pending,
    /// A command's answer was lost.
    InDoubt,
    /// The warning point of the SLA has passed.
    SlaAtRisk,
    /// The deadline of the SLA has passed.
    SlaBreached,
    /// They answered.
    Succeeded,
    /// They said no.
    Refused,
    /// It cannot succeed any more.
    Failed,
    /// Nobody answered in time.
    Expired,
    /// Withdrawn.
    Cancelled,
    /// A message came in for the portal.
    MessageReceived,
}

impl EventName {
    /// All names.
    pub const ALL: [Self; 14] = [
        Self::Accepted,
        Self::Rejected,
        Self::Progress,
        Self::Waiting,
        Self::Pending,
        Self::InDoubt,
        Self::SlaAtRisk,
        Self::SlaBreached,
        Self::Succeeded,
        Self::Refused,
        Self::Failed,
        Self::Expired,
        Self::Cancelled,
        Self::MessageReceived,
    ];

    /// The name in routing keys and types.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Progress => "progress",
            Self::Waiting => "waiting",
            Self::Pending => "pending",
            Self::InDoubt => "in_doubt",
            Self::SlaAtRisk => "sla_at_risk",
            Self::SlaBreached => "sla_breached",
            Self::Succeeded => "succeeded",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::MessageReceived => "message_received",
        }
    }

    /// The event that tells of a job's arrival in a state; a running job tells nothing.
    pub const fn of_state(state: State) -> Option<Self> {
        match state {
            State::Accepted => Some(Self::Accepted),
            State::Calling => None,
            State::Waiting => Some(Self::Waiting),
            State::Pending => Some(Self::Pending),
            State::InDoubt => Some(Self::InDoubt),
            State::Succeeded => Some(Self::Succeeded),
            State::Refused => Some(Self::Refused),
            State::Failed => Some(Self::Failed),
            State::Expired => Some(Self::Expired),
            State::Cancelled => Some(Self::Cancelled),
            State::Rejected => Some(Self::Rejected),
        }
    }
}

/// A CloudEvent as published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Hub event, version 1 (CloudEvents 1.0)")]
pub struct Event {
    /// Always `1.0`.
    pub specversion: String,
    /// The same again whenever this event is published again.
    pub id: String,
    /// Always `urn:aleumet:hub`.
    pub source: String,
    /// `kz.aleumet.hub.job.<event>.v1`.
    pub r#type: String,
    /// `<operation>/<job id>`.
    pub subject: String,
    /// Business time of the change.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub time: Timestamp,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// The trace that the job belongs to (W3C Trace Context, version 00), where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(equal = 55), regex(pattern = "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"))]
    pub traceparent: Option<String>,
    /// What came beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub tracestate: Option<String>,
    /// What happened.
    pub data: EventData,
}

/// What happened to a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventData {
    /// The publisher's id.
    pub job_id: Uuid,
    /// The portal's record, where the job named one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The job's state now.
    pub state: State,
    /// How it stands to its promise.
    pub sla: Sla,
    /// Counts the events of one job from 1; 0 where the event is not about the job with this id.
    pub sequence: i64,
    /// What was learned, without personal data. A `code` in it is explained in `contracts/CODES.md`,
    /// one anchor each.
    pub summary: Map<String, Value>,
    /// For `rejected`: one entry a fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl Event {
    /// An event about a job of `operation` (`unknown` where it names none).
    pub fn new(name: EventName, operation: &str, time: Timestamp, data: EventData) -> Self {
        let mut id = format!("{}/{}", data.job_id, data.sequence);
        // Several different events may be about one id that is not their own.
        if let (0, Some(code)) = (data.sequence, data.summary.get("code").and_then(Value::as_str)) {
            id = format!("{id}/{code}");
        }
        Self {
            specversion: "1.0".to_owned(),
            id,
            source: SOURCE.to_owned(),
            r#type: format!("kz.aleumet.hub.job.{}.v1", name.name()),
            subject: format!("{operation}/{}", data.job_id),
            time,
            datacontenttype: crate::job::CONTENT_TYPE.to_owned(),
            traceparent: None,
            tracestate: None,
            data,
        }
    }

    /// The same, as a part of this trace: the extension "distributed tracing" of CloudEvents.
    #[must_use]
    pub fn within(self, trace: Option<&TraceContext>) -> Self {
        Self {
            traceparent: trace.map(TraceContext::parent),
            tracestate: trace.and_then(TraceContext::state).map(str::to_owned),
            ..self
        }
    }
}

/// The routing key of an event.
pub fn routing_key(operation: &str, name: EventName) -> String {
    format!("{operation}.{}", name.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_cloud_event_with_the_fixed_outside_names() {
        let data = EventData {
            job_id: Uuid::nil(),
            subject: Some("specialist:1".to_owned()),
            state: State::Succeeded,
            sla: Sla::OnTime,
            sequence: 2,
            summary: Map::new(),
            errors: Vec::new(),
        };
        let time = "2026-11-22T10:00:00+05:00".parse().expect("instant");
        let event = Event::new(EventName::Succeeded, "kpsisu.check", time, data);
        let json = serde_json::to_value(&event).expect("serialises");
        assert_eq!(json["specversion"], "1.0");
        assert_eq!(json["type"], "kz.aleumet.hub.job.succeeded.v1");
        assert_eq!(json["subject"], "kpsisu.check/00000000-0000-0000-0000-000000000000");
        assert_eq!(json["id"], "00000000-0000-0000-0000-000000000000/2");
        assert_eq!(json["time"], "2026-11-22T05:00:00Z");
        assert!(json["data"].get("errors").is_none());
        assert!(json.get("traceparent").is_none(), "no trace is made up");
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = TraceContext::read(parent, Some("a=1"));
        let traced = event.within(trace.as_ref());
        assert_eq!(traced.traceparent.as_deref(), Some(parent));
        let body = serde_json::to_vec(&traced).expect("serialises");
        assert_eq!(TraceContext::of_event(&body), trace);
    }

    #[test]
    fn event_names_are_the_ones_of_the_design() {
        let names: Vec<_> = EventName::ALL.iter().map(|n| n.name()).collect();
        assert_eq!(
            names.join(" "),
            "accepted rejected progress waiting pending in_doubt sla_at_risk sla_breached \
             succeeded refused failed expired cancelled message_received"
        );
    }
}
