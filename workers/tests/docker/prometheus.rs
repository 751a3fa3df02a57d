//! A real Prometheus with the settings of `docker/prometheus/`, that looks at other targets.
//!
//! *Guarantee*: it listens on loopback only, and ends with this process.

use std::{
    net::TcpListener,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;
use workers::services::{Launch, Output, Owned};

/// It answers, and a condition comes true, within this.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(90);
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Ports tried when others are faster to take them.
const PORT_TRIES_MAX: u32 = 5;

/// A running Prometheus; dropping it kills it.
pub(crate) struct Prometheus {
    url: String,
    server: Owned,
    folder: TempDir,
    http: reqwest::Client,
}

/// What is scraped.
pub(crate) struct Targets {
    pub(crate) hubs: [String; 2],
    pub(crate) broker: String,
    /// The broker's virtual host.
    pub(crate) vhost: &'static str,
}

impl Prometheus {
    pub(crate) async fn start(program: PathBuf, targets: &Targets, http: reqwest::Client) -> Self {
        for _ in 0..PORT_TRIES_MAX {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).unwrap();
            let address = free.to_string();
            let folder = tempfile::tempdir().unwrap();
            let settings = folder.path().join("prometheus.yml");
            std::fs::write(&settings, adapted(targets, &address)).unwrap();
            let server = Launch::new(&program)
                .arg(format!("--config.file={}", settings.display()))
                .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
                .arg(format!("--web.listen-address={address}"))
                .output(Output::Log(folder.path().join("log")))
                .spawn()
                .unwrap();
            let url = format!("http://{address}");
            let prometheus = Self { url, server, folder, http: http.clone() };
            if prometheus.is_ready().await {
                return prometheus;
            }
        }
        panic!("no free port for Prometheus after {PORT_TRIES_MAX} tries");
    }

    /// The result of an instant query.
    pub(crate) async fn query(&self, expression: &str) -> Vec<Value> {
        let answer = self.get(&format!("query?query={}", encoded(expression))).await;
        answer["result"].as_array().unwrap_or_else(|| panic!("{expression}: {answer}")).clone()
    }

    /// Data of a page of the API.
    pub(crate) async fn get(&self, page: &str) -> Value {
        let url = format!("{}/api/v1/{page}", self.url);
        let text = self.http.get(url).send().await.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["status"], "success", "{page}: {answer}");
        answer["data"].clone()
    }

    /// Its log, to say why.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// `false` where its port was taken.
    async fn is_ready(&self) -> bool {
        let deadline = Instant::now() + WAIT_MAX;
        while Instant::now() < deadline {
            if self.server.exit().is_some() {
                let log = self.log();
                assert!(log.contains("address already in use"), "Prometheus ended:\n{log}");
                return false;
            }
            let asked = self.http.get(format!("{}/-/ready", self.url)).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return true;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("Prometheus is not ready after {WAIT_MAX:?}:\n{}", self.log());
    }
}

/// The settings for production, with other targets and a shorter step; nothing else differs.
fn adapted(targets: &Targets, own: &str) -> String {
    let [one, two] = &targets.hubs;
    let rules = crate::folder().join("prometheus/rules");
    let changes = [
        ("_interval: 15s", "_interval: 2s".to_owned()),
        ("scrape_timeout: 10s", "scrape_timeout: 2s".to_owned()),
        ("/etc/prometheus/rules", rules.to_str().unwrap().to_owned()),
        ("hub-1:9464", one.clone()),
        ("hub-2:9464", two.clone()),
        ("rabbitmq:15692", targets.broker.clone()),
        ("vhost: [\"portal\"]", format!("vhost: [\"{}\"]", targets.vhost)),
        ("localhost:9090", own.to_owned()),
        // Nobody is told: port 9 takes nothing.
        ("alertmanager:9093", "127.0.0.1:9".to_owned()),
    ];
    changes.iter().fold(crate::read("prometheus/prometheus.yml"), |text, (from, to)| {
        assert!(text.contains(from), "prometheus.yml has no {from}");
        text.replace(from, to)
    })
}

/// For a query string.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |all, byte| match byte {
        byte if byte.is_ascii_alphanumeric() => all + char::from(byte).encode_utf8(&mut [0; 4]),
        byte => format!("{all}%{byte:02X}"),
    })
}
