//! A private Prometheus with the rules of `docker/prometheus/rules`, for the hubs and the broker of a
//! stage.
//!
//! *Limits*: it needs `prometheus` on the machine (Debian: the package of that name).

use std::{collections::BTreeMap, fmt::Write as _, net::SocketAddr, path::Path, time::Duration};

use serde_json::Value;
use tempfile::TempDir;
use workers::{
    demo::stage::{Http, Stage},
    services::{Launch, Output, Owned},
};

use crate::{Error, Outcome, world::text};

/// Scrapes and evaluations are so far apart.
pub const EVERY: Duration = Duration::from_secs(5);
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docker/prometheus/rules");

/// A Prometheus of this process; dropping it kills it.
#[derive(Debug)]
pub struct Prometheus {
    url: String,
    http: Http,
    _process: Owned,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts it; it scrapes the stage's hubs, and its broker where that tells metrics.
    pub fn start(stage: &Stage) -> Outcome<Self> {
        let told = |error: std::io::Error| Error::Told(format!("prometheus: {error}"));
        let folder = TempDir::with_prefix("hub-prometheus-").map_err(told)?;
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(told)?;
        let address = listener.local_addr().map_err(told)?;
        drop(listener);
        let hubs = (0..stage.hubs.len()).map(|hub| stage.addresses(hub).admin);
        let settings = settings(&hubs.collect::<Vec<_>>(), exporter_port(stage)?)?;
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, settings).map_err(told)?;
        let process = Launch::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=warn")
            .folder(folder.path())
            .output(Output::Log(folder.path().join("prometheus.log")))
            .spawn()?;
        let http = stage.http().clone();
        Ok(Self { url: format!("http://{address}"), http, _process: process, _folder: folder })
    }

    /// Whether it has seen so many hubs.
    pub async fn sees(&self, hubs: usize) -> Outcome<bool> {
        let targets = self.ask("targets?state=active").await?;
        let targets = targets["activeTargets"].as_array().cloned().unwrap_or_default();
        let is_up = |target: &&Value| target["scrapePool"] == "hub" && target["health"] == "up";
        Ok(targets.iter().filter(is_up).count() == hubs)
    }

    /// All alerts, with how long the condition of each must hold.
    pub async fn rules(&self) -> Outcome<BTreeMap<String, Duration>> {
        let rules = self.ask("rules?type=alert").await?;
        let groups = rules["groups"].as_array().cloned().unwrap_or_default();
        let rules = groups.iter().flat_map(|group| group["rules"].as_array().into_iter().flatten());
        let rule = |rule: &Value| {
            let holds = Duration::try_from_secs_f64(rule["duration"].as_f64()?).ok()?;
            Some((rule["name"].as_str()?.to_owned(), holds))
        };
        Ok(rules.filter_map(rule).collect())
    }

    /// The names of the alerts that fire now, with their systems where they are about one.
    pub async fn firing(&self) -> Outcome<Vec<(String, Option<String>)>> {
        let alerts = self.ask("alerts").await?;
        let alerts = alerts["alerts"].as_array().cloned().unwrap_or_default();
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        let named = |alert: &Value| {
            let labels = &alert["labels"];
            Some((text(&labels["alertname"])?, text(&labels["system"])))
        };
        Ok(firing.filter_map(named).collect())
    }

    async fn ask(&self, what: &str) -> Outcome<Value> {
        let url = format!("{}/api/v1/{what}", self.url);
        let text = async { self.http.get(url).send().await?.text().await };
        let text = text.await.map_err(|error| Error::Told(format!("prometheus: {error}")))?;
        let mut answer: Value = serde_json::from_str(&text)?;
        Ok(answer["data"].take())
    }
}

/// Lets the stage's broker tell its metrics, as the plug-in of `docker/rabbitmq` does. The node is told
/// at run time, because it is private and has no plug-ins.
pub async fn let_broker_tell(stage: &Stage) -> Outcome<()> {
    let port = exporter_port(stage)?;
    let program = format!(
        "code:add_pathsa(filelib:wildcard(code:lib_dir() ++ \"/*/ebin\")), \
         Plugins = os:getenv(\"RABBITMQ_PLUGINS_DIR\", filename:dirname(code:lib_dir(rabbit))), \
         code:add_pathsa(filelib:wildcard(Plugins ++ \"/*/ebin\")), \
         application:load(rabbitmq_prometheus), \
         application:set_env(rabbitmq_prometheus, tcp_config, \
           [{{port, {port}}}, {{ip, \"127.0.0.1\"}}]), \
         {{ok, _}} = application:ensure_all_started(rabbitmq_prometheus), told."
    );
    stage.own()?.rabbitmq.ctl(&["eval", &program]).await?;
    Ok(())
}

/// Beside the broker's own port.
fn exporter_port(stage: &Stage) -> Outcome<u16> {
    let port = stage.own()?.rabbitmq.port();
    Ok(if port < 40_000 { port + 20_000 } else { port - 20_000 })
}

fn settings(hubs: &[SocketAddr], exporter: u16) -> Outcome<String> {
    let rules = Path::new(RULES).canonicalize();
    let rules = rules.map_err(|error| Error::Told(format!("{RULES}: {error}")))?;
    let every = EVERY.as_secs();
    let targets: Vec<String> = hubs.iter().map(|hub| format!("\"{hub}\"")).collect();
    let mut text =
        format!("global: {{ scrape_interval: {every}s, evaluation_interval: {every}s }}\n");
    let written = write!(
        text,
        "rule_files: [\"{}/*.yml\"]\n\
         scrape_configs:\n\
         - job_name: hub\n  static_configs: [{{ targets: [{}] }}]\n\
         - job_name: rabbitmq_queues\n  metrics_path: /metrics/detailed\n\
         \u{20} params: {{ family: [queue_coarse_metrics, queue_consumer_count] }}\n\
         \u{20} static_configs: [{{ targets: [\"127.0.0.1:{exporter}\"] }}]\n",
        rules.display(),
        targets.join(", "),
    );
    written.expect("writing to a string does not fail");
    Ok(text)
}
