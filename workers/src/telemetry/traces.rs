//! Spans of jobs, for whoever runs a collector (OTLP over HTTP). Off unless it has an address.
//!
//! ```text
//! publisher's span (or a root of our own) ─ admit ─┬─ call, one an attempt, however much later
//!                                                  └─ record, one a call
//! ```
//!
//! The span `admit` is what is kept with the job and told to everybody after it; so a trace holds
//! together over restarts, other workers and days of waiting.
//!
//! *Guarantee*: nothing waits for the collector. A span is put into a bounded queue or dropped and
//! counted; a collector that is away costs a warning in [`WARN_EVERY`]. Names and attributes are
//! closed sets, codes and ids: nothing personal.
//!
//! *Limits*: `telemetry.spans_max` spans wait, [`BATCH_MAX`] in a request, [`EXPORT_LIMIT`] for each;
//! at the end of the process [`FLUSH_LIMIT`] for what is left.
//!
//! *What this does not do*: it exports no span of a library, and no logs or metrics.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use contracts::{class::Class, trace::TraceContext};
use opentelemetry::{
    Context, InstrumentationScope, KeyValue,
    trace::{
        Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _,
        TraceFlags, TraceId, TraceState, Tracer as _, TracerProvider as _,
    },
};
use opentelemetry_otlp::{
    Protocol, RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{
        IdGenerator, Sampler, SdkTracer, SdkTracerProvider, Span, SpanData, SpanExporter as _,
        SpanProcessor,
    },
};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::metric::Metric;
use crate::{chance::Chance, config::Telemetry};

/// Spans in one request.
pub const BATCH_MAX: usize = 512;
/// A request to the collector ends within this.
pub const EXPORT_LIMIT: Duration = Duration::from_secs(10);
/// A batch that is not full waits this long for more.
pub const GATHER: Duration = Duration::from_secs(1);
/// What is left at the end of the process is sent within this, or dropped.
pub const FLUSH_LIMIT: Duration = Duration::from_secs(3);
/// Between two warnings about a collector that is away.
pub const WARN_EVERY: Duration = Duration::from_secs(60);

/// What a span stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// From the delivery to the commit that makes a job of it.
    Admit,
    /// One attempt.
    Call,
    /// From an attempt's end to the commit that records it.
    Record,
}

/// Begins spans, where somebody collects them.
#[derive(Debug, Default)]
pub struct Traces {
    tracing: Option<Tracing>,
}

#[derive(Debug)]
struct Tracing {
    tracer: SdkTracer,
    /// Until the export is started.
    export: Mutex<Option<Export>>,
    /// Alive as long as spans are begun.
    _provider: SdkTracerProvider,
}

/// A span that has begun; it ends when it is dropped. Nothing where nobody collects.
#[derive(Debug, Default)]
pub struct Open(Option<Box<Begun>>);

#[derive(Debug)]
struct Begun {
    span: Span,
    state: Option<String>,
}

/// The task that sends spans.
#[derive(Debug)]
pub struct Exporting {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

/// Spans cannot be exported with these settings.
#[derive(Debug, thiserror::Error)]
#[error("telemetry.otlp_endpoint: {0}")]
pub struct Error(String);

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Call => "call",
            Self::Record => "record",
        }
    }

    const fn kind(self) -> SpanKind {
        match self {
            Self::Admit => SpanKind::Consumer,
            Self::Call => SpanKind::Client,
            Self::Record => SpanKind::Internal,
        }
    }
}

impl Traces {
    /// For these settings; opens no connection.
    pub fn new(settings: &Telemetry, worker: Uuid, chance: &Chance) -> Result<Self, Error> {
        let Some(url) = &settings.otlp_url else { return Ok(Self::default()) };
        let text = |error: &dyn std::fmt::Display| Error(error.to_string());
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(client(url).map_err(|error| text(&error))?)
            .with_endpoint(url)
            .with_timeout(EXPORT_LIMIT)
            .with_retry_policy(RetryPolicy::disabled()) // the next batch is the next try
            .build()
            .map_err(|error| text(&error))?;
        let resource = Resource::builder()
            .with_service_name("hub")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", worker.to_string()))
            .build();
        exporter.set_resource(&resource);
        let (sink, queue) = mpsc::channel(settings.spans_max);
        let share = f64::from(settings.sample_permille) / 1_000.0;
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_id_generator(Ids(chance.clone()))
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share))))
            .with_span_processor(Queue(sink))
            .build();
        let tracer = provider.tracer_with_scope(InstrumentationScope::builder("hub").build());
        let export = Mutex::new(Some(Export { exporter, queue, warned: None }));
        Ok(Self { tracing: Some(Tracing { tracer, export, _provider: provider }) })
    }

    /// Whether somebody collects.
    pub const fn is_on(&self) -> bool {
        self.tracing.is_some()
    }

    /// Sends spans from now on; `None` where nobody collects, or this was done before.
    pub fn start_exporting(&self) -> Option<Exporting> {
        let waiting = self.tracing.as_ref()?.export.lock();
        let export = waiting.unwrap_or_else(PoisonError::into_inner).take()?;
        let stop = CancellationToken::new();
        Some(Exporting { task: tokio::spawn(export.run(stop.clone())), stop })
    }

    /// Begins a span below this place, or a trace of our own.
    pub fn begin(&self, step: Step, parent: Option<&TraceContext>) -> Open {
        let Some(Tracing { tracer, .. }) = &self.tracing else { return Open(None) };
        let builder = SpanBuilder::from_name(step.name()).with_kind(step.kind());
        let above = parent.map_or_else(Context::new, |parent| {
            Context::new().with_remote_span_context(SpanContext::new(
                TraceId::from(parent.trace_id().0),
                SpanId::from(parent.span_id().0),
                TraceFlags::new(parent.flags()),
                true,
                TraceState::NONE,
            ))
        });
        let span = tracer.build_with_context(builder, &above);
        let state = parent.and_then(TraceContext::state).map(str::to_owned);
        Open(Some(Box::new(Begun { span, state })))
    }
}

impl Open {
    /// The place of this span, for what follows from it.
    pub fn context(&self) -> Option<TraceContext> {
        let Begun { span, state } = self.0.as_deref()?;
        let context = span.span_context();
        TraceContext::new(
            u128::from_be_bytes(context.trace_id().to_bytes()),
            u64::from_be_bytes(context.span_id().to_bytes()),
            context.trace_flags().to_u8(),
            state.as_deref(),
        )
    }

    /// Which job it is about.
    pub fn about(&mut self, job_id: Uuid, system: &'static str, operation: &'static str) {
        let Some(begun) = self.recording() else { return };
        begun.set_attribute(KeyValue::new("job_id", job_id.to_string()));
        begun.set_attribute(KeyValue::new("system", system));
        begun.set_attribute(KeyValue::new("operation", operation));
    }

    /// Which attempt of it, counted from 1.
    pub fn attempt(&mut self, number: i32) {
        if let Some(begun) = self.recording() {
            begun.set_attribute(KeyValue::new("attempt", i64::from(number)));
        }
    }

    /// What came of it.
    pub fn outcome(&mut self, outcome: &'static str) {
        if let Some(begun) = self.recording() {
            begun.set_attribute(KeyValue::new("outcome", outcome));
        }
    }

    /// That it failed, and how: our own code.
    pub fn failed(&mut self, class: Class, code: &'static str) {
        let Some(begun) = self.recording() else { return };
        begun.set_attribute(KeyValue::new("class", class.name()));
        begun.set_attribute(KeyValue::new("code", code));
        // A no is an answer.
        if class != Class::Refused {
            begun.set_status(Status::error(code));
        }
    }

    fn recording(&mut self) -> Option<&mut Span> {
        self.0.as_deref_mut().map(|begun| &mut begun.span).filter(|span| span.is_recording())
    }
}

impl Exporting {
    /// Sends what is left, as far as that is quick.
    pub async fn finish(self) {
        self.stop.cancel();
        if tokio::time::timeout(FLUSH_LIMIT, self.task).await.is_err() {
            tracing::warn!("the last spans did not reach the collector in time");
        }
    }
}

/// Hands ended spans to the export, and never waits.
#[derive(Debug)]
struct Queue(mpsc::Sender<SpanData>);

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.0.try_send(span).is_err() {
            Metric::SpansDropped.count([("reason", "queue_full")]);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[derive(Debug)]
struct Export {
    exporter: SpanExporter,
    queue: mpsc::Receiver<SpanData>,
    warned: Option<Instant>,
}

impl Export {
    async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                _ = self.queue.recv_many(&mut batch, BATCH_MAX) => {}
                () = stop.cancelled() => self.queue.close(),
            }
            if batch.is_empty() && stop.is_cancelled() {
                self.queue.recv_many(&mut batch, BATCH_MAX).await;
            }
            if batch.is_empty() {
                return;
            }
            let full = batch.len() == BATCH_MAX;
            self.send(std::mem::take(&mut batch)).await;
            if !full {
                tokio::select! { () = tokio::time::sleep(GATHER) => {}, () = stop.cancelled() => {} }
            }
        }
    }

    async fn send(&mut self, batch: Vec<SpanData>) {
        let spans = batch.len() as u64;
        let sent = tokio::time::timeout(EXPORT_LIMIT, self.exporter.export(batch)).await;
        if matches!(sent, Ok(Ok(()))) {
            return;
        }
        Metric::SpansDropped.add(spans, [("reason", "not_taken")]);
        if self.warned.is_none_or(|last| last.elapsed() >= WARN_EVERY) {
            self.warned = Some(Instant::now());
            // Their words may repeat the address, and with it a token.
            tracing::warn!(
                spans,
                "the collector does not take spans; they are dropped and counted"
            );
        }
    }
}

/// Ids from the one source of randomness.
#[derive(Debug)]
struct Ids(Chance);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        let mut bytes = [0; 16];
        self.0.fill(&mut bytes);
        TraceId::from_bytes(bytes)
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from(span_id(&self.0))
    }
}

/// A place in a trace that nobody else has.
pub fn span_id(chance: &Chance) -> u64 {
    let mut bytes = [0; 8];
    chance.fill(&mut bytes);
    u64::from_be_bytes(bytes).max(1)
}

/// A client for the collector: nothing personal goes there, and nothing waits for it.
#[expect(clippy::disallowed_methods, reason = "no government system: our own collector")]
fn client(url: &str) -> Result<reqwest::Client, reqwest::Error> {
    adapters::transport::http::install_tls();
    let mut builder = reqwest::Client::builder()
        .timeout(EXPORT_LIMIT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy(); // the address comes from the settings alone
    if url.starts_with("http:") {
        // No TLS, so no need to find the machine's roots, which may have none.
        builder = builder.tls_certs_only([]);
    }
    builder.build()
}

#[cfg(test)]
mod tests;
