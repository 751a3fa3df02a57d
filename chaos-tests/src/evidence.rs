//! What is left when everything has ended: the hub's rows, the portal's rows, the government's book.
//!
//! No column that is shown holds personal data.

mod rows;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ops::Range,
    sync::atomic::Ordering,
};

use serde_json::Value;
use uuid::Uuid;

use crate::{
    Outcome,
    portal::Told,
    world::{Since, World, line, text},
};

/// Where couriers are called, as the simulators' journal has it.
pub(crate) const COURIER: &str = "kazpost.courier";
/// Where parcels are looked at.
pub(crate) const TRACKING: &str = "kazpost.track";

/// Everything that the oracle compares.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Places of the messages that the broker confirmed.
    pub confirmed: HashSet<usize>,
    /// Events by job, in the order of their arrival.
    pub heard: HashMap<Uuid, Vec<Told>>,
    /// Events that came to the receiver of callbacks, job and sequence, in the order of their first
    /// arrival.
    pub came: Vec<String>,
    /// Jobs by id.
    pub jobs: HashMap<Uuid, Value>,
    /// Rows of the portal, by operation and subject.
    pub portal: HashMap<(String, String), Value>,
    /// Ids that are in quarantine; `None` for a message without one.
    pub quarantine: Vec<Option<Uuid>>,
    /// Whether business time jumped while jobs were under way.
    pub jumped: bool,
    /// Attempts: job number and run.
    pub attempts: Vec<(i64, i64)>,
    /// What is left in tables that must be empty: name and count.
    pub left: Vec<(&'static str, i64)>,
    /// The simulators' count, of all rounds.
    pub oracle: Value,
    /// What the books said when this round began.
    pub before: Books,
    /// The simulators' journal of this round, of each system oldest first; before it the numbers that
    /// orders were given earlier.
    pub journal: Vec<Value>,
    /// Entries of this round that the journal has dropped.
    pub lost_entries: u64,
    /// Where the next round's entries begin.
    pub next_entry: u64,
    /// Request numbers of jobs of earlier rounds, which were judged then.
    pub earlier: HashSet<String>,
    /// How many jobs, of all rounds, asked for a label of each order.
    pub label_jobs: HashMap<String, u64>,
    /// Messages that Е-қызмет began in this round, by their ids.
    pub begun: Vec<String>,
    /// Where the next round's begin.
    pub next_begun: u64,
    /// Rows of the portal of each message.
    pub message_rows: HashMap<String, u64>,
    /// Events that told of each message.
    pub received: HashMap<String, usize>,
    /// The codes of a parcel's events in the portal, by its number; `-` where an event has none.
    pub parcels: HashMap<String, Vec<String>>,
    /// Messages on phones, by the request number that they tell.
    pub messages: HashMap<String, usize>,
    /// Rows of the view `portal.specialist_access`, with the verdicts that it is made of.
    pub access: Vec<Value>,
}

/// What the government's books say at the end of a round: the next one is judged by what comes on top.
#[derive(Debug, Clone, Default)]
pub struct Books {
    /// The simulators' count.
    pub counted: Value,
    /// How many jobs asked for a label of each order.
    pub label_jobs: HashMap<String, u64>,
    /// Entries of orders that were given a number: a later job for the same order is given the same.
    pub labels: Vec<Value>,
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
        let Since { job: since, quarantine: kept_before, entry, ref books, .. } = world.since;
        let jobs = format!(
            "SELECT id, seq, operation, subject, state, sla, run, attempts, events, code, begun_by,
               callback_url IS NOT NULL AS callback, verify_job, summary, requested_at
               FROM hub.job WHERE seq > {since}"
        );
        let jobs = world.rows(&jobs).await?;
        let jobs: HashMap<Uuid, Value> =
            jobs.into_iter().filter_map(|job| Some((id(&job["id"])?, job))).collect();
        let portal = world
            .rows(&rows::of_round(since))
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
        let (kept, new) = journal(world, entry).await?;
        let journal = books.labels.iter().cloned().chain(new).collect();
        let earlier = world.rows(&rows::earlier(since)).await?;
        let label_jobs = world.rows(rows::LABELS).await?.into_iter().filter_map(|row| {
            Some((order_number(row["subject"].as_str()?), row["jobs"].as_u64()?))
        });
        let label_jobs = label_jobs.collect();
        let messages = messages(world).await?;
        let access = world.rows(&rows::access(since)).await?;
        let places = 0..world.parts.len();
        let (begun, next_begun) = world.begun().await?;
        let message_rows = world.rows(rows::MESSAGES).await?.into_iter();
        let message_rows = message_rows
            .filter_map(|row| Some((text(&row["message_id"])?, row["count"].as_u64()?)));
        let message_rows = message_rows.collect();
        let parcels = parcels(&world.rows(rows::PARCELS).await?);
        Ok(Self {
            confirmed: places.filter(|place| world.portal.is_confirmed(*place)).collect(),
            heard: jobs.keys().map(|id| (*id, world.portal.heard(*id))).collect(),
            came: world.receiver.firsts(),
            begun,
            next_begun,
            message_rows,
            received: world.portal.received(),
            parcels,
            jobs,
            portal,
            jumped: world.jumped.load(Ordering::Relaxed),
            quarantine: quarantine.iter().map(|row| id(&row["job_id"])).collect(),
            attempts: attempts.iter().map(|a| (number(&a["job_seq"]), number(&a["run"]))).collect(),
            left,
            oracle: world.stage.control("oracle").await?,
            before: books.clone(),
            journal,
            lost_entries: kept.start.saturating_sub(entry),
            next_entry: kept.end,
            earlier: earlier.iter().filter_map(|row| text(&row["number"])).collect(),
            label_jobs,
            messages,
            access,
        })
    }

    /// Counts of the states, and of what the government executed.
    pub fn summary(&self) -> String {
        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        for job in self.jobs.values() {
            *states.entry(job["state"].as_str().unwrap_or("?")).or_default() += 1;
        }
        let states: Vec<String> = states.iter().map(|(s, n)| format!("{n} {s}")).collect();
        let at = |book: &Value, system: &str, what: &str| book[system][what].as_u64().unwrap_or(0);
        let of = |system: &str, what: &str| {
            at(&self.oracle, system, what) - at(&self.before.counted, system, what)
        };
        let sum = |what: &str| crate::oracle::COMMANDED.map(|s| of(s, what)).iter().sum::<u64>();
        let without = crate::oracle::without_reason(self);
        let without: Vec<String> = without.iter().map(|(name, n)| format!("{n} {name}")).collect();
        let without = match without.as_slice() {
            [] => String::new(),
            some => format!("; no answer and no fault in the journal: {}", some.join(", ")),
        };
        format!(
            "{} jobs ({}), {} commands executed in {} requests, {} messages begun{without}",
            self.jobs.len(),
            states.join(", "),
            sum("executed"),
            sum("requests"),
            self.begun.len(),
        )
    }

    /// What the books say now, for the next round.
    pub fn books(&self) -> Books {
        let given = |entry: &&Value| {
            entry["system"] == "kazpost" && entry["executed"] == true && entry["given"].is_string()
        };
        Books {
            counted: self.oracle.clone(),
            label_jobs: self.label_jobs.clone(),
            labels: self.journal.iter().filter(given).cloned().collect(),
        }
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

/// What Kazpost knows an order by.
pub(crate) fn order_number(subject: &str) -> String {
    format!("SIM-{}", subject.trim_start_matches("order:"))
}

/// Doors of Kazpost with a journal of their own.
const DOORS: [&str; 2] = [COURIER, TRACKING];

/// What the simulators wrote down from this entry on, and the numbers of the entries that they keep, as
/// they were before.
async fn journal(world: &World, from: u64) -> Outcome<(Range<u64>, Vec<Value>)> {
    let state = world.stage.control("state").await?;
    let kept: Range<u64> = serde_json::from_value(state["journal"].clone())?;
    let mut journal = Vec::new();
    let systems = adapters::systems::all().into_iter().map(|system| system.spec().name);
    for name in systems.chain(DOORS) {
        let page = format!("journal?system={name}&from={from}");
        let entries = world.stage.control(&page).await?;
        journal.extend(entries.as_array().cloned().unwrap_or_default());
    }
    Ok((kept, journal))
}

/// Codes by parcel.
fn parcels(rows: &[Value]) -> HashMap<String, Vec<String>> {
    let mut parcels: HashMap<String, Vec<String>> = HashMap::new();
    for row in rows {
        let code = text(&row["code"]).unwrap_or_else(|| "-".to_owned());
        parcels.entry(text(&row["track_number"]).unwrap_or_default()).or_default().push(code);
    }
    parcels
}

/// What people would read: one look at the phone of everybody who pressed.
async fn messages(world: &World) -> Outcome<HashMap<String, usize>> {
    let mut phones = BTreeSet::new();
    for part in world.parts.iter().filter(|part| part.operation == "mgov.send_code") {
        let body: Value = serde_json::from_slice(&part.body)?;
        phones.extend(text(&body["input"]["iin"]));
    }
    let mut messages: HashMap<String, usize> = HashMap::new();
    for iin in phones {
        let phone = world.stage.control(&format!("phone/{iin}")).await?;
        for sms in phone["messages"].as_array().into_iter().flatten() {
            *messages.entry(text(&sms["request_number"]).unwrap_or_default()).or_default() += 1;
        }
    }
    Ok(messages)
}
