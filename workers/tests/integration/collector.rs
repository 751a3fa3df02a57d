//! A collector: takes spans over OTLP/HTTP as the real ones do, and keeps them. Beside it the other
//! ends that a trace reaches by HTTP.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{KeyValue, any_value::Value as Any},
    trace::v1::{Span, span::SpanKind},
};
use prost::Message as _;

/// One span as it came.
#[derive(Debug, Clone)]
pub struct Collected {
    pub name: String,
    pub kind: SpanKind,
    pub trace_id: String,
    pub span_id: String,
    /// Empty for a root.
    pub parent: String,
    pub failed: bool,
    pub attributes: BTreeMap<String, String>,
    pub resource: BTreeMap<String, String>,
}

/// What came by HTTP: spans, and the headers of callbacks and of calls to a gateway.
#[derive(Debug, Clone, Default)]
pub struct Collector {
    spans: Arc<Mutex<Vec<Collected>>>,
    callbacks: Arc<Mutex<Vec<HeaderMap>>>,
    calls: Arc<Mutex<Vec<Option<String>>>>,
}

impl Collector {
    pub async fn start() -> (Self, SocketAddr) {
        let collector = Self::default();
        let app = Router::new()
            .route("/v1/traces", post(take))
            .route("/callback", post(call_back))
            .route("/gateway/", post(refuse))
            .with_state(collector.clone());
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (collector, address)
    }

    /// The spans of a job.
    pub fn of(&self, job_id: uuid::Uuid) -> Vec<Collected> {
        let of_job = |span: &&Collected| span.attributes["job_id"] == job_id.to_string();
        self.spans.lock().unwrap().iter().filter(of_job).cloned().collect()
    }

    pub fn all(&self) -> Vec<Collected> {
        self.spans.lock().unwrap().clone()
    }

    pub fn callbacks(&self) -> Vec<HeaderMap> {
        self.callbacks.lock().unwrap().clone()
    }

    /// The `traceparent` of every call to the gateway.
    pub fn calls(&self) -> Vec<Option<String>> {
        self.calls.lock().unwrap().clone()
    }
}

async fn take(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) -> Vec<u8> {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let mut spans = collector.spans.lock().unwrap();
    for of_resource in request.resource_spans {
        let resource = read(&of_resource.resource.unwrap().attributes);
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(collected(&span, resource.clone()));
        }
    }
    ExportTraceServiceResponse::default().encode_to_vec()
}

fn collected(span: &Span, resource: BTreeMap<String, String>) -> Collected {
    assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
    Collected {
        name: span.name.clone(),
        kind: span.kind(),
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        failed: span.status.as_ref().is_some_and(|status| status.code == 2),
        attributes: read(&span.attributes),
        resource,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| {
        let value = attribute.value.as_ref().unwrap().value.as_ref().unwrap();
        if let Any::StringValue(text) = value {
            return text.clone();
        }
        if let Any::IntValue(number) = value { number.to_string() } else { format!("{value:?}") }
    };
    attributes.iter().map(|one| (one.key.clone(), text(one))).collect()
}

async fn call_back(State(collector): State<Collector>, headers: HeaderMap) -> StatusCode {
    collector.callbacks.lock().unwrap().push(headers);
    StatusCode::NO_CONTENT
}

/// A gateway that is broken.
async fn refuse(State(collector): State<Collector>, headers: HeaderMap) -> StatusCode {
    let parent = headers.get("traceparent").map(|value| value.to_str().unwrap().to_owned());
    collector.calls.lock().unwrap().push(parent);
    StatusCode::SERVICE_UNAVAILABLE
}
