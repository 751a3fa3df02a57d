//! The definitions and the logins on a real RabbitMQ and a real PostgreSQL.

use std::{path::Path, process::Command};

use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, ErrorKind,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use secrecy::SecretString;
use serde_json::Value;
use workers::{
    config::Retention,
    policy::calendar::Calendar,
    services::{Options, Services},
    store::Store,
};

use crate::{folder, secrets};

const ACCESS_REFUSED: u16 = 403;

async fn services() -> Services {
    let say = Box::new(|sentence: &str| println!("{sentence}"));
    Services::start(&Options { say, ..Options::default() }).await.unwrap()
}

fn secret(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap().trim().to_owned()
}

async fn channel(url: &str) -> Channel {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions { nowait: false }).await.unwrap();
    channel
}

fn code(error: &lapin::Error) -> u16 {
    let ErrorKind::ProtocolError(told) = error.kind() else { panic!("{error}") };
    told.get_id()
}

async fn declare(channel: &Channel, name: &str) -> lapin::Result<()> {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    channel.queue_declare(name.into(), options, arguments).await.map(|_| ())
}

async fn publish(channel: &Channel, exchange: &str, key: &str) -> lapin::Result<()> {
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    let sent =
        channel.basic_publish(exchange.into(), key.into(), options, b"{}", properties).await?;
    sent.await.map(|_| ())
}

#[tokio::test]
async fn the_definitions_let_the_hub_work_and_the_portal_publish_and_nothing_more() {
    let (services, made) = (services().await, secrets());
    let definitions = made.path().join("rabbitmq_definitions");
    let copy = std::env::temp_dir().join(format!("hub-definitions-{}.json", std::process::id()));
    std::fs::copy(&definitions, &copy).unwrap();
    let imported = services.rabbitmq.ctl(&["import_definitions", copy.to_str().unwrap()]).await;
    std::fs::remove_file(&copy).unwrap();
    imported.unwrap();
    let (_, server) = services.rabbitmq.url().split_once('@').unwrap();
    let server = server.split('/').next().unwrap();
    let url = |user: &str| {
        let password = secret(made.path(), &format!("{user}_broker_password"));
        format!("amqp://{user}:{password}@{server}/portal")
    };

    // As `hub run` would find it: every light of the broker is green, but nobody consumes yet.
    let doctor = Command::new(env!("CARGO_BIN_EXE_hub"))
        .args(["doctor", "--only", "broker", "--timeout", "120s", "--json"])
        .env("HUB_AMQP__URL", url("hub"))
        .env("HUB_SYSTEMS__GBDFL__URL", "http://127.0.0.1:1/")
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    for finding in report["findings"].as_array().unwrap() {
        let is_idle = finding["found"].as_str().unwrap().ends_with("nobody consumes");
        assert!(finding["light"] == "ok" || is_idle, "{finding}");
    }

    let (none, options) = (FieldTable::default(), QueueBindOptions { nowait: false });
    let portal = channel(&url("portal")).await;
    publish(&portal, "hub.jobs", "gbdfl.person").await.unwrap();
    declare(&portal, "portal.events").await.unwrap();
    portal
        .queue_bind("portal.events".into(), "hub.events".into(), "#".into(), options, none)
        .await
        .unwrap();
    for (exchange, key) in [("hub.events", "gbdfl.person.succeeded"), ("hub.dead", "x"), ("", "x")]
    {
        let portal = channel(&url("portal")).await;
        let refused = publish(&portal, exchange, key).await.unwrap_err();
        assert_eq!(code(&refused), ACCESS_REFUSED, "the portal may write to {exchange:?}");
    }
    for name in ["hub.jobs.gbdfl", "hub.other", "other"] {
        let portal = channel(&url("portal")).await;
        let refused = declare(&portal, name).await.unwrap_err();
        assert_eq!(code(&refused), ACCESS_REFUSED, "the portal may declare {name}");
    }
    services.stop().await;
}

#[tokio::test]
async fn the_logins_migrate_work_and_read_and_may_do_no_more() {
    let (services, made) = (services().await, secrets());
    let url = services.postgres.url().to_owned();
    let (_, server) = url.split_once('@').unwrap();
    let (address, _) = server.split_once('/').unwrap();
    let (host, port) = address.split_once(':').unwrap();
    let output = Command::new("sh")
        .arg(folder().join("postgres/10-logins.sh"))
        .env("HUB_SECRETS_FOLDER", made.path())
        .env("POSTGRES_USER", "hub")
        .env("POSTGRES_DB", "hub")
        .env("PGHOST", host)
        .env("PGPORT", port)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let store = |login: &str| {
        let url = SecretString::from(format!("postgres://{login}@{server}"));
        Store::new(&url, 6).unwrap()
    };
    let may = async |store: &Store, statement: &'static str| {
        let mut tx = store.begin().await.unwrap();
        sqlx::raw_sql(statement).execute(&mut *tx).await.is_ok()
    };
    let migrator = store("hub_migrator");
    migrator.migrate().await.unwrap();
    migrator.migrate().await.unwrap();
    migrator.load_calendar(&Calendar::built_in()).await.unwrap().unwrap();
    let worker = store("hub_worker");
    worker.maintain(&Retention::default()).await.unwrap();
    worker.register_worker(uuid::Uuid::from_u128(1), "a test", None).await.unwrap();
    assert!(!may(&worker, "CREATE TABLE hub.mine (id int)").await);
    assert!(!may(&worker, "CREATE TABLE public.mine (id int)").await);
    let portal = store("portal_backend");
    assert!(may(&portal, "SELECT count(*) FROM portal.person").await);
    assert!(!may(&portal, "SELECT count(*) FROM hub.job").await);
    assert!(!may(&portal, "DELETE FROM portal.person").await);
    tokio::join!(migrator.close(), worker.close(), portal.close());
    services.stop().await;
}
