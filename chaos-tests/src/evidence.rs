//! What is left when everything has ended: the hub's rows, the portal's rows, the government's book.
//!
//! No column that is shown holds personal data.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;
use uuid::Uuid;

use crate::{
    Outcome,
    world::{Since, World, line, text},
};

/// Everything that the oracle compares.
#[derive(Debug)]
pub struct Evidence {
    /// Jobs by id.
    pub jobs: HashMap<Uuid, Value>,
    /// Rows of `portal.person` and `portal.specialist_check`, by operation and subject.
    pub portal: HashMap<(String, String), Value>,
    /// Ids that are in quarantine; `None` for a message without one.
    pub quarantine: Vec<Option<Uuid>>,
    /// Attempts: job number and run.
    pub attempts: Vec<(i64, i64)>,
    /// What is left in tables that must be empty: name and count.
    pub left: Vec<(&'static str, i64)>,
    /// The simulators' count.
    pub oracle: Value,
    /// The simulators' journal of KPSiSU.
    pub journal: Vec<Value>,
    /// How often Kazpost gave each order a number.
    pub numbers: HashMap<String, i64>,
    /// The number of each order in the portal.
    pub parcels: HashMap<String, Value>,
    /// Messages on phones, by the press that sent them.
    pub messages: HashMap<Uuid, usize>,
}

const LEFT: [(&str, &str); 5] = [
    (
        "deliveries that were not made",
        "SELECT count(*) FROM hub.callback WHERE state IN ('open', 'stopped')",
    ),
    ("live jobs", "SELECT count(*) FROM hub.job_live"),
    ("events without a confirm", "SELECT count(*) FROM hub.outbox"),
    ("timers", "SELECT count(*) FROM hub.timer"),
    ("messages that nobody looked at", "SELECT count(*) FROM hub.inbound WHERE state = 'stored'"),
];

impl Evidence {
    /// Reads everything.
    pub async fn gather(world: &World) -> Outcome<Self> {
        let id = |value: &Value| value.as_str().and_then(|text| text.parse::<Uuid>().ok());
        let Since { job: since, quarantine: kept_before } = world.since;
        let jobs = format!(
            "SELECT id, seq, operation, subject, state, sla, run, attempts, events, code, begun_by,
               callback_url IS NOT NULL AS callback,
               summary ->> 'verdict' AS verdict, requested_at FROM hub.job WHERE seq > {since}"
        );
        let jobs = world.rows(&jobs).await?;
        let jobs = jobs.into_iter().filter_map(|job| Some((id(&job["id"])?, job))).collect();
        let portal = world
            .rows(&portal_rows(since))
            .await?
            .into_iter()
            .filter_map(|row| Some(((text(&row["operation"])?, text(&row["subject"])?), row)));
        let portal = portal.collect();
        let quarantine = format!("SELECT job_id FROM hub.quarantine WHERE id > {kept_before}");
        let quarantine = world.rows(&quarantine).await?;
        let attempts = format!("SELECT job_seq, run FROM hub.attempt WHERE job_seq > {since}");
        let attempts = world.rows(&attempts).await?;
        let number = |value: &Value| value.as_i64().unwrap_or(-1);
        let mut left = Vec::new();
        for (name, sql) in LEFT {
            left.push((name, world.count(sql).await?));
        }
        let journal = world.stage.control("journal?system=kpsisu").await?;
        Ok(Self {
            jobs,
            portal,
            quarantine: quarantine.iter().map(|row| id(&row["job_id"])).collect(),
            attempts: attempts.iter().map(|a| (number(&a["job_seq"]), number(&a["run"]))).collect(),
            left,
            oracle: world.stage.control("oracle").await?,
            journal: journal.as_array().cloned().unwrap_or_default(),
            numbers: numbers(world).await?,
            parcels: parcels(world, since).await?,
            messages: messages(world).await?,
        })
    }

    /// Counts of the states, and of what the government executed.
    pub fn summary(&self) -> String {
        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        for job in self.jobs.values() {
            *states.entry(job["state"].as_str().unwrap_or("?")).or_default() += 1;
        }
        let states: Vec<String> = states.iter().map(|(s, n)| format!("{n} {s}")).collect();
        let of = |system: &str, what: &str| self.oracle[system][what].as_u64().unwrap_or(0);
        let sum = |what: &str| crate::oracle::COMMANDED.map(|s| of(s, what)).iter().sum::<u64>();
        format!(
            "{} jobs ({}), {} commands executed in {} requests",
            self.jobs.len(),
            states.join(", "),
            sum("executed"),
            sum("requests"),
        )
    }

    /// The rows of one job, for a person who looks for the cause.
    pub async fn of_job(world: &World, id: Uuid) -> Outcome<String> {
        let seq = format!("(SELECT seq FROM hub.job_key WHERE id = '{id}')");
        let queries = [
            (
                "job",
                format!(
                    "SELECT seq, state, sla, owner, run, attempts, strikes, events, event, code,
                       admitted_at, ended_at FROM hub.job WHERE id = '{id}'"
                ),
            ),
            (
                "attempt",
                format!(
                    "SELECT run, class, code, http_status, started_at, recorded_at
                       FROM hub.attempt WHERE job_seq = {seq} ORDER BY recorded_at"
                ),
            ),
            ("timer", format!("SELECT kind, due_at FROM hub.timer WHERE job_seq = {seq}")),
            (
                "outbox",
                format!(
                    "SELECT partition, id, sequence, routing_key FROM hub.outbox
                      WHERE job_seq = {seq} ORDER BY id"
                ),
            ),
            (
                "inbound",
                format!(
                    "SELECT id, received_at, kind, state, why, looks FROM hub.inbound i
                      WHERE i.job_seq = {seq} OR EXISTS (SELECT 1 FROM hub.correlation c
                        WHERE c.job_seq = {seq} AND c.correlation_id = i.correlation_id)
                      ORDER BY id"
                ),
            ),
            (
                "unheard",
                format!("SELECT sequence, routing_key FROM hub.unheard WHERE job_seq = {seq}"),
            ),
        ];
        let mut shown = String::new();
        for (name, sql) in queries {
            for row in world.rows(&sql).await? {
                line(&mut shown, format_args!("    {name}: {row}"));
            }
        }
        let heard: Vec<String> =
            world.portal.heard(id).iter().map(|e| format!("{}#{}", e.name, e.sequence)).collect();
        line(&mut shown, format_args!("    heard: {}", heard.join(" ")));
        let journal = world.stage.control("journal").await?;
        for entry in journal.as_array().into_iter().flatten() {
            if entry["request_number"].as_str() == Some(id.to_string().as_str()) {
                line(&mut shown, format_args!("    government: {entry}"));
            }
        }
        Ok(shown)
    }
}

/// The rows of the portal that belong to jobs of this round.
fn portal_rows(since: i64) -> String {
    let of_round = format!("job_id IN (SELECT id FROM hub.job WHERE seq > {since})");
    format!(
        "SELECT 'gbdfl.person' AS operation, subject, job_id, status, sla, completed_at,
           CASE WHEN found IS NULL THEN 'unknown' ELSE found::text END AS answer
           FROM portal.person WHERE {of_round}
         UNION ALL
         SELECT system || '.check', subject, job_id, status, sla, completed_at, verdict
           FROM portal.specialist_check WHERE {of_round}"
    )
}

/// How often each order was given a number, by Kazpost's own book.
async fn numbers(world: &World) -> Outcome<HashMap<String, i64>> {
    let journal = world.stage.control("journal?system=kazpost").await?;
    let entries = journal.as_array().into_iter().flatten();
    let count = |entry: &Value| {
        Some((text(&entry["request_number"])?, entry["executed_count"].as_i64().unwrap_or(0)))
    };
    Ok(entries.filter_map(count).collect())
}

/// Track numbers in the portal, and how many jobs follow each.
async fn parcels(world: &World, since: i64) -> Outcome<HashMap<String, Value>> {
    let sql = format!(
        "SELECT d.subject, d.track_number, (SELECT count(*) FROM hub.job t
            WHERE t.operation = 'kazpost.track' AND t.subject = d.subject) AS followed
           FROM portal.delivery d
          WHERE d.job_id IN (SELECT id FROM hub.job WHERE seq > {since})"
    );
    let rows = world.rows(&sql).await?.into_iter();
    Ok(rows.filter_map(|row| Some((text(&row["subject"])?, row))).collect())
}

/// What people would read: one look at the phone of everybody who pressed.
async fn messages(world: &World) -> Outcome<HashMap<Uuid, usize>> {
    let mut phones = BTreeSet::new();
    for part in world.parts.iter().filter(|part| part.operation == "mgov.send_code") {
        let body: Value = serde_json::from_slice(&part.body)?;
        phones.extend(text(&body["input"]["iin"]));
    }
    let mut messages: HashMap<Uuid, usize> = HashMap::new();
    for iin in phones {
        let phone = world.stage.control(&format!("phone/{iin}")).await?;
        for sms in phone["messages"].as_array().into_iter().flatten() {
            let press = sms["request_number"].as_str().and_then(|number| number.parse().ok());
            *messages.entry(press.unwrap_or_default()).or_default() += 1;
        }
    }
    Ok(messages)
}
