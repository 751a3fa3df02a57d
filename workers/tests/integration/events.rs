//! What subscribers hear: the shape, the order, replies, and events that nobody listens to.

use adapters::systems::gbdfl::PERSON;
use contracts::{
    state::State,
    topology::{EVENTS_EXCHANGE, JOBS_EXCHANGE},
};
use futures_util::StreamExt;
use jiff::SignedDuration;
use lapin::{
    BasicProperties, Channel, Consumer,
    options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions},
    types::FieldTable,
};
use serde_json::{Value, json};
use workers::store::record::{Change, Guard};

use crate::{
    deaths::started,
    servers::run,
    told::{names, told},
    world::{Scene, WAIT_MAX, World, common, id, iin, person, properties, until},
};

#[test]
fn a_promise_that_moves_with_a_record_that_is_no_news_has_the_next_number() {
    run(async {
        for (tells, numbers) in [(false, vec![1, 2]), (true, vec![1, 2, 3])] {
            let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
            let store = &world.stage.store;
            started(&world, &PERSON).await;
            let now = store.business_now().await.unwrap();
            store.jump_to(now.checked_add(SignedDuration::from_hours(1)).unwrap()).await.unwrap();
            let job = world.row("SELECT seq, run FROM hub.job_live").await;
            let run = Guard::Run(i32::try_from(job["run"].as_i64().unwrap()).unwrap());
            let seq = job["seq"].as_i64().unwrap();
            let change = Change { tells, ..Change::to(State::Pending, seq, &PERSON, run) };
            assert!(store.record(&[change]).await.unwrap()[0].is_some());
            let events =
                world.rows("SELECT sequence, routing_key FROM hub.outbox ORDER BY id").await;
            let told: Vec<_> = events.iter().map(|e| e["sequence"].as_i64().unwrap()).collect();
            assert_eq!(told, numbers, "{events:?}");
            let kept = world.row("SELECT events FROM hub.job_live").await;
            assert_eq!(kept["events"], json!(numbers.len()), "what was written was counted");
            world.strike().await;
        }
    });
}

#[test]
fn every_event_is_a_cloud_event_with_the_documented_names() {
    run(async {
        for heard in told().await.events.all() {
            let event = &heard.event;
            let (job, sequence) = (&event["data"]["job_id"], &event["data"]["sequence"]);
            let (operation, name) = heard.key.rsplit_once('.').unwrap();
            let job = job.as_str().unwrap();
            let expected = json!({
                "specversion": "1.0", "source": "urn:aleumet:hub",
                "datacontenttype": "application/json", "id": format!("{job}/{sequence}"),
                "type": format!("kz.aleumet.hub.job.{name}.v1"),
                "subject": format!("{operation}/{job}"),
            });
            for (field, value) in expected.as_object().unwrap() {
                assert_eq!(event[field], *value, "{field} of {}", heard.text);
            }
            assert!(event["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
            serde_json::from_value::<contracts::event::Event>(event.clone()).unwrap();
            for field in ["state", "sla", "subject"] {
                assert!(event["data"][field].is_string(), "{field} of {}", heard.text);
            }
        }
    });
}

#[test]
fn events_of_a_job_arrive_in_order_and_are_counted_from_one() {
    run(async {
        let told = told().await;
        for name in names() {
            let heard = told.events.of(id(name));
            let sequences: Vec<i64> =
                heard.iter().map(|h| h.event["data"]["sequence"].as_i64().unwrap()).collect();
            let expected: Vec<i64> = (1..).take(heard.len()).collect();
            assert_eq!(sequences, expected, "{name}");
            assert_eq!(told.job(name)["events"], json!(heard.len()), "{name}");
        }
    });
}

#[test]
fn invariant_8_no_event_holds_a_number_or_a_name_of_a_person() {
    run(async {
        let told = told().await;
        for heard in told.events.all() {
            for name in names() {
                assert!(!heard.text.contains(&iin(name)), "{name}: {}", heard.text);
            }
            assert!(!heard.text.contains("ТЕСТ"), "{}", heard.text);
        }
    });
}

async fn consume(channel: &Channel, queue: &str) -> Consumer {
    let options =
        BasicConsumeOptions { no_local: false, no_ack: true, exclusive: false, nowait: false };
    channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await.unwrap()
}

/// On the channel that the reply is wanted on.
async fn publish(channel: &Channel, job: &Value, properties: BasicProperties) {
    let (exchange, key) = (JOBS_EXCHANGE.into(), "gbdfl.person".into());
    let (options, body) =
        (BasicPublishOptions { mandatory: true, immediate: false }, job.to_string());
    channel.basic_publish(exchange, key, options, body.as_bytes(), properties).await.unwrap();
}

/// The next message: its correlation id and its body.
async fn next(consumer: &mut Consumer) -> (String, Value) {
    let delivery = tokio::time::timeout(WAIT_MAX, consumer.next()).await.unwrap().unwrap().unwrap();
    let mark = delivery.properties.correlation_id().as_ref().unwrap().to_string();
    (mark, serde_json::from_slice(&delivery.data).unwrap())
}

#[test]
fn a_reply_goes_to_a_plain_queue_and_to_a_direct_reply_with_its_mark() {
    run(async {
        let world = common().await;
        let channel = world.open_channel().await;
        let options = QueueDeclareOptions {
            passive: false,
            durable: false,
            exclusive: true,
            auto_delete: true,
            nowait: false,
        };
        let queue = channel.queue_declare("".into(), options, FieldTable::default()).await.unwrap();
        for (name, to) in [("plain", queue.name().as_str()), ("direct", "amq.rabbitmq.reply-to")] {
            let mut replies = consume(&channel, to).await;
            let properties = properties()
                .with_reply_to(to.into())
                .with_correlation_id(format!("mark of {name}").into());
            let job = person(name);
            let order =
                json!({"system": "gbdfl", "behaviour": "found", "request_number": job["id"]});
            world.stage.order("next", &order).await.unwrap();
            publish(&channel, &job, properties).await;
            let (mark, reply) = next(&mut replies).await;
            assert_eq!(mark, format!("mark of {name}"));
            let event = world.events.wait_for(id(name), "succeeded").await;
            assert_eq!(reply, event, "the reply is the last event");
        }
    });
}

#[test]
fn a_rejection_is_replied_to_as_well() {
    run(async {
        let world = common().await;
        let channel = world.open_channel().await;
        let mut replies = consume(&channel, "amq.rabbitmq.reply-to").await;
        let mut job = person("reply to a rejection");
        job["input"] = json!({});
        let properties = properties()
            .with_reply_to("amq.rabbitmq.reply-to".into())
            .with_correlation_id("rejected".into());
        publish(&channel, &job, properties).await;
        let (mark, reply) = next(&mut replies).await;
        assert_eq!((mark.as_str(), &reply["data"]["state"]), ("rejected", &json!("rejected")));
    });
}

#[test]
fn invariant_1_an_event_that_nobody_listens_to_is_kept_and_not_retried() {
    run(async {
        let scene = Scene { listens: false, ..Scene::default() };
        let world = World::build(scene).await;
        world.play(&person("unheard"), &["found"]).await;
        let kept = until("both events are kept", async || {
            let sql = "SELECT sequence, routing_key, convert_from(body, 'UTF8') AS body
                         FROM hub.unheard ORDER BY sequence";
            let rows = world.rows(sql).await;
            (rows.len() == 2).then_some(rows)
        })
        .await;
        assert_eq!(kept[0]["routing_key"], "gbdfl.person.accepted");
        assert_eq!(kept[1]["routing_key"], "gbdfl.person.succeeded");
        let event: Value = serde_json::from_str(kept[1]["body"].as_str().unwrap()).unwrap();
        assert_eq!(event["data"]["job_id"], id("unheard").to_string());
        assert!(world.rows("SELECT 1 FROM hub.outbox").await.is_empty());
        let unheard = [("result", "unheard")];
        assert!((world.metric(0, "hub_events_published_total", &unheard).await - 2.0).abs() < 0.1);
        // A portal that binds now hears the next event, and not the old ones again.
        let mut late = workers::broker::subscriber::Subscriber::bind(
            &world.stage.amqp_url(),
            EVENTS_EXCHANGE,
            "#",
        )
        .await
        .unwrap();
        world.play(&person("heard"), &["found"]).await;
        let (_, body) = tokio::time::timeout(WAIT_MAX, late.next()).await.unwrap().unwrap();
        let event: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(event["data"]["job_id"], id("heard").to_string());
        world.strike().await;
    });
}
