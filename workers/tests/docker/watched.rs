//! Everything that watches, at work: two hubs with real traffic, RabbitMQ with its own metrics, a real
//! Prometheus with the rules of production, and every query of every dashboard.

use std::{
    collections::BTreeMap,
    process::Command,
    time::{Duration, Instant},
};

use rcgen::{CertificateParams, KeyPair};
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};
use workers::{
    clock::real_now,
    demo::{
        cast::{self, Repertoire},
        portal,
        stage::{Plan, Stage},
    },
};

use crate::{
    dashboards::{Board, queries, title},
    metrics,
    prometheus::{LOOK_EVERY, Prometheus, Targets, WAIT_MAX},
    tools,
};

/// Published at once, and again after a while.
const JOBS: usize = 60;
const TRAFFIC_EVERY: Duration = Duration::from_secs(5);
const SEED: u64 = 7;
/// Answers nobody here: its https address shows a certificate that ends, and no call gets through.
const UNREACHABLE: &str = "realestate";
/// Is paused by a person.
const PAUSED: &str = "mzrk";
/// For dashboards that show one: commands, answers that come later, and failures.
const SHOWN: &str = "kpsisu";

/// Short limits, so that failures come soon.
const SETTINGS: &str = "
[operations.gbdfl.person]
call_timeout_ms = 1500
attempts_max = 4
retry_base_ms = 40
retry_max_ms = 100
[operations.kpsisu.check]
call_timeout_ms = 1500
retry_base_ms = 40
retry_max_ms = 100
";

/// Panels whose values must have moved in this traffic: the others may rightly show zero.
const MOVED: [(&str, &str); 14] = [
    ("overview", "Jobs taken"),
    ("overview", "Jobs ended"),
    ("overview", "Calls"),
    ("overview", "Failures by class"),
    ("overview", "Retries"),
    ("overview", "Systems not called"),
    ("overview", "Warnings"),
    ("overview", "Events that the portal hears"),
    ("system", "Calls by class"),
    ("system", "Live jobs"),
    ("sla", "Nearest deadline"),
    ("internals", "Commits"),
    ("internals", "Consumers"),
    ("internals", "Messages through the broker"),
];

/// What Grafana offers for each variable, by dashboard and name.
type Variables = BTreeMap<(&'static str, String), Vec<String>>;

/// One query of one panel, as Grafana would send it.
struct Asked {
    board: &'static str,
    panel: String,
    query: String,
    must_move: bool,
}

#[tokio::test]
async fn every_query_of_every_dashboard_finds_series_and_the_page_is_as_declared() {
    let Some(program) = tools::find("prometheus") else { return };
    let stage = Stage::build(&plan(listen_with_certificate().await)).await.unwrap();
    let broker = stage.own().unwrap().rabbitmq.show_metrics().await.unwrap();
    let targets = Targets {
        hubs: [0, 1].map(|number| stage.addresses(number).admin.to_string()),
        broker: format!("127.0.0.1:{broker}"),
        vhost: "/",
    };
    let prometheus = Prometheus::start(program, &targets, stage.http().clone()).await;
    // Seen at rest first: a rise needs a beginning.
    wait_for(&prometheus, "count(up == 1) == 5").await;

    let variables = resolve_variables(&prometheus).await;
    assert_rules_work(&prometheus).await;
    pause(&stage, PAUSED);

    let _heard = portal::listen(stage.amqp_url()).await.unwrap();
    let traffic = tokio::spawn(publish(stage.amqp_url()));
    assert_every_query_finds(&prometheus, &variables).await;
    traffic.abort();
    for board in Board::all() {
        for annotation in board.json["annotations"]["list"].as_array().unwrap() {
            // Rightly empty where nothing is critical; a fault of its form is told all the same.
            prometheus.query(annotation["expr"].as_str().unwrap()).await;
        }
    }

    let scrape = prometheus.query("max(scrape_duration_seconds{job=\"hub\"})").await;
    println!("a scrape of a hub takes {} s at most", scrape[0]["value"][1]);
    let page = format!("http://{}/metrics", stage.addresses(0).admin);
    let page = stage.http().get(page).send().await.unwrap().text().await.unwrap();
    let kept = tempfile::tempdir().unwrap();
    metrics::assert_as_declared(&page, &kept.path().join("page"));
    drop(prometheus);
    stage.strike().await;
}

/// Some jobs, and again some, so that no rate has fallen to zero when it is asked for.
async fn publish(broker: SecretString) {
    let mut again = tokio::time::interval(TRAFFIC_EVERY);
    for seed in SEED.. {
        again.tick().await;
        let parts = cast::cast(JOBS, seed, real_now(), Repertoire::Registers);
        portal::publish(&broker, &parts, |_| ()).await.unwrap();
    }
}

fn plan(https_port: u16) -> Plan {
    let variable = format!("HUB_SYSTEMS__{}__URL", UNREACHABLE.to_uppercase());
    Plan {
        program: env!("CARGO_BIN_EXE_hub").into(),
        hubs: 2,
        seed: SEED,
        fault_permille: 200,
        latency: Duration::from_millis(5),
        settings: SETTINGS.to_owned(),
        environment: vec![(variable, format!("https://127.0.0.1:{https_port}/"))],
        servers: None,
        fsync: false,
        say: |text| println!("{text}"),
    }
}

fn pause(stage: &Stage, system: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_hub"))
        .args(["pause", system, "--reason", "a test", "--actor", "a test", "--config"])
        .arg(stage.settings_file(0))
        .output()
        .unwrap();
    tools::assert_good(&output);
}

/// Shows a certificate that nobody trusts, and says nothing.
async fn listen_with_certificate() -> u16 {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
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

async fn wait_for(prometheus: &Prometheus, condition: &str) {
    let deadline = Instant::now() + WAIT_MAX;
    while prometheus.query(condition).await.is_empty() {
        let targets = prometheus.query("up").await;
        assert!(Instant::now() < deadline, "{condition}: {targets:?}\n{}", prometheus.log());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn resolve_variables(prometheus: &Prometheus) -> Variables {
    let mut all = Variables::new();
    for board in Board::all() {
        for variable in board.variables().filter(|variable| variable["type"] == "query") {
            let name = variable["name"].as_str().unwrap();
            let query = variable["query"]["query"].as_str().unwrap();
            let inside = query.strip_prefix("label_values(").unwrap().strip_suffix(')').unwrap();
            let (selector, label) = inside.rsplit_once(", ").unwrap();
            wait_for(prometheus, selector).await;
            let found = prometheus.query(&format!("group by ({label}) ({selector})")).await;
            let value = |one: &Value| one["metric"][label].as_str().unwrap().to_owned();
            all.insert((board.name, name.to_owned()), found.iter().map(value).collect());
        }
    }
    let systems = &all[&("system", "system".to_owned())];
    for system in adapters::systems::all() {
        let name = system.spec().name.to_owned();
        assert!(systems.contains(&name), "no dashboard for {name}: {systems:?}");
    }
    assert_eq!(all[&("internals", "instance".to_owned())].len(), 2);
    all
}

/// All rules of production are loaded, and each can be evaluated.
async fn assert_rules_work(prometheus: &Prometheus) {
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        let groups = prometheus.get("rules").await["groups"].clone();
        let rules = groups.as_array().unwrap().iter().flat_map(|g| g["rules"].as_array().unwrap());
        let rules: Vec<&Value> = rules.collect();
        for rule in &rules {
            assert_ne!(rule["health"], "err", "{rule}");
        }
        let written: usize = ["alerts", "recording"]
            .map(|name| crate::read(&format!("prometheus/rules/{name}.yml")))
            .iter()
            .map(|text| text.matches("- alert: ").count() + text.matches("- record: ").count())
            .sum();
        assert_eq!(rules.len(), written, "some rules are not loaded");
        if rules.iter().all(|rule| rule["health"] == "ok") {
            return;
        }
        assert!(Instant::now() < deadline, "rules that nobody evaluates: {groups}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn assert_every_query_finds(prometheus: &Prometheus, variables: &Variables) {
    let mut missing: Vec<Asked> =
        Board::all().iter().flat_map(|board| asked(board, variables)).collect();
    for (board, panel) in MOVED {
        assert!(missing.iter().any(|one| (one.board, one.panel.as_str()) == (board, panel)));
    }
    let (count, begun) = (missing.len(), Instant::now());
    loop {
        let mut left = Vec::new();
        for one in missing {
            if !finds(prometheus, &one).await {
                left.push(one);
            }
        }
        if left.is_empty() {
            println!("{count} queries found series after {:.1} s", begun.elapsed().as_secs_f64());
            return;
        }
        let told: Vec<String> = left.iter().map(Asked::told).collect();
        assert!(begun.elapsed() < WAIT_MAX, "without data:\n{}", told.join("\n"));
        missing = left;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The queries of a dashboard, with its variables replaced.
fn asked(board: &Board, variables: &Variables) -> Vec<Asked> {
    let mut all = Vec::new();
    for panel in board.panels() {
        let must_move = MOVED.contains(&(board.name, title(panel)));
        for query in queries(panel) {
            // Four scrapes of production's 15 s, as Grafana reckons; a range of an hour.
            let mut query = query.to_owned();
            for (name, value) in
                [("$__rate_interval", "1m"), ("$__interval", "1m"), ("$__range", "1h")]
            {
                query = query.replace(name, value);
            }
            for ((_, name), values) in variables.iter().filter(|((at, _), _)| *at == board.name) {
                let value = match name.as_str() {
                    // Only what is spoken to by https has a certificate.
                    "system" if query.contains("credential") => UNREACHABLE.to_owned(),
                    "system" => SHOWN.to_owned(),
                    // All of them, as a regular expression.
                    _ => format!("({})", values.join("|")),
                };
                query = query.replace(&format!("${name}"), &value);
            }
            assert!(!query.contains('$'), "{}: {query}", board.name);
            let panel = title(panel).to_owned();
            all.push(Asked { board: board.name, panel, query, must_move });
        }
    }
    all
}

/// Whether a query finds numbers, and where they must have moved one above zero.
async fn finds(prometheus: &Prometheus, one: &Asked) -> bool {
    let found = prometheus.query(&one.query).await;
    let numbers = found.iter().filter_map(|series| series["value"][1].as_str()?.parse().ok());
    let mut numbers = numbers.filter(|number: &f64| !number.is_nan());
    if one.must_move { numbers.any(|number| number > 0.0) } else { numbers.next().is_some() }
}

impl Asked {
    fn told(&self) -> String {
        let Self { board, panel, query, must_move } = self;
        let wanted = if *must_move { "above zero" } else { "at all" };
        format!("{board}, {panel} ({wanted}): {query}")
    }
}
