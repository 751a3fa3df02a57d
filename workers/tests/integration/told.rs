//! Four weeks of checks, lived through once: every story is published, time jumps until all have
//! ended, and what is left is what the tests look at.

use std::collections::HashMap;

use serde_json::Value;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::world::{Events, Scene, World, check, id, person, until};

/// A job by its name, with the behaviours that the simulators show it in turn.
const STORIES: [(&str, &[&str]); 26] = [
    ("clear", &["clear"]),
    ("convicted", &["convicted"]),
    ("additional_check", &["additional_check"]),
    ("in_progress", &["in_progress"]),
    ("not_identified", &["not_identified"]),
    ("late", &["late"]),
    ("never", &["never"]),
    ("twice", &["twice"]),
    ("early", &["early"]),
    ("pull_only", &["pull_only"]),
    ("two_different", &["two_different"]),
    ("contradiction", &["contradiction"]),
    ("wrong_person", &["wrong_person"]),
    ("wrong_request_number", &["wrong_request_number"]),
    ("unknown_correlation", &["unknown_correlation"]),
    ("unknown_status", &["unknown_status"]),
    ("broken_answer", &["broken_answer"]),
    ("ack_lost", &["ack_lost"]),
    ("ack_lost_never", &["ack_lost_never"]),
    ("ack_cut", &["ack_cut"]),
    ("ack_html", &["ack_html"]),
    ("ack_garbage", &["ack_garbage"]),
    ("unavailable_once", &["refused", "clear"]),
    ("server_error", &["server_error"]),
    ("older", &["late"]),
    ("newer", &["convicted"]),
];

/// What was left at the end.
pub struct Told {
    pub events: Events,
    pub page: String,
    /// The state of workers before and after.
    pub workers: (Vec<Value>, Vec<Value>),
    pub destination: Value,
    pub oracle: Value,
    pub mailbox: Value,
    jobs: HashMap<Uuid, Value>,
    portal: HashMap<String, Value>,
    inbound: Vec<Value>,
    correlations: Vec<Value>,
    journal: Vec<Value>,
}

/// The stories, told once.
pub async fn told() -> &'static Told {
    static TOLD: OnceCell<Told> = OnceCell::const_new();
    TOLD.get_or_init(tell).await
}

/// The names of all stories.
pub fn names() -> impl Iterator<Item = &'static str> {
    STORIES.into_iter().map(|(name, _)| name)
}

async fn tell() -> Told {
    let world = World::build(Scene::default()).await;
    let workers = "SELECT id FROM hub.worker";
    let before = world.rows(workers).await;
    for (name, behaviours) in STORIES {
        let mut job = check(name);
        if ["older", "newer"].contains(&name) {
            job["subject"] = "specialist:both".into();
        }
        world.play(&job, behaviours).await;
        // The newer job of a subject is the one that is admitted later.
        until("it is admitted", async || world.job(id(name)).await).await;
    }
    let unheard_of = person("a person beside them");
    world.play(&unheard_of, &["found"]).await;
    world.live_through(names().count() + 1).await;
    // The second answer of a story may come after the story's end.
    for name in names() {
        world.ended(id(name)).await;
    }
    until("all messages were looked at", async || {
        let open = world.rows("SELECT 1 FROM hub.inbound WHERE state = 'stored'").await;
        let outbox = world.rows("SELECT 1 FROM hub.outbox").await;
        (open.is_empty() && outbox.is_empty()).then_some(())
    })
    .await;
    let told = collect(&world, before).await;
    world.strike().await;
    told
}

async fn collect(world: &World, before: Vec<Value>) -> Told {
    let text = |row: &Value, column: &str| row[column].as_str().unwrap().to_owned();
    let jobs = world.rows("SELECT * FROM hub.job").await.into_iter();
    let portal = world.rows("SELECT * FROM portal.specialist_check").await.into_iter();
    Told {
        events: world.events.clone(),
        page: world.get(0, "/metrics").await.1,
        workers: (before, world.rows("SELECT id FROM hub.worker").await),
        destination: world.row("SELECT * FROM hub.destination WHERE system = 'kpsisu'").await,
        oracle: world.stage.control("oracle").await.unwrap()["kpsisu"].clone(),
        mailbox: world.stage.control("state").await.unwrap()["mailbox"].clone(),
        jobs: jobs.map(|job| (text(&job, "id").parse().unwrap(), job)).collect(),
        portal: portal.map(|row| (text(&row, "subject"), row)).collect(),
        inbound: world.rows("SELECT * FROM hub.inbound ORDER BY id").await,
        correlations: world.rows("SELECT * FROM hub.correlation").await,
        journal: world.stage.control("journal").await.unwrap().as_array().unwrap().clone(),
    }
}

impl Told {
    pub fn job(&self, name: &str) -> &Value {
        &self.jobs[&id(name)]
    }

    pub fn portal(&self, name: &str) -> &Value {
        &self.portal[&format!("specialist:{name}")]
    }

    /// The row that two jobs wrote to.
    pub fn both(&self) -> &Value {
        self.portal("both")
    }

    pub fn names(&self, name: &str) -> Vec<String> {
        self.events.names(id(name))
    }

    /// State and reason of every message about a job.
    pub fn messages(&self, name: &str) -> Vec<(&str, &str)> {
        let seq = &self.job(name)["seq"];
        let of_job = self.inbound.iter().filter(|row| row["job_seq"] == *seq);
        of_job
            .map(|row| (row["state"].as_str().unwrap(), row["source"].as_str().unwrap()))
            .collect()
    }

    /// Every message, whatever it was about.
    pub fn inbound(&self) -> &[Value] {
        &self.inbound
    }

    pub fn has_conversation(&self, name: &str) -> bool {
        self.correlations.iter().any(|row| row["job_seq"] == self.job(name)["seq"])
    }

    /// What the simulators saw of a job.
    pub fn journal(&self, name: &str) -> Vec<&Value> {
        let number = id(name).to_string();
        self.journal.iter().filter(|entry| entry["request_number"] == number).collect()
    }
}
