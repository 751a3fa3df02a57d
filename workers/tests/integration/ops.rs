//! What operators do: the commands `hub jobs`, `hub quarantine` and `hub audit`, as processes beside a
//! running hub. Whatever they print is searched for numbers of persons.

use std::process::{Output, Stdio};

use contracts::{
    number::Iin,
    state::{Phase, State},
};
use jiff::{ToSpan, tz};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use uuid::Uuid;
use workers::store::{
    admission::{Body, Entry, Fate},
    record::{Change, Guard},
    retry::retry_id,
};

use crate::{
    orders::{call_courier, number_of},
    servers::run,
    world::{QUICK, Scene, World, check, common, id, iin, person, properties, until},
};

/// Retries that nobody lives to see: what waits, waits until a test says otherwise.
const PATIENT: &str = "
[operations.gbdfl.person]
at_risk_s = 3600
deadline_s = 7200
call_timeout_ms = 1200
[operations.kpsisu.check]
call_timeout_ms = 2000
retry_base_ms = 86000000
retry_max_ms = 86000000
";

/// Checks that are given up before their answer comes.
const HASTY: &str = "
[operations.gbdfl.person]
call_timeout_ms = 1200
[operations.kpsisu.check]
at_risk_s = 60
deadline_s = 120
give_up_s = 300
call_timeout_ms = 2000
";

/// What a command said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{}\n{}", self.out, self.err))
    }

    /// The only row of a report.
    pub fn row(&self) -> Value {
        let rows = self.json();
        assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
        rows[0].clone()
    }
}

/// Runs `hub` with the settings of the world's first hub.
async fn raw(world: &World, arguments: &[&str]) -> Said {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_hub"));
    command.args(arguments).arg("--config").arg(world.stage.settings_file(0));
    command.env("USER", "tester").stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
}

/// The same, for commands that never show a person.
pub async fn hub(world: &World, arguments: &[&str]) -> Said {
    let said = raw(world, arguments).await;
    for text in [&said.out, &said.err] {
        let found: Vec<&str> = numbers(text).collect();
        assert!(found.is_empty(), "{arguments:?} shows a person's number");
    }
    said
}

/// Everything in a text that is the number of a person.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '-')
        .filter(|word| word.parse::<Iin>().is_ok())
}

async fn patient() -> &'static World {
    static PATIENT_WORLD: OnceCell<World> = OnceCell::const_new();
    PATIENT_WORLD
        .get_or_init(async || {
            World::build(Scene { settings: PATIENT.to_owned(), ..Scene::default() }).await
        })
        .await
}

/// What the audit says of a target, oldest first: action, actor, reason, result.
async fn audit(world: &World, target: &str) -> Vec<[String; 4]> {
    let said = hub(world, &["audit", "list", "--target", target, "--json"]).await;
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let keys = ["action", "actor", "reason", "result"];
    let rows = said.json();
    rows.as_array().unwrap().iter().rev().map(|row| keys.map(|key| text(row, key))).collect()
}

/// Everything that a dry run could change.
async fn tables(world: &World, id: Uuid) -> Vec<Value> {
    let mut all = world.rows(&format!("SELECT * FROM hub.job WHERE id = '{id}'")).await;
    let seq = all[0]["seq"].clone();
    for table in ["hub.timer", "hub.inbound", "portal.specialist_check", "portal.person"] {
        all.extend(world.rows(&format!("SELECT * FROM {table} WHERE job_seq = {seq}")).await);
    }
    all.extend(world.rows(&format!("SELECT * FROM hub.audit WHERE target = '{id}'")).await);
    all
}

#[test]
fn a_listing_shows_what_its_filters_say_newest_first_and_tells_when_it_is_cut() {
    run(async {
        let world = common().await;
        let names = ["listed 1", "listed 2", "listed 3"];
        for name in names {
            let mut job = person(name);
            job["subject"] = "person:listed".into();
            world.play(&job, &["found"]).await;
            world.ended(id(name)).await;
        }
        let list = async |more: &[&str]| {
            let first = ["jobs", "list", "--subject", "person:listed", "--json"];
            hub(world, &[&first, more].concat()).await
        };
        let ids = |said: &Said| -> Vec<Value> {
            said.json().as_array().unwrap().iter().map(|row| row["id"].clone()).collect()
        };
        let newest_first: Vec<Value> = names.iter().rev().map(|name| json!(id(name))).collect();
        let all = list(&["--state", "succeeded,failed", "--since", "1h"]).await;
        assert_eq!((ids(&all), all.code), (newest_first.clone(), 0));
        assert!(all.err.is_empty(), "{}", all.err);
        let cut = list(&["--limit", "2", "--operation", "gbdfl.person"]).await;
        assert_eq!(ids(&cut), newest_first[..2]);
        assert!(cut.err.contains("cut"), "{}", cut.err);
        for none in [
            ["--state", "failed"],
            ["--system", "kpsisu"],
            ["--until", "1h"],
            ["--sla", "breached"],
            ["--waiting-for", "answer"],
            ["--code", "no_answer"],
        ] {
            assert_eq!(ids(&list(&none).await), Vec::<Value>::new(), "{none:?}");
        }
        let table = hub(world, &["jobs", "list", "--subject", "person:listed"]).await;
        assert!(table.out.contains("3 jobs") && table.out.contains("succeeded"), "{}", table.out);
        for wrong in [["--state", "done"], ["--operation", "gbdfl.persn"], ["--since", "soon"]] {
            assert_eq!(list(&wrong).await.code, 2, "{wrong:?}");
        }
    });
}

#[test]
fn a_story_shows_every_attempt_with_four_moments_and_nothing_personal() {
    run(async {
        let world = common().await;
        let job = person("told by show");
        world.play(&job, &["reset", "found"]).await;
        world.ended(id("told by show")).await;
        let text_id = id("told by show").to_string();
        let story = until("both events are confirmed", async || {
            let story = hub(world, &["jobs", "show", &text_id, "--json"]).await.json();
            let events = story["events"].as_array().unwrap().clone();
            events.iter().all(|event| event["delivery"] == "confirmed").then_some(story)
        })
        .await;
        assert_eq!(story["job"]["input_fields"], json!(["iin"]));
        assert_eq!(story["job"]["waiting_for"], "nothing");
        let attempts = story["attempts"].as_array().unwrap();
        let classes: Vec<&Value> = attempts.iter().map(|attempt| &attempt["class"]).collect();
        assert_eq!(classes, [&json!("unreachable"), &Value::Null]);
        for attempt in attempts {
            let moments = ["accepted_at", "sent_at", "answered_at", "recorded_at"]
                .map(|key| attempt[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap());
            assert!(moments.is_sorted(), "{moments:?}");
        }
        let names: Vec<&Value> =
            story["events"].as_array().unwrap().iter().map(|event| &event["name"]).collect();
        assert_eq!(names, [&json!("accepted"), &json!("waiting"), &json!("succeeded")]);
        let events = story["events"].as_array().unwrap().iter();
        let moment = |event: &Value| event["at"].as_str().unwrap().parse::<jiff::Timestamp>();
        assert!(events.map(|event| moment(event).unwrap()).is_sorted());
        assert_eq!(story["portal"]["table"], "portal.person");
        assert_eq!(story["portal"]["status"], "succeeded");
        assert_eq!(story["timers"], json!([]));

        let text = hub(world, &["jobs", "show", &text_id]).await;
        for part in ["attempts", "unreachable", "events", "portal.person: succeeded", "input has"] {
            assert!(text.out.contains(part), "{part} in\n{}", text.out);
        }
        let unknown = hub(world, &["jobs", "show", &Uuid::nil().to_string()]).await;
        assert_eq!(unknown.code, 1);
    });
}

#[test]
fn a_failed_job_is_repeated_once_as_a_new_job_and_stays_as_it_is() {
    run(async {
        let world = common().await;
        let old = id("fails");
        world.play(&person("fails"), &["reset", "reset", "reset"]).await;
        let failed = world.ended(old).await;
        assert_eq!(failed["state"], "failed");
        let new = retry_id(old);
        let order = json!({"system": "gbdfl", "behaviour": "found", "request_number": new});
        world.stage.order("next", &order).await.unwrap();
        let before = tables(world, old).await;
        let retry = ["jobs", "retry", &old.to_string(), "--reason", "it works again", "--json"];

        let tried = hub(world, &[&retry[..], &["--dry-run"]].concat()).await;
        assert_eq!((tried.code, &tried.row()["new_job"]), (0, &json!(new)));
        assert_eq!(tables(world, old).await, before);
        assert!(world.job(new).await.is_none(), "a dry run changes nothing");

        let said = hub(world, &retry).await;
        assert_eq!((said.code, &said.row()["new_job"]), (0, &json!(new)));
        let repeated = world.ended(new).await;
        assert_eq!(repeated["state"], "succeeded");
        assert_eq!(repeated["retry_of"], old.to_string());
        assert_eq!(repeated["input"], failed["input"]);
        assert_eq!(world.job(old).await.unwrap(), failed, "terminal is terminal");
        let row = world.portal("person", &person("fails")).await;
        assert_eq!((&row["job_id"], &row["found"]), (&json!(new), &json!(true)));

        let again = hub(world, &retry).await;
        assert_eq!((again.code, &again.row()["code"]), (1, &json!("retried_before")));
        let told = ["jobs.retry", "tester", "it works again", &new.to_string()].map(str::to_owned);
        assert_eq!(audit(world, &old.to_string()).await, [told]);
        let story = hub(world, &["jobs", "show", &old.to_string(), "--json"]).await.json();
        let relative = &story["relatives"][0];
        assert_eq!((&relative["kind"], &relative["id"]), (&json!("retried_by"), &json!(new)));

        let good = new.to_string();
        let said = hub(world, &["jobs", "retry", &good, "--reason", "why not", "--json"]).await;
        assert_eq!((said.code, &said.row()["code"]), (1, &json!("succeeded")));
    });
}

#[test]
fn a_withdrawal_is_made_once_however_many_ask_for_it() {
    run(async {
        let world = patient().await;
        let job = id("withdrawn");
        world.play(&check("withdrawn"), &["refused"]).await;
        world.in_state(job, "waiting").await;
        let before = tables(world, job).await;
        let text = job.to_string();
        let cancel = ["jobs", "cancel", &text, "--reason", "a mistake", "--json"];
        let tried = hub(world, &[&cancel[..], &["--dry-run"]].concat()).await;
        assert_eq!((tried.code, &tried.row()["code"]), (0, &json!("cancelled")));
        assert_eq!(tables(world, job).await, before, "a dry run changes nothing");

        let (a, b, c) = tokio::join!(hub(world, &cancel), hub(world, &cancel), hub(world, &cancel));
        let mut codes: Vec<Value> =
            [a, b, c].iter().map(|said| said.row()["code"].clone()).collect();
        codes.sort_by_key(ToString::to_string);
        assert_eq!(codes, ["cancelled", "cancelled_before", "cancelled_before"]);
        assert_eq!(world.ended(job).await["state"], "cancelled");
        assert_eq!(world.events.names(job), ["accepted", "waiting", "cancelled"]);
        assert_eq!(audit(world, &text).await.len(), 1);
        let event = world.events.wait_for(job, "cancelled").await;
        assert!(!event.to_string().contains("a mistake"), "an operator's words stay in the audit");
    });
}

#[test]
fn a_withdrawal_and_a_worker_never_both_have_the_job() {
    run(async {
        let world = patient().await;
        let names: Vec<String> = (0..8).map(|n| format!("raced {n}")).collect();
        for name in &names {
            let mut job = check(name);
            job["requested_by"] = "organisation:raced".into();
            world.play(&job, &["refused", "clear"]).await;
        }
        for name in &names {
            world.in_state(id(name), "waiting").await;
        }
        // Due while the withdrawals are under way.
        world
            .execute(
                "UPDATE hub.timer t SET due_at = hub.now() + interval '150 milliseconds'
                   FROM hub.job_live j WHERE j.seq = t.job_seq AND t.kind = 'wake'
                    AND j.requested_by = 'organisation:raced'",
            )
            .await;
        let ids: Vec<String> = names.iter().map(|name| id(name).to_string()).collect();
        let mut arguments = vec!["jobs", "cancel", "--reason", "race", "--json", "--rate", "20/s"];
        arguments.extend(ids.iter().map(String::as_str));
        let report = hub(world, &arguments).await.json();
        for (name, row) in names.iter().zip(report.as_array().unwrap()) {
            let executed = async || {
                let sent = world.journal(id(name)).await;
                sent.iter().filter(|entry| entry["executed"] == true).count()
            };
            if row["done"] == true {
                assert_eq!(world.ended(id(name)).await["state"], "cancelled", "{name}");
                assert_eq!(executed().await, 0, "{name}: withdrawn, and sent");
            } else {
                assert_eq!(row["code"], "too_late", "{name}: {row}");
                world.in_state(id(name), "pending").await;
                assert_eq!(executed().await, 1, "{name}");
            }
        }
    });
}

#[test]
fn a_command_in_doubt_is_done_or_not_by_a_persons_word() {
    run(async {
        let world = patient().await;
        world.play(&check("was done"), &["ack_lost_never"]).await;
        world.play(&check("was not done"), &["server_error", "clear"]).await;
        for name in ["was done", "was not done"] {
            world.in_state(id(name), "in_doubt").await;
        }
        let listed = ["jobs", "list", "--waiting-for", "evidence", "--json", "--subject"];
        let listed = hub(world, &[&listed[..], &["specialist:was done"]].concat()).await;
        assert_eq!(listed.row()["id"], json!(id("was done")));

        let resolve = async |name: &str, word: &str, more: &[&str]| {
            let job = id(name).to_string();
            let first = ["jobs", "resolve", &job, "--as", word, "--reason", "asked them", "--json"];
            hub(world, &[&first, more].concat()).await
        };
        let before = tables(world, id("was done")).await;
        let tried = resolve("was done", "done", &["--dry-run"]).await;
        assert_eq!((tried.code, &tried.row()["dry_run"]), (0, &json!(true)));
        assert_eq!(tables(world, id("was done")).await, before, "a dry run changes nothing");

        assert_eq!(resolve("was done", "done", &[]).await.row()["code"], "resolved_done");
        // What was done is that the check was started: its answer is still to come.
        let done = world.in_state(id("was done"), "pending").await;
        assert_eq!(done["summary"], json!({"resolved": "done"}));
        let row = world.portal("specialist_check", &check("was done")).await;
        assert_eq!((&row["status"], &row["verdict"]), (&json!("pending"), &json!("unknown")));
        let again = resolve("was done", "not-done", &[]).await;
        assert_eq!((again.code, &again.row()["code"]), (1, &json!("not_in_doubt")));

        let said = resolve("was not done", "not-done", &[]).await;
        assert_eq!(said.row()["code"], "resolved_not_done");
        world.in_state(id("was not done"), "pending").await;
        let sent = world.journal(id("was not done")).await;
        let executed: Vec<&Value> = sent.iter().map(|entry| &entry["executed"]).collect();
        assert_eq!(executed, [false, true]);
        let names = world.events.names(id("was not done"));
        assert_eq!(names[..3], ["accepted", "in_doubt", "progress"]);
        let told = ["jobs.resolve", "tester", "asked them", "resolved_done"].map(str::to_owned);
        assert_eq!(audit(world, &id("was done").to_string()).await, [told]);
    });
}

#[test]
fn a_person_decides_while_a_worker_asks() {
    run(async {
        let world = patient().await;
        let job = id("is asked");
        let number = number_of("is-asked");
        let lost = json!({
            "system": "kazpost.courier", "behaviour": "lost_after_call", "request_number": number,
        });
        world.stage.order("next", &lost).await.unwrap();
        let now = world.stage.store.business_now().await.unwrap();
        let day = tz::offset(5).to_datetime(now).date().checked_add(1.day()).unwrap();
        world.send(&call_courier("is-asked", "is asked", day)).await;
        world.in_state(job, "in_doubt").await;
        // A worker of another machine asks what became of it.
        let asks =
            "INSERT INTO hub.worker VALUES (gen_random_uuid(), 'asks', 0, hub.now(), hub.now());
            UPDATE hub.job_live SET state = 'calling', phase = 'ask', run = run + 1,
                   owner = (SELECT id FROM hub.worker WHERE name = 'asks')
             WHERE id = ";
        world.execute(&format!("{asks} '{job}'")).await;
        let asked = world.in_state(job, "calling").await;
        let text = job.to_string();
        let resolve = async |word| {
            let said = ["jobs", "resolve", &text, "--as", word, "--reason", "known", "--json"];
            hub(world, &said).await
        };
        // The answer may be that it was done: sending it again must wait for that.
        assert_eq!(resolve("not-done").await.row()["code"], "being_asked");
        assert_eq!(resolve("done").await.row()["code"], "resolved_done");
        let run = i32::try_from(asked["run"].as_i64().unwrap()).unwrap();
        let seq = asked["seq"].as_i64().unwrap();
        let spec = &adapters::systems::kazpost::CALL_COURIER;
        let late = Change {
            phase: Some(Phase::Send),
            ..Change::to(State::Waiting, seq, spec, Guard::Run(run))
        };
        let recorded = world.stage.store.record(&[late]).await.unwrap();
        assert_eq!(recorded, [None], "what the question brought is fenced off");
        assert_eq!(world.ended(job).await["state"], "succeeded");
        let sent = world.executed("kazpost.courier").await;
        assert_eq!(sent[&number], 1, "it was not sent again");
    });
}

#[test]
fn a_late_answer_is_given_to_the_portal_and_the_job_stays_expired() {
    run(async {
        let world = World::build(Scene { settings: HASTY.to_owned(), ..Scene::default() }).await;
        world.play(&check("too late"), &["clear"]).await;
        world.play(&check("no answer"), &["never"]).await;
        for name in ["too late", "no answer"] {
            world.in_state(id(name), "pending").await;
        }
        until("the answer came too late", async || {
            workers::demo::time::advance(&world.stage).await.unwrap();
            let late = world.rows("SELECT 1 FROM hub.inbound WHERE state = 'late'").await;
            (!late.is_empty()).then_some(())
        })
        .await;
        let (late, none) = (id("too late"), id("no answer"));
        assert_eq!(world.ended(late).await["state"], "expired");
        assert_eq!(world.ended(none).await["state"], "expired");
        let row = world.portal("specialist_check", &check("too late")).await;
        assert_eq!((&row["status"], &row["verdict"]), (&json!("expired"), &json!("unknown")));

        let act = async |command: &str, job: Uuid, more: &[&str]| {
            let job = job.to_string();
            let first = ["jobs", command, &job, "--reason", "it came", "--json"];
            hub(&world, &[&first, more].concat()).await
        };
        let before = tables(&world, late).await;
        let tried = act("apply-late", late, &["--dry-run"]).await;
        assert_eq!((tried.code, &tried.row()["code"]), (0, &json!("applied")));
        assert_eq!(tables(&world, late).await, before, "a dry run changes nothing");

        // The one without an answer is newer, and in nobody's way.
        let all = ["jobs", "apply-late", "--all-matching", "--system", "kpsisu", "--limit", "1"];
        let all = [&all[..], &["--reason", "it came", "--json"]].concat();
        let said = hub(&world, &[&all[..], &["--dry-run"]].concat()).await;
        assert_eq!((said.code, &said.row()["target"]), (0, &json!(late)));

        assert_eq!(act("apply-late", late, &[]).await.row()["code"], "applied");
        assert_eq!(hub(&world, &all).await.json(), json!([]), "nothing is left to apply");
        let row = world.portal("specialist_check", &check("too late")).await;
        assert_eq!((&row["status"], &row["verdict"]), (&json!("succeeded"), &json!("clear")));
        assert_eq!(row["late"], true);
        let told = world.events.wait_for(late, "progress").await;
        assert_eq!(told["data"]["state"], "expired");
        assert_eq!(told["data"]["summary"]["late"], true);
        assert_eq!(world.job(late).await.unwrap()["state"], "expired");
        assert_eq!(act("apply-late", late, &[]).await.row()["code"], "no_answer");
        assert_eq!(act("apply-late", none, &[]).await.row()["code"], "no_answer");

        // They took the command, so nobody knows what a second one would do.
        assert_eq!(act("retry", none, &[]).await.row()["code"], "may_be_done");
        assert_eq!(act("retry", none, &["--even-if-done"]).await.row()["code"], "retried");
        world.in_state(retry_id(none), "pending").await;
        let actions: Vec<String> =
            audit(&world, &none.to_string()).await.into_iter().map(|[action, ..]| action).collect();
        assert_eq!(actions, ["jobs.retry.even_if_done"]);
        let seen = world.stage.control("oracle").await.unwrap()["kpsisu"].clone();
        assert_eq!(seen["executed_more_than_once"], json!([]), "a new job is a new request");
        world.strike().await;
    });
}

#[test]
fn what_is_no_job_is_looked_at_sent_again_or_dropped() {
    run(async {
        let world = common().await;
        let typed = properties().with_content_type("text/wrong".into());
        for name in ["kept apart", "not wanted by anybody"] {
            let body = person(name).to_string();
            assert!(world.publish("gbdfl.person", body.as_bytes(), typed.clone()).await);
        }
        let kept = async |name: &str| {
            until(name, async || {
                let said = hub(world, &["quarantine", "list", "--code", "content_type", "--json"]);
                let rows = said.await.json();
                let of_job = |row: &&Value| row["job_id"] == json!(id(name));
                let row = rows.as_array().unwrap().iter().find(of_job).cloned();
                row.map(|row| row["id"].to_string())
            })
            .await
        };
        let (wanted, unwanted) = (kept("kept apart").await, kept("not wanted by anybody").await);
        let shown = hub(world, &["quarantine", "show", &wanted]).await;
        assert!(shown.out.contains("text/wrong") && shown.code == 0, "{}", shown.out);
        let reveal = ["quarantine", "show", &wanted, "--reveal"];
        assert_eq!(hub(world, &reveal).await.code, 2, "who reads it says why");
        let read = raw(world, &[&reveal[..], &["--reason", "to mend it"]].concat()).await;
        assert!(read.out.contains(&iin("kept apart")), "{}", read.err);
        assert!(read.err.contains("personal"), "{}", read.err);

        let typed = ["--content-type", "application/json", "--reason", "mended", "--json"];
        let requeue = [&["quarantine", "requeue", &wanted], &typed[..]].concat();
        let tried = hub(world, &[&requeue[..], &["--dry-run"]].concat()).await;
        assert_eq!((tried.code, &tried.row()["done"]), (0, &json!(true)));
        assert!(world.job(id("kept apart")).await.is_none(), "a dry run changes nothing");
        assert_eq!(hub(world, &requeue).await.row()["code"], "requeued");
        assert_ne!(world.ended(id("kept apart")).await["state"], "rejected");
        assert_eq!(hub(world, &requeue).await.row()["code"], "not_kept");
        let actions: Vec<String> =
            audit(world, &wanted).await.into_iter().map(|[action, ..]| action).collect();
        assert_eq!(actions, ["quarantine.reveal", "quarantine.requeue", "quarantine.requeue"]);

        let drop = ["quarantine", "drop", &unwanted, "--reason", "nobody needs it", "--json"];
        assert_eq!(hub(world, &drop).await.row()["code"], "dropped");
        let row = world
            .row(&format!("SELECT state, length(sealed) FROM hub.quarantine WHERE id = {unwanted}"))
            .await;
        assert_eq!(row, json!({"state": "dropped", "length": 0}));
    });
}

#[test]
fn a_batch_acts_on_all_that_match_and_never_on_everything() {
    run(async {
        let world = patient().await;
        let names = ["batched 1", "batched 2", "batched 3"];
        for name in names {
            let mut job = check(name);
            job["subject"] = "specialist:batched".into();
            world.play(&job, &["refused"]).await;
            world.in_state(id(name), "waiting").await;
        }
        let reason = ["jobs", "cancel", "--reason", "not needed"];
        let cancel = async |more: &[&str]| hub(world, &[&reason, more].concat()).await;
        let filter =
            ["--all-matching", "--subject", "specialist:batched", "--waiting-for", "retry"];
        for wrong in [
            &["--all-matching"][..],
            &["--subject", "specialist:batched"],
            &[&id("batched 1").to_string(), "--subject", "specialist:batched"],
            &[&filter[..], &["--rate", "0/s"]].concat(),
        ] {
            assert_eq!(cancel(wrong).await.code, 2, "{wrong:?}");
        }
        let named = id("batched 1").to_string();
        let personal = raw(world, &["jobs", "cancel", &named, "--reason", "of 850100300012"]).await;
        assert_eq!(personal.code, 2, "a reason names nobody");
        assert_eq!(hub(world, &["jobs", "cancel", &named]).await.code, 2, "a reason is needed");

        let tried = cancel(&[&filter[..], &["--dry-run"]].concat()).await;
        assert!(tried.out.contains("dry run, nothing was changed: 3 cancelled"), "{}", tried.out);
        let said = cancel(&[&filter[..], &["--rate", "50/s"]].concat()).await;
        assert!(said.code == 0 && said.out.contains("3 cancelled"), "{}", said.out);
        for name in names {
            assert_eq!(world.ended(id(name)).await["state"], "cancelled");
        }
        let none = cancel(&filter).await;
        assert!(none.code == 0 && none.err.contains("no job matches"), "{}", none.err);
    });
}

#[test]
fn an_older_job_is_not_repeated_over_a_newer_one() {
    run(async {
        let world = common().await;
        let both = |name: &str| {
            let mut job = person(name);
            job["subject"] = "person:asked twice".into();
            job
        };
        world.play(&both("asked first"), &["reset", "reset", "reset"]).await;
        world.ended(id("asked first")).await;
        world.play(&both("asked second"), &["found"]).await;
        world.ended(id("asked second")).await;
        let old = id("asked first").to_string();
        let said = hub(world, &["jobs", "retry", &old, "--reason", "again", "--json"]).await;
        assert_eq!((said.code, &said.row()["code"]), (1, &json!("superseded")));
        assert!(said.row()["text"].as_str().unwrap().contains(&id("asked second").to_string()));
        assert!(QUICK.contains("attempts_max = 3"), "the first has used its attempts up");
    });
}

#[test]
fn a_story_names_the_job_that_began_with_its_answer() {
    run(async {
        let world = patient().await;
        let (parent, child) = (id("begins another"), id("began with it"));
        world.play(&check("begins another"), &["never"]).await;
        let seq = world.in_state(parent, "pending").await["seq"].as_i64().unwrap();
        let follow_up = Entry {
            id: child,
            content_hash: [1; 32],
            operation: Some(&adapters::systems::gbdfl::PERSON),
            subject: None,
            reply: None,
            trace: None,
            code: None,
            child: None,
            fate: Fate::Job {
                start: false,
                body: Box::new(Body {
                    requested_by: "hub".to_owned(),
                    priority: 1,
                    input: json!({"iin": iin("began with it")}),
                    consent: None,
                    verify_job: None,
                    retry_of: None,
                    begun_by: None,
                    callback_url: None,
                    requested_at: workers::clock::real_now(),
                    sla: adapters::systems::gbdfl::PERSON.sla,
                }),
            },
        };
        let spec = &adapters::systems::kpsisu::CHECK;
        let answered = Change {
            follow_up: Some(Box::new(follow_up)),
            ..Change::to(State::Succeeded, seq, spec, Guard::Live)
        };
        assert!(world.stage.store.record(&[answered]).await.unwrap()[0].is_some());
        world.ended(child).await;
        for (job, kind, other) in [(parent, "follow_up", child), (child, "begun_by", parent)] {
            let story = hub(world, &["jobs", "show", &job.to_string(), "--json"]).await.json();
            let relatives: Vec<_> = story["relatives"]
                .as_array()
                .unwrap()
                .iter()
                .map(|relative| (&relative["kind"], &relative["id"], &relative["state"]))
                .collect();
            let state = &world.job(other).await.unwrap()["state"];
            assert_eq!(relatives, [(&json!(kind), &json!(other), state)]);
        }
    });
}
