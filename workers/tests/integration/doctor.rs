//! `hub doctor` beside real servers, healthy and not: what it says, how it ends, what it never tells.
//!
//! The servers are its own, with durable settings, as the shared ones wait for no disk.

use std::{
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
};

use lapin::{
    ConnectionProperties,
    options::QueueDeclareOptions,
    types::{AMQPValue, FieldTable},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use secrecy::SecretString;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool, postgres::PgPoolOptions};
use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt,
    net::TcpListener,
    sync::{Mutex, MutexGuard, OnceCell},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};
use workers::{
    services::{Options, Services},
    store::Store,
};

use crate::{servers::run, world::until};

/// What a busy machine may need.
const PATIENT: &str = "120s";
const PASSWORD: &str = "correct-horse-battery";
/// Of nobody (contracts/gov-services.md §9.4).
const IIN: &str = "850100300012";

/// Servers, a database that is migrated, and settings that are right.
struct Clinic {
    services: Services,
    folder: TempDir,
    /// Takes connections, as a gateway does.
    gateway: String,
    database: String,
    broker: String,
}

/// What the doctor said.
struct Said {
    code: i32,
    text: String,
}

/// One patient at a time: some tests stop a server.
async fn clinic() -> MutexGuard<'static, Clinic> {
    static CLINIC: OnceCell<Mutex<Clinic>> = OnceCell::const_new();
    CLINIC.get_or_init(async || Mutex::new(Clinic::open().await)).await.lock().await
}

impl Clinic {
    async fn open() -> Self {
        let say = Box::new(|sentence: &str| println!("{sentence}"));
        let services = Services::start(&Options { say, ..Options::default() }).await.unwrap();
        let owner = services.postgres.url().to_owned();
        migrate(&owner).await;
        let login = "CREATE ROLE doctor_worker LOGIN IN ROLE hub_app";
        services.postgres.query(login).await.unwrap();
        let broker = services.rabbitmq.url().replace("guest:guest", "hub:correct-horse-battery");
        for ctl in [
            vec!["add_user", "hub", PASSWORD],
            vec!["set_permissions", "hub", r"hub\..*", r"hub\..*|amq\.default", r"hub\..*"],
        ] {
            services.rabbitmq.ctl(&ctl).await.unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("seal.key");
        std::fs::write(&key, "5a".repeat(32)).unwrap();
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = format!("http://{}/gbdfl/", listener.local_addr().unwrap());
        tokio::spawn(async move { while listener.accept().await.is_ok() {} });
        let database = owner.replace("hub@", "doctor_worker@");
        Self { services, folder, gateway, database, broker }
    }

    /// `hub` with settings that are right, but for those named here.
    fn hub(&self, arguments: &[&str], other: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hub"));
        command.args(arguments).stdin(Stdio::null()).envs([
            ("HUB_AMQP__URL", self.broker.as_str()),
            ("HUB_DATABASE__URL", &self.database),
            ("HUB_ADMIN__LISTEN", "127.0.0.1:0"),
            ("HUB_INBOUND__LISTEN", "127.0.0.1:0"),
            ("HUB_SYSTEMS__GBDFL__URL", &self.gateway),
        ]);
        command.env("HUB_SEAL__KEY_FILE", self.folder.path().join("seal.key"));
        command.envs(other.iter().copied());
        command
    }

    async fn ask(&self, arguments: &[&str], other: &[(&str, &str)]) -> Said {
        let mut all = vec!["doctor"];
        if !arguments.contains(&"--timeout") {
            all.extend(["--timeout", PATIENT]);
        }
        all.extend(arguments);
        let command = self.hub(&all, other);
        let output = tokio::process::Command::from(command).output().await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        Said { code: output.status.code().unwrap(), text }
    }

    /// The report, with the exit code that fits its light.
    async fn report(&self, arguments: &[&str], other: &[(&str, &str)]) -> Value {
        let said = self.ask(&[&["--json"], arguments].concat(), other).await;
        let report: Value = serde_json::from_str(&said.text).expect(&said.text);
        assert_eq!(report["version"], 1);
        assert_eq!(said.code, i32::from(report["light"] == "fail"), "{report}");
        report
    }
}

/// The findings of one check.
fn findings<'a>(report: &'a Value, area: &str, check: &str) -> Vec<&'a Value> {
    let all = report["findings"].as_array().unwrap().iter();
    all.filter(|f| f["area"] == area && f["check"] == check).collect()
}

/// The only finding of one check.
fn finding<'a>(report: &'a Value, area: &str, check: &str) -> &'a Value {
    let found = findings(report, area, check);
    assert_eq!(found.len(), 1, "{area}.{check} in {report}");
    found[0]
}

#[track_caller]
fn assert_says(finding: &Value, light: &str, word: &str) {
    assert_eq!(finding["light"], light, "{finding}");
    assert!(finding["found"].as_str().unwrap().contains(word), "{word}: {finding}");
    assert_eq!(finding["mend"].is_null(), light == "ok", "{finding}");
}

async fn migrate(url: &str) {
    let store = Store::new(&SecretString::from(url.to_owned()), 6).unwrap();
    store.migrate().await.unwrap();
    store.close().await;
}

/// A database of its own on the clinic's server, with a connection.
async fn database(clinic: &Clinic, name: &str, is_migrated: bool) -> (String, PgPool) {
    let create = format!("CREATE DATABASE {name}");
    let owner = clinic.services.postgres.url();
    let admin = PgPoolOptions::new().max_connections(1).connect(owner).await.unwrap();
    sqlx::query(AssertSqlSafe(create)).execute(&admin).await.unwrap();
    let url = format!("{}/{name}", owner.rsplit_once('/').unwrap().0);
    if is_migrated {
        migrate(&url).await;
    }
    let pool = PgPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
    (url.replace("hub@", "doctor_worker@"), pool)
}

/// Ends with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a_healthy_hub_is_green() {
    run(async {
        let clinic = clinic().await;
        let log = std::fs::File::create(clinic.folder.path().join("hub.log")).unwrap();
        let hub = clinic.hub(&["run"], &[]).stderr(log).spawn().unwrap();
        let _hub = Running(hub);
        let mut last = Value::Null;
        let is_green = async || {
            let report = clinic.report(&[], &[]).await;
            // This machine's disk is what it is, and so is the calendar at the end of its years.
            let all = report["findings"].as_array().unwrap().iter();
            let green = all
                .filter(|f| f["check"] != "free" && f["area"] != "calendar")
                .all(|f| f["light"] == "ok");
            last = report;
            green.then_some(())
        };
        until("green", is_green).await;
        let report = last;
        assert_says(finding(&report, "broker", "version"), "ok", "RabbitMQ 3.10");
        assert_says(finding(&report, "broker", "rights"), "ok", "no more than needed");
        assert_says(finding(&report, "database", "role"), "ok", "hub_app");
        assert_says(finding(&report, "database", "version"), "ok", "PostgreSQL 15");
        assert_says(finding(&report, "hub", "workers"), "ok", env!("CARGO_PKG_VERSION"));
        assert_says(finding(&report, "hub", "calendar"), "ok", "this program's years");
        assert_says(finding(&report, "destinations", "reachable"), "ok", "takes connections");
        let queues = findings(&report, "broker", "queue");
        assert!(queues.len() >= 4, "{queues:?}");
        assert!(
            queues.iter().all(|q| q["found"].as_str().unwrap().contains("consumer")),
            "{queues:?}"
        );
    });
}

#[test]
fn a_broker_that_is_down_hides_nothing_else() {
    run(async {
        let mut clinic = clinic().await;
        clinic.services.rabbitmq.stop().await;
        let report = clinic.report(&[], &[]).await;
        clinic.services.rabbitmq.start().await.unwrap();
        assert_says(finding(&report, "broker", "reachable"), "fail", "refused");
        assert_says(finding(&report, "database", "reachable"), "ok", "");
        assert_says(finding(&report, "destinations", "reachable"), "ok", "");
        assert_says(finding(&report, "hub", "outbox"), "ok", "0 events");
    });
}

#[test]
fn a_wrong_password_is_told_from_a_broker_that_is_down() {
    run(async {
        let clinic = clinic().await;
        let wrong = clinic.broker.replace(PASSWORD, "wrong-secret");
        let nobody = clinic.database.replace("doctor_worker", "nobody_of_the_doctor");
        let other = [("HUB_AMQP__URL", wrong.as_str()), ("HUB_DATABASE__URL", &nobody)];
        let report = clinic.report(&["--only", "broker,database"], &other).await;
        assert_says(finding(&report, "broker", "reachable"), "ok", "");
        assert_says(finding(&report, "broker", "version"), "ok", "RabbitMQ");
        assert_says(finding(&report, "broker", "login"), "fail", "user or the password");
        assert_says(finding(&report, "database", "reachable"), "fail", "login or the password");
        assert!(!report.to_string().contains("wrong-secret"));
        let elsewhere = format!("{}/no-such-host", clinic.broker.rsplit_once('/').unwrap().0);
        let report = clinic.report(&["--only", "broker"], &[("HUB_AMQP__URL", &elsewhere)]).await;
        assert_says(finding(&report, "broker", "login"), "fail", "virtual host");
    });
}

#[test]
fn a_queue_with_other_arguments_is_named_with_what_differs() {
    run(async {
        let clinic = clinic().await;
        let ctl = async |arguments: &[&str]| clinic.services.rabbitmq.ctl(arguments).await.unwrap();
        ctl(&["add_vhost", "other"]).await;
        ctl(&["set_permissions", "-p", "other", "guest", ".*", ".*", ".*"]).await;
        ctl(&["set_permissions", "-p", "other", "hub", ".*", "hub\\..*", "hub\\..*"]).await;
        let server = |url: &str| format!("{}/other", url.rsplit_once('/').unwrap().0);
        let guest = server(clinic.services.rabbitmq.url());
        let connection = lapin::Connection::connect(&guest, ConnectionProperties::default());
        let connection = connection.await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        arguments.insert("x-overflow".into(), AMQPValue::LongString("drop-head".into()));
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare("hub.dead".into(), options, arguments).await.unwrap();
        let url = server(&clinic.broker);
        let report = clinic.report(&["--only", "broker"], &[("HUB_AMQP__URL", &url)]).await;
        let queues = findings(&report, "broker", "queue");
        let of = |name| *queues.iter().find(|queue| queue["about"] == name).unwrap();
        assert_says(of("hub.dead"), "fail", "x-overflow");
        assert_says(of("hub.jobs.gbdfl"), "warn", "not there");
        // This user may configure everything and may not answer anybody.
        assert_says(finding(&report, "broker", "rights"), "warn", "not the hub's");
        assert_says(finding(&report, "broker", "publishing"), "fail", "default exchange");
        // Looking made nothing.
        let asked = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare("hub.jobs.gbdfl".into(), asked, FieldTable::default());
        assert!(queue.await.is_err(), "the doctor declared a queue");
    });
}

#[test]
fn who_migrates_at_once_takes_turns_and_an_index_that_was_never_finished_is_built_anew() {
    run(async {
        let clinic = clinic().await;
        let (_, db) = database(&clinic, "migrated_at_once", true).await;
        let execute = async |statement: &str| {
            sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&db).await.unwrap();
        };
        // As an interrupted CREATE INDEX CONCURRENTLY leaves it.
        let invalid = "UPDATE pg_index SET indisvalid = false
                        WHERE indexrelid = 'hub.job_live_verification'::regclass";
        execute(invalid).await;
        execute("DELETE FROM _sqlx_migrations WHERE version IN (31, 33)").await;
        execute("DROP TABLE hub.look_owed").await;
        let owner = clinic.services.postgres.url();
        let url = format!("{}/migrated_at_once", owner.rsplit_once('/').unwrap().0);
        futures_util::future::join_all((0..4).map(|_| migrate(&url))).await;
        let valid = "SELECT indisvalid FROM pg_index
                      WHERE indexrelid = 'hub.job_live_verification'::regclass";
        let valid: bool = sqlx::query_scalar(valid).fetch_one(&db).await.unwrap();
        assert!(valid, "it is used again");
        let applied = "SELECT count(*) FROM _sqlx_migrations WHERE version IN (31, 33)";
        let applied: i64 = sqlx::query_scalar(applied).fetch_one(&db).await.unwrap();
        assert_eq!(applied, 2, "once each");
    });
}

#[test]
fn a_schema_that_is_behind_newer_or_changed_is_told() {
    run(async {
        let clinic = clinic().await;
        let (url, db) = database(&clinic, "doctor_schema", true).await;
        let ask = async || {
            let other = [("HUB_DATABASE__URL", url.as_str())];
            let report = clinic.report(&["--only", "database"], &other).await;
            finding(&report, "database", "schema").clone()
        };
        let execute = async |statement: &str| {
            sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&db).await.unwrap();
        };
        assert_says(&ask().await, "ok", "this build knows");
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum,
                       execution_time) VALUES (9999, 'later', true, '', 0)";
        execute(newer).await;
        assert_says(&ask().await, "warn", "newer: [9999]");
        execute("UPDATE _sqlx_migrations SET checksum = 'x' WHERE version = 3").await;
        assert_says(&ask().await, "fail", "other contents: [3]");
        execute("DELETE FROM _sqlx_migrations WHERE version IN (3, 22)").await;
        assert_says(&ask().await, "fail", "missing: [3, 22]");
        let (empty, _db) = database(&clinic, "doctor_empty", false).await;
        let report =
            clinic.report(&["--only", "database,hub"], &[("HUB_DATABASE__URL", &empty)]).await;
        assert_says(finding(&report, "database", "schema"), "fail", "at 0");
        assert_says(finding(&report, "hub", "state"), "fail", "42P01");
        assert_says(finding(&report, "database", "version"), "ok", "PostgreSQL");
    });
}

#[test]
fn shifted_time_missing_partitions_and_backlog_are_told() {
    run(async {
        let clinic = clinic().await;
        let (url, db) = database(&clinic, "doctor_state", true).await;
        for statement in [
            "UPDATE hub.clock SET shift = interval '400 days'",
            "INSERT INTO hub.worker (id, name, beat, started_at, seen_at) VALUES
               ('00000000-0000-0000-0000-000000000001', 'old:1', 5, now(), now() - interval '1 hour')",
        ] {
            sqlx::query(statement).execute(&db).await.unwrap();
        }
        let report = clinic.report(&["--only", "hub"], &[("HUB_DATABASE__URL", &url)]).await;
        assert_says(finding(&report, "hub", "business_time"), "fail", "shifted by 34560000000 ms");
        assert_says(finding(&report, "hub", "partitions"), "warn", "exchange_");
        assert_says(finding(&report, "hub", "workers"), "warn", "none alive");
        assert_says(finding(&report, "hub", "calendar"), "warn", "lacks");
        let other = [("HUB_DATABASE__URL", url.as_str()), ("HUB_CLOCK__ALLOW_SHIFT", "true")];
        let report = clinic.report(&["--only", "hub"], &other).await;
        assert_says(finding(&report, "hub", "business_time"), "ok", "permits");
    });
}

#[test]
fn a_missing_calendar_year_and_a_fault_in_the_settings_fail() {
    run(async {
        let clinic = clinic().await;
        let years = clinic.folder.path().join("years");
        std::fs::create_dir(&years).unwrap();
        for year in ["2023", "2024"] {
            let shown = clinic.hub(&["calendar", "show", year, "--file"], &[]).output().unwrap();
            std::fs::write(years.join(format!("{year}.toml")), shown.stdout).unwrap();
        }
        let other = [
            ("HUB_CALENDAR__FOLDER", years.to_str().unwrap()),
            ("HUB_PIPELINE__PREFETCH", "many"),
            ("HUB_SEAL__KEYFILE", "misspelt"),
        ];
        let report = clinic.report(&["--only", "settings,calendar,database"], &other).await;
        assert_says(finding(&report, "calendar", "years"), "fail", "missing");
        let faults = findings(&report, "settings", "value");
        let about: Vec<_> = faults.iter().map(|f| f["about"].as_str().unwrap()).collect();
        assert_eq!(about, ["pipeline.prefetch", "seal.keyfile"], "{faults:?}");
        // What can be looked at is looked at all the same.
        assert_says(finding(&report, "database", "reachable"), "ok", "");
    });
}

#[test]
fn a_certificate_that_ends_soon_or_has_ended_is_told() {
    run(async {
        let clinic = clinic().await;
        let authority = Authority::new();
        let roots = clinic.folder.path().join("roots.pem");
        std::fs::write(&roots, authority.pem()).unwrap();
        let now = workers::clock::real_now();
        for (days, light, word) in [
            (3, "fail", "(2 days)"),
            (20, "warn", "(19 days)"),
            (400, "ok", "(399 days)"),
            (-1, "fail", "certificate refused: expired"),
        ] {
            let port = authority.serve(now, days).await;
            let url = format!("https://localhost:{port}/gbdfl/");
            let other = [
                ("HUB_SYSTEMS__GBDFL__URL", url.as_str()),
                ("SSL_CERT_FILE", roots.to_str().unwrap()),
            ];
            let report = clinic.report(&["--only", "destinations"], &other).await;
            let check = if days < 0 { "reachable" } else { "encryption" };
            assert_says(finding(&report, "destinations", check), light, word);
        }
        // Nobody here knows who issued it.
        let url = format!("https://localhost:{}/", authority.serve(now, 400).await);
        let stranger = clinic.folder.path().join("stranger.pem");
        std::fs::write(&stranger, Authority::new().pem()).unwrap();
        let other = [
            ("HUB_SYSTEMS__GBDFL__URL", url.as_str()),
            ("SSL_CERT_FILE", stranger.to_str().unwrap()),
        ];
        let report = clinic.report(&["--only", "destinations"], &other).await;
        assert_says(finding(&report, "destinations", "reachable"), "fail", "certificate refused");
    });
}

#[test]
fn what_hangs_is_given_up_and_hides_nothing() {
    run(async {
        let clinic = clinic().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = listener.local_addr().unwrap();
        // Accepted by the kernel, and never answered.
        let https = format!("https://{silent}/");
        let postgres = format!("postgres://hub@{silent}/hub");
        // Another node answers: what stands behind it is looked at all the same.
        let amqp = format!("amqp://{silent}/%2f,{}", clinic.broker);
        let other = [
            ("HUB_SYSTEMS__KPSISU__URL", https.as_str()),
            ("HUB_AMQP__URL", &amqp),
            ("HUB_DATABASE__URL", &postgres),
        ];
        let report = clinic.report(&["--timeout", "3s"], &other).await;
        let mute = finding(&report, "broker", "deadline");
        assert_says(mute, "fail", "no answer within");
        assert_eq!(mute["about"], silent.to_string());
        assert_says(finding(&report, "broker", "login"), "ok", "accepted");
        assert_says(finding(&report, "database", "deadline"), "fail", "within 3 s");
        let hanging = finding(&report, "destinations", "deadline");
        assert_eq!(hanging["about"], "kpsisu.url");
        let reached = findings(&report, "destinations", "reachable");
        assert!(reached.iter().any(|f| f["about"] == "gbdfl.url" && f["light"] == "ok"));
        assert_says(finding(&report, "calendar", "time_zone"), "ok", "+05");
    });
}

#[test]
fn a_foreign_protocol_is_told() {
    run(async {
        let clinic = clinic().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n").await.ok();
            }
        });
        let (amqp, https) = (format!("amqp://{at}/"), format!("https://{at}/"));
        let other = [("HUB_AMQP__URL", amqp.as_str()), ("HUB_SYSTEMS__GBDFL__URL", &https)];
        let report = clinic.report(&["--only", "broker,destinations"], &other).await;
        assert_says(finding(&report, "broker", "version"), "fail", "does not speak AMQP");
        assert_says(finding(&report, "destinations", "reachable"), "fail", "not TLS");
    });
}

#[test]
fn a_report_holds_no_secret_and_nobody() {
    run(async {
        let clinic = clinic().await;
        let (url, db) = database(&clinic, "doctor_secrecy", true).await;
        sqlx::query(AssertSqlSafe(format!(
            "INSERT INTO hub.worker (id, name, started_at, seen_at)
             VALUES ('00000000-0000-0000-0000-000000000001', 'host-of {IIN}', now(), now())"
        )))
        .execute(&db)
        .await
        .unwrap();
        let secret = |name: &str| format!("planted-{name}-secret");
        let broker = clinic.broker.replace(PASSWORD, &secret("broker"));
        let database = url.replace("doctor_worker@", &format!("doctor_worker:{}@", secret("db")));
        let gateway = clinic.gateway.replace("http://", &format!("http://u:{}@", secret("url")));
        let gateway = format!("{gateway}?token={}", secret("query"));
        let file = clinic.folder.path().join("hub.toml");
        let text = format!(
            "[systems.gbdfl]\npassword = \"{}\"\npush_sender_password = \"{}\"\n[amqp]\nurl = {IIN}\n\
             [callbacks]\nhosts = [\"localhost\"]\nsecret = \"whsec_{}\"\n[x]\nsecret = \"{}\"\n",
            secret("password"),
            secret("push"),
            secret("whsec"),
            secret("unknown"),
        );
        for (content, problem) in
            [(text.as_str(), "callbacks.secret"), ("planted-toml-secret\n", "--config")]
        {
            std::fs::write(&file, content).unwrap();
            let other = [
                ("HUB_CONFIG", file.to_str().unwrap()),
                ("HUB_AMQP__URL", &broker),
                ("HUB_DATABASE__URL", &database),
                ("HUB_SYSTEMS__GBDFL__URL", &gateway),
                ("HUB_SYSTEMS__KPSISU__PUSH_PEERS", IIN),
                ("HUB_CLOCK__ALLOW_SHIFT", "planted-in-the-wrong-place"),
            ];
            for form in [&[][..], &["--json"]] {
                let said = clinic.ask(form, &other).await;
                assert_eq!(said.code, 1, "{}", said.text);
                assert!(said.text.contains(problem), "{}", said.text);
                assert!(!said.text.contains("planted-"), "{}", said.text);
                assert!(!said.text.contains(IIN), "{}", said.text);
            }
        }
    });
}

#[test]
fn wrong_use_is_two() {
    run(async {
        let clinic = clinic().await;
        for wrong in [&["--only", "weather"][..], &["--timeout", "soon"], &["--nonsense"]] {
            assert_eq!(clinic.ask(wrong, &[]).await.code, 2, "{wrong:?}");
        }
    });
}

/// Issues certificates that the machine's own roots do not know.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn pem(&self) -> &str {
        &self.pem
    }

    /// A server whose certificate ends so many days from now; its port.
    async fn serve(&self, now: jiff::Timestamp, days: i32) -> u16 {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        // As certificates count: a day in Almaty begins five hours earlier.
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let end = today + jiff::Span::new().days(days);
        let (month, day) = (end.month().unsigned_abs(), end.day().unsigned_abs());
        params.not_after = rcgen::date_time_ymd(end.year().into(), month, day);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        adapters::transport::http::install_tls();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        let acceptor = TlsAcceptor::from(std::sync::Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move { acceptor.accept(stream).await.ok() });
            }
        });
        port
    }
}
