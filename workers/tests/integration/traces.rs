//! One job, one trace: from its publisher to events, reply, callback, calls, spans and log lines.

use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
};

use contracts::topology::EVENTS_EXCHANGE;
use futures_util::StreamExt;
use lapin::{
    BasicProperties, Consumer,
    options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::Value;
use tokio::sync::OnceCell;
use uuid::Uuid;
use workers::telemetry::logs::FIELDS;

use crate::{
    collector::{Collected, Collector},
    servers::run,
    world::{QUICK, Scene, World, check, common, id, iin, person, properties, until},
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const STATE: &str = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";
/// All attributes that a span may have.
const ATTRIBUTES: [&str; 7] =
    ["attempt", "class", "code", "job_id", "operation", "outcome", "system"];

/// The context of a publisher: its trace is the job's id.
fn parent(job: Uuid) -> String {
    format!("00-{}-00f067aa0ba902b7-01", job.simple())
}

fn traced(parent: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.insert("traceparent".into(), AMQPValue::LongString(parent.into()));
    headers.insert("tracestate".into(), AMQPValue::LongString(STATE.into()));
    properties().with_headers(headers)
}

/// A check that is answered at once.
fn quick_check(name: &str) -> Value {
    let mut job = check(name);
    job["operation"] = "mzrk.check".into();
    job
}

async fn publish(world: &World, job: &Value, properties: BasicProperties) -> Uuid {
    let key = job["operation"].as_str().unwrap();
    assert!(world.publish(key, job.to_string().as_bytes(), properties).await);
    job["id"].as_str().unwrap().parse().unwrap()
}

/// A world with a collector, whose gateway of `gbdfl` is broken and is told of traces.
async fn collected() -> &'static (World, Collector, SocketAddr) {
    static COLLECTED: OnceCell<(World, Collector, SocketAddr)> = OnceCell::const_new();
    COLLECTED
        .get_or_init(async || {
            let (collector, address) = Collector::start().await;
            let settings = format!(
                "trace_context = true\n{QUICK}\n[telemetry]\notlp_endpoint = \"http://{address}\"\n\
                 [callbacks]\nhosts = [\"127.0.0.1\"]\nsecret = \"{SECRET}\"\nallow_private = true\n"
            );
            let gateway: &'static str = format!("http://{address}/gateway/").leak();
            let environment = vec![
                ("HUB_LOG", "warn,hub=debug,workers=debug,adapters=debug"),
                ("HUB_LOG_FORMAT", "json"),
                ("HUB_SYSTEMS__GBDFL__URL", gateway),
            ];
            let world = World::build(Scene { settings, environment, ..Scene::default() }).await;
            (world, collector, address)
        })
        .await
}

/// A queue of our own, bound to all events where there is an exchange.
async fn listen(world: &World, exchange: Option<&str>) -> (String, Consumer) {
    let channel = world.open_channel().await;
    let options = QueueDeclareOptions {
        passive: false,
        durable: false,
        exclusive: true,
        auto_delete: true,
        nowait: false,
    };
    let queue = channel.queue_declare("".into(), options, FieldTable::default()).await.unwrap();
    let name = queue.name().clone();
    if let Some(exchange) = exchange {
        let options = QueueBindOptions { nowait: false };
        let (exchange, arguments) = (exchange.into(), FieldTable::default());
        let bound = channel.queue_bind(name.clone(), exchange, "#".into(), options, arguments);
        bound.await.unwrap();
    }
    let options =
        BasicConsumeOptions { no_local: false, no_ack: true, exclusive: true, nowait: false };
    let consumer = channel.basic_consume(name.clone(), "".into(), options, FieldTable::default());
    (name.to_string(), consumer.await.unwrap())
}

/// The headers `traceparent` and `tracestate` of the next message about a job, with its event.
async fn next_about(consumer: &mut Consumer, job: Uuid) -> (Value, [Option<String>; 2]) {
    loop {
        let delivery = consumer.next().await.unwrap().unwrap();
        let event: Value = serde_json::from_slice(&delivery.data).unwrap();
        if event["data"]["job_id"] != job.to_string() {
            continue;
        }
        let headers = delivery.properties.headers().clone().unwrap_or_default();
        let header = |name: &str| {
            let text = headers.inner().get(name)?.as_long_string()?;
            Some(String::from_utf8(text.as_bytes().to_vec()).unwrap())
        };
        return (event, ["traceparent", "tracestate"].map(header));
    }
}

/// The spans of a job, once there are as many of each name.
async fn spans(collector: &Collector, job: Uuid, wanted: [usize; 3]) -> Vec<Collected> {
    until(&format!("{job} has its spans"), async || {
        let spans = collector.of(job);
        let count = |name: &str| spans.iter().filter(|span| span.name == name).count();
        (["admit", "call", "record"].map(count) == wanted).then_some(spans)
    })
    .await
}

fn named<'a>(spans: &'a [Collected], name: &str) -> Vec<&'a Collected> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[test]
fn a_job_is_one_trace_from_its_publisher_to_event_reply_callback_and_spans() {
    run(async {
        let (world, collector, address) = collected().await;
        let (_, mut events) = listen(world, Some(EVENTS_EXCHANGE)).await;
        let (queue, mut replies) = listen(world, None).await;
        let mut job = quick_check("one trace");
        job["callback_url"] = format!("http://{address}/callback").into();
        let job_id = id("one trace");
        let asks = traced(&parent(job_id)).with_reply_to(queue.into());
        publish(world, &job, asks).await;

        let ended = world.ended(job_id).await;
        let spans = spans(collector, job_id, [1, 1, 1]).await;
        let admit = named(&spans, "admit")[0].clone();
        assert_eq!(admit.trace_id, job_id.simple().to_string(), "the trace of the publisher");
        assert_eq!((admit.parent.as_str(), admit.kind), ("00f067aa0ba902b7", SpanKind::Consumer));
        for name in ["call", "record"] {
            let span = named(&spans, name)[0];
            assert_eq!((&span.trace_id, &span.parent), (&admit.trace_id, &admit.span_id), "{name}");
        }
        let call = named(&spans, "call")[0];
        assert_eq!((call.kind, call.failed), (SpanKind::Client, false));
        assert_eq!(call.attributes["outcome"], "answered");
        assert_eq!((&*call.attributes["system"], &*call.attributes["attempt"]), ("mzrk", "1"));
        assert_eq!(admit.resource["service.name"], "hub");
        assert!(admit.resource.contains_key("service.version"));
        assert!(admit.resource["service.instance.id"].parse::<Uuid>().is_ok());

        let place = format!("00-{}-{}-01", admit.trace_id, admit.span_id);
        let headers = [Some(place.clone()), Some(STATE.to_owned())];
        let (first, told) = next_about(&mut events, job_id).await;
        assert_eq!((&first["type"], &told), (&"kz.aleumet.hub.job.accepted.v1".into(), &headers));
        assert_eq!(
            (&first["traceparent"], &first["tracestate"]),
            (&place.clone().into(), &STATE.into())
        );
        let (last, told) = next_about(&mut replies, job_id).await;
        assert_eq!((&last["data"]["state"], &told), (&ended["state"], &headers));
        assert_eq!(
            (&ended["traceparent"], &ended["tracestate"]),
            (&place.clone().into(), &STATE.into())
        );
        let callback = until("a callback came", async || collector.callbacks().pop()).await;
        let header = |name: &str| callback[name].to_str().unwrap();
        assert_eq!([header("traceparent"), header("tracestate")], [place.as_str(), STATE]);
    });
}

#[test]
fn each_attempt_has_a_span_of_its_own_and_a_gateway_is_told_of_it_where_that_is_set() {
    run(async {
        let (world, collector, _) = collected().await;
        let job_id = id("fails in a trace");
        publish(world, &person("fails in a trace"), traced(&parent(job_id))).await;
        assert_eq!(world.ended(job_id).await["state"], "failed");

        let spans = spans(collector, job_id, [1, 3, 3]).await;
        let mut calls = named(&spans, "call");
        calls.sort_by_key(|span| span.attributes["attempt"].clone());
        let attempts: Vec<_> =
            calls.iter().map(|span| span.attributes["attempt"].as_str()).collect();
        assert_eq!(attempts, ["1", "2", "3"]);
        assert!(calls.iter().all(|span| span.failed && span.attributes["class"] == "unreachable"));
        let trace = job_id.simple().to_string();
        let told: Vec<String> = collector.calls().into_iter().flatten().collect();
        for call in calls {
            let place = format!("00-{trace}-{}-01", call.span_id);
            assert!(told.contains(&place), "the gateway was not told of {place}: {told:?}");
        }
    });
}

#[test]
fn a_traceparent_that_is_none_is_counted_and_the_job_begins_a_trace_of_its_own() {
    run(async {
        let (world, collector, _) = collected().await;
        let name = "hub_trace_contexts_ignored_total";
        let before = world.metric(0, name, &[]).await;
        let bad = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        let job_id = publish(world, &quick_check("bad trace"), traced(bad)).await;
        let ended = world.ended(job_id).await;
        assert!(world.metric(0, name, &[]).await > before);
        let spans = spans(collector, job_id, [1, 1, 1]).await;
        let admit = named(&spans, "admit")[0];
        assert_eq!(admit.parent, "", "a root");
        let place = format!("00-{}-{}-01", admit.trace_id, admit.span_id);
        assert_eq!((&ended["traceparent"], &ended["tracestate"]), (&place.into(), &Value::Null));
    });
}

#[test]
fn without_a_collector_the_publishers_context_is_passed_on_and_none_is_made_up() {
    run(async {
        let world = common().await;
        let with = publish(world, &person("passed on"), traced(&parent(id("passed on")))).await;
        let without = world.send(&person("no trace")).await;
        for (job_id, expected) in [(with, Value::from(parent(with))), (without, Value::Null)] {
            let ended = world.ended(job_id).await;
            assert_eq!(ended["traceparent"], expected);
            for heard in world.events.of(job_id) {
                assert_eq!(heard.event["traceparent"], expected, "{}", heard.text);
            }
        }
    });
}

#[test]
fn one_jobs_way_is_found_in_the_log_by_its_id_and_no_line_has_anything_else() {
    run(async {
        let (world, ..) = collected().await;
        let names = ["log good", "log fails", "log doubt"];
        let [good, fails, doubt] = names.map(id);
        world.play(&quick_check("log good"), &["clear"]).await;
        world.send(&person("log fails")).await;
        world.play(&check("log doubt"), &["ack_lost_never"]).await;
        world.ended(good).await;
        world.ended(fails).await;
        world.in_state(doubt, "in_doubt").await;

        let sentence = |line: &Value| line["message"].as_str().unwrap().to_owned();
        let path = world.stage.log_file(0);
        let read = || {
            let text = std::fs::read_to_string(&path).unwrap();
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole).to_owned();
            let line = |line: &str| serde_json::from_str::<Value>(line).expect(line);
            (whole.lines().map(line).collect::<Vec<Value>>(), whole)
        };
        let way = |lines: &[Value], job: Uuid| -> Vec<String> {
            let about = |line: &&Value| line["job_id"] == job.to_string();
            lines.iter().filter(about).map(sentence).collect()
        };
        let (begins, fell) = ("a call begins", "an attempt failed");
        let recorded = "a change of a job was recorded";
        let (lines, text) = until("the ways are logged", async || {
            let (lines, text) = read();
            let ends = |job| way(&lines, job).last().is_some_and(|last| last == recorded);
            (ends(good) && ends(fails) && ends(doubt)).then_some((lines, text))
        })
        .await;
        assert_eq!(way(&lines, good), ["a job was admitted", begins, "they answered", recorded]);
        assert_eq!(way(&lines, doubt), ["a job was admitted", begins, fell, recorded]);
        let failing = way(&lines, fails);
        let count = |what: &str| failing.iter().filter(|line| *line == what).count();
        assert_eq!([count(begins), count(fell), count(recorded)], [3, 3, 3]);

        let known: BTreeSet<&str> =
            FIELDS.into_iter().chain(["timestamp", "level", "target", "message"]).collect();
        let mut of_attempts: HashMap<i64, &Value> = HashMap::new();
        for line in &lines {
            let fields = line.as_object().unwrap();
            let strange: Vec<_> =
                fields.keys().filter(|name| !known.contains(name.as_str())).collect();
            assert!(strange.is_empty(), "{strange:?} in {line}");
            if line["job_id"] == fails.to_string() && line["message"] == fell {
                of_attempts.insert(line["attempt"].as_i64().unwrap(), line);
            }
        }
        assert_eq!(of_attempts.len(), 3, "{of_attempts:?}");
        for line in of_attempts.values() {
            let ids = ["system", "operation", "class"].map(|name| line[name].as_str().unwrap());
            assert_eq!(ids, ["gbdfl", "gbdfl.person", "unreachable"]);
            assert!(line["duration_ms"].is_u64() && line["trace_id"].is_string(), "{line}");
        }
        for name in names {
            assert!(!text.contains(&iin(name)), "a number of a person is in the log");
        }
        assert!(!text.contains("congo="), "what others tell each other is in the log");
    });
}

#[test]
fn spans_have_no_attributes_but_the_closed_set_and_say_nothing_of_a_person() {
    run(async {
        let (world, collector, _) = collected().await;
        world.play(&quick_check("closed set"), &["clear"]).await;
        world.ended(id("closed set")).await;
        spans(collector, id("closed set"), [1, 1, 1]).await;
        for span in collector.all() {
            let strange: Vec<_> =
                span.attributes.keys().filter(|key| !ATTRIBUTES.contains(&key.as_str())).collect();
            assert!(strange.is_empty(), "{strange:?} in {span:?}");
            assert!(!format!("{span:?}").contains(&iin("closed set")), "{span:?}");
        }
        for reason in ["queue_full", "not_taken"] {
            let dropped = world.metric(0, "hub_spans_dropped_total", &[("reason", reason)]).await;
            assert!(dropped.abs() < f64::EPSILON, "{dropped} dropped: {reason}");
        }
    });
}
