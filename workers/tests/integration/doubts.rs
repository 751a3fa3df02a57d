//! What a person's word does to a command in doubt, and what no word can do. What the simulators saw
//! is the judge.

use jiff::SignedDuration;
use serde_json::{Value, json};
use uuid::Uuid;
use workers::store::retry::retry_id;

use crate::{
    orders::{QUICK_POST, label, number_of},
    press::{Person, check_by_code, press, verification_of, wrong},
    protection::{self, blocked, done, hub},
    servers::run,
    world::{Scene, World, check, common, id, iin, until},
};

/// What `hub jobs …` says of one job.
async fn act(world: &World, command: &str, job: Uuid, more: &[&str]) -> Value {
    let job = job.to_string();
    let arguments = ["jobs", command, &job, "--reason", "asked them", "--json"];
    let (_, text) = hub(world, &[&arguments, more].concat()).await;
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    assert_eq!(rows.len(), 1, "{text}");
    rows[0].clone()
}

async fn resolve(world: &World, job: Uuid, word: &str) -> Value {
    act(world, "resolve", job, &["--as", word]).await
}

#[test]
fn d4_nobodys_word_opens_a_check_whose_code_was_never_answered() {
    run(async {
        let world = World::build(Scene::default()).await;
        let person = Person { iin: iin("word for a code"), subject: "specialist:word".into() };
        for behaviour in ["known", "lost"] {
            let order = json!({"system": "mgov", "behaviour": behaviour, "iin": person.iin});
            world.stage.order("next", &order).await.unwrap();
        }
        let (code_ref, code) = world.sent(&person, "word press", "kpsisu.check").await;
        let own = verification_of(id("word check"));
        let digits = wrong(&code);
        let check = check_by_code(&person, "word check", "kpsisu.check", code_ref, &digits);
        world.send(&check).await;
        world.in_state(own, "in_doubt").await;
        let said = resolve(&world, own, "done").await;
        assert_eq!((&said["done"], &said["code"]), (&json!(false), &json!("answer_needed")));
        assert_eq!(world.job(own).await.unwrap()["state"], "in_doubt");
        world.pass(SignedDuration::from_secs(301)).await;
        let job = world.ended(id("word check")).await;
        assert_eq!((&job["state"], &job["code"]), (&json!("refused"), &json!("code_unverified")));
        assert!(world.journal(id("word check")).await.is_empty(), "something was sent");
        let noted = format!("SELECT verified_by FROM hub.sms_code WHERE code_ref = '{code_ref}'");
        assert_eq!(world.row(&noted).await["verified_by"], Value::Null);
        world.strike().await;
    });
}

#[test]
fn a_check_that_was_started_by_a_persons_word_ends_by_its_own_answer() {
    run(async {
        let world = World::build(Scene::default()).await;
        let job = id("was started");
        world.play(&check("was started"), &["ack_lost"]).await;
        let seq = world.in_state(job, "in_doubt").await["seq"].clone();
        let said = resolve(&world, job, "done").await;
        assert_eq!((&said["done"], &said["code"]), (&json!(true), &json!("resolved_done")));
        assert_eq!(world.job(job).await.unwrap()["state"], "pending");
        let event = world.events.wait_for(job, "pending").await;
        assert_eq!(event["data"]["summary"], json!({"resolved": "done"}));
        let timers = format!("SELECT kind FROM hub.timer WHERE job_seq = {seq} ORDER BY kind");
        let timers = world.rows(&timers).await;
        assert_eq!(timers, [json!({"kind": "give_up"}), json!({"kind": "sla"})]);
        world.live_through(1).await;
        let ended = world.ended(job).await;
        assert_eq!((&ended["state"], &ended["code"]), (&json!("succeeded"), &Value::Null));
        let row = world.portal("specialist_check", &check("was started")).await;
        assert_eq!((&row["status"], &row["verdict"]), (&json!("succeeded"), &json!("clear")));
        let late = world.rows("SELECT 1 FROM hub.inbound WHERE state = 'late'").await;
        assert!(late.is_empty(), "their answer needs nobody's help");
        assert_eq!(world.journal(job).await.len(), 1, "it was not sent again");
        world.strike().await;
    });
}

#[test]
fn d15_a_number_that_was_issued_is_asked_for_by_a_persons_word() {
    run(async {
        let world = common().await;
        world.at_the_counter("issued", &["lost_after_issue"]).await;
        let job = world.send(&label("issued", "issued label")).await;
        world.in_state(job, "in_doubt").await;
        let said = resolve(world, job, "done").await;
        assert_eq!((&said["done"], &said["code"]), (&json!(true), &json!("asked_now")));
        let ended = world.ended(job).await;
        assert_eq!((&ended["state"], &ended["code"]), (&json!("succeeded"), &Value::Null));
        assert!(world.delivery("issued").await["track_number"].is_string(), "{ended}");
        assert_eq!(world.executed("kazpost").await[&number_of("issued")], 1);
        let acts = format!("SELECT result FROM hub.audit WHERE target = '{job}'");
        assert_eq!(world.row(&acts).await["result"], "asked_now");
    });
}

#[test]
fn nobody_is_said_to_be_asked_while_a_system_is_paused() {
    run(async {
        let settings = QUICK_POST.to_owned();
        let world = World::build(Scene { settings, ..Scene::default() }).await;
        world.at_the_counter("asked-later", &["lost_after_issue"]).await;
        let job = world.send(&label("asked-later", "later label")).await;
        world.in_state(job, "in_doubt").await;
        done(&world, &["pause", "kazpost", "--reason", "their night"]).await;
        blocked(&world, "kazpost", "pause", true).await;
        let said = resolve(&world, job, "done").await;
        assert_eq!((&said["done"], &said["code"]), (&json!(true), &json!("asked_later")), "{said}");
        let text = said["text"].as_str().unwrap();
        assert!(text.contains("its system is not called now: pause by tester"), "{text}");
        until("its question waits", async || {
            let now = world.job(job).await?;
            (now["state"] == "accepted" && now["phase"] == "ask").then_some(())
        })
        .await;
        let said = resolve(&world, job, "done").await;
        assert_eq!(
            (&said["done"], &said["code"]),
            (&json!(false), &json!("asked_later")),
            "{said}"
        );
        assert!(said["text"].as_str().unwrap().contains("pause by tester"), "{said}");
        // Somebody else, who does not know that: it would be sent while it may have been done.
        let said = resolve(&world, job, "not-done").await;
        assert_eq!((&said["done"], &said["code"]), (&json!(false), &json!("decided_before")));
        assert!(said["text"].as_str().unwrap().contains("tester holds it for done"), "{said}");
        protection::done(&world, &["resume", "kazpost", "--reason", "morning"]).await;
        assert_eq!(world.ended(job).await["state"], "succeeded");
        assert_eq!(world.executed("kazpost").await[&number_of("asked-later")], 1);
        world.strike().await;
    });
}

#[test]
fn a_command_that_was_sent_again_by_a_word_needs_another_word_for_the_next_doubt() {
    run(async {
        let world = common().await;
        let job = id("sent again");
        world.play(&check("sent again"), &["server_error", "server_error", "never"]).await;
        let first = world.in_state(job, "in_doubt").await["events"].clone();
        let said = resolve(world, job, "not-done").await;
        assert_eq!((&said["done"], &said["code"]), (&json!(true), &json!("resolved_not_done")));
        let again = until("its answer is lost again", async || {
            let now = world.job(job).await?;
            (now["state"] == "in_doubt" && now["events"] != first).then_some(now)
        })
        .await;
        // The operator's line is repeated: the database was slow to say that it was done.
        let said = resolve(world, job, "not-done").await;
        assert_eq!((&said["done"], &said["code"]), (&json!(false), &json!("decided_before")));
        let last = again["events"].to_string();
        assert!(said["text"].as_str().unwrap().contains(&format!("--event {last}")), "{said}");
        let filter = ["jobs", "resolve", "--all-matching", "--subject", "specialist:sent again"];
        let batch = ["--as", "not-done", "--reason", "asked them", "--json"];
        let (code, text) = hub(world, &[&filter[..], &batch].concat()).await;
        assert!(code == 1 && text.contains("decided_before"), "{text}");
        assert_eq!(world.journal(job).await.len(), 2, "nothing was sent a third time");

        let first = first.to_string();
        let old = act(world, "resolve", job, &["--as", "not-done", "--event", &first]).await;
        assert_eq!((&old["done"], &old["code"]), (&json!(false), &json!("other_doubt")));
        let named = ["--as", "not-done", "--event", &last];
        let said = act(world, "resolve", job, &named).await;
        assert_eq!((&said["done"], &said["code"]), (&json!(true), &json!("resolved_not_done")));
        world.in_state(job, "pending").await;
        assert_eq!(world.journal(job).await.len(), 3);
        let wrong = [&filter[..], &batch, &["--event", "1"]].concat();
        assert_eq!(hub(world, &wrong).await.0, 2, "a number is for one job");
    });
}

#[test]
fn a_persons_word_is_worth_one_sending_whatever_was_spent_before() {
    run(async {
        let settings = "
[operations.kpsisu.check]
call_timeout_ms = 2000
[operations.kpsisu.check.retry]
age_max_s = 3600
[operations.kpsisu.check.retry.unreachable]
base_ms = 40
max_ms = 100
"
        .to_owned();
        let world = World::build(Scene { settings, ..Scene::default() }).await;
        let (old, older) = (id("is old"), id("is older"));
        world.play(&check("is old"), &["refused", "server_error", "never"]).await;
        world.play(&check("is older"), &["refused", "server_error", "refused"]).await;
        for job in [old, older] {
            let doubted = world.in_state(job, "in_doubt").await;
            assert_eq!(doubted["attempts"], 1, "the first one could not be sent");
        }
        world.pass(SignedDuration::from_hours(2)).await;
        for job in [old, older] {
            assert_eq!(resolve(&world, job, "not-done").await["done"], true);
        }
        world.in_state(old, "pending").await;
        let executed = |entry: &&Value| entry["executed"] == true;
        assert_eq!(world.journal(old).await.iter().filter(executed).count(), 1, "it was sent");
        // That was the one: another failure finds the budget used up.
        let ended = world.ended(older).await;
        assert_eq!(ended["code"], "retry_budget_used_up");
        assert_eq!(world.attempts(older).await.len(), 3);
        world.strike().await;
    });
}

#[test]
fn a_doubt_whose_time_is_over_ends_by_a_word_also_while_its_system_is_paused() {
    run(async {
        let world =
            World::build(Scene { settings: QUICK_POST.to_owned(), ..Scene::default() }).await;
        let name = "over and paused";
        world.at_the_counter("order-over", &["slow_before"]).await;
        world.send(&label("order-over", name)).await;
        let seen = world.in_state(id(name), "in_doubt").await["events"].to_string();
        done(&world, &["pause", "kazpost", "--reason", "they asked us to"]).await;
        blocked(&world, "kazpost", "pause", true).await;
        world.pass(SignedDuration::from_hours(30)).await;
        until("its promise is broken", async || {
            (world.job(id(name)).await?["sla"] == "breached").then_some(())
        })
        .await;
        // As it was seen before that: it is the same doubt.
        let said = act(&world, "resolve", id(name), &["--as", "not-done", "--event", &seen]).await;
        assert_eq!((&said["done"], &said["code"]), (&json!(true), &json!("resolved_not_done")));
        let job = world.ended(id(name)).await;
        assert_eq!((&job["state"], &job["code"]), (&json!("failed"), &json!("resolved_not_done")));
        world.strike().await;
    });
}

/// An answer to a call of a worker that had lost the job meanwhile.
async fn came_back(world: &World, job: Uuid, run: u8, phase: &str, code: Option<&str>) {
    let code = code.map_or("NULL".to_owned(), |code| format!("'{code}'"));
    let attempt = format!(
        "INSERT INTO hub.attempt (job_seq, run, phase, code, fenced, started_at, answered_at, recorded_at)
         SELECT seq, {run}, '{phase}', {code}, true, hub.now(), hub.now(), hub.now()
           FROM hub.job_key WHERE id = '{job}'"
    );
    world.execute(&attempt).await;
}

#[test]
fn an_answer_to_what_a_person_held_for_not_done_is_applied_and_warns_who_repeats() {
    run(async {
        let settings = "
[operations.kpsisu.check]
at_risk_s = 60
deadline_s = 120
give_up_s = 300
call_timeout_ms = 2000
"
        .to_owned();
        let world = World::build(Scene { settings, ..Scene::default() }).await;
        let (done, fenced, over) = (id("was done"), id("was fenced"), id("was over"));
        for name in ["was done", "was over"] {
            world.play(&check(name), &["ack_lost"]).await;
        }
        world.play(&check("was fenced"), &["ack_lost_never"]).await;
        for job in [done, fenced, over] {
            world.in_state(job, "in_doubt").await;
        }
        protection::done(&world, &["pause", "kpsisu", "--reason", "their night"]).await;
        blocked(&world, "kpsisu", "pause", true).await;
        for job in [done, fenced] {
            assert_eq!(resolve(&world, job, "not-done").await["code"], "resolved_not_done");
        }
        world.pass(SignedDuration::from_secs(301)).await;
        for job in [done, fenced] {
            let ended = world.ended(job).await;
            assert_eq!(
                (&ended["state"], &ended["code"]),
                (&json!("failed"), &json!("time_used_up"))
            );
        }
        // Nobody has looked into the mailbox since: it is in doubt past its time until somebody speaks.
        assert_eq!(world.job(over).await.unwrap()["state"], "in_doubt");
        assert_eq!(resolve(&world, over, "not-done").await["code"], "resolved_not_done");
        assert_eq!(world.ended(over).await["code"], "resolved_not_done");
        let tried = act(&world, "retry", fenced, &["--dry-run"]).await;
        assert_eq!(tried["code"], "retried", "nothing speaks against the person's word");
        came_back(&world, fenced, 98, "ask", Some("not_done")).await;
        let tried = act(&world, "retry", fenced, &["--dry-run"]).await;
        assert_eq!(tried["code"], "retried", "their answer was that it was not done");
        came_back(&world, fenced, 99, "ask", None).await;
        assert_eq!(act(&world, "retry", fenced, &[]).await["code"], "may_be_done");
        came_back(&world, fenced, 100, "send", None).await;
        let (_, story) = hub(&world, &["jobs", "show", &fenced.to_string()]).await;
        assert!(
            story.contains("answered not_done, fenced") && story.contains("100  sent"),
            "{story}"
        );

        protection::done(&world, &["resume", "kpsisu", "--reason", "morning"]).await;
        // Somebody waits for an answer, so the mailbox is looked into.
        world.play(&check("waits"), &["never"]).await;
        until("their answer comes too late", async || {
            workers::demo::time::advance(&world.stage).await.unwrap();
            let late = world.rows("SELECT 1 FROM hub.inbound WHERE state = 'late'").await;
            (late.len() == 2).then_some(())
        })
        .await;
        let said = act(&world, "apply-late", over, &[]).await;
        assert_eq!((&said["done"], &said["code"]), (&json!(true), &json!("applied")), "{said}");
        let said = act(&world, "retry", done, &[]).await;
        assert_eq!((&said["done"], &said["code"]), (&json!(false), &json!("may_be_done")));
        let said = act(&world, "apply-late", done, &[]).await;
        assert_eq!((&said["done"], &said["code"]), (&json!(true), &json!("applied")), "{said}");
        let row = world.portal("specialist_check", &check("was done")).await;
        assert_eq!((&row["status"], &row["verdict"]), (&json!("succeeded"), &json!("clear")));
        assert_eq!(world.job(done).await.unwrap()["state"], "failed", "terminal is terminal");
        let said = act(&world, "retry", done, &[]).await;
        assert_eq!((&said["done"], &said["code"]), (&json!(false), &json!("may_be_done")));
        assert_eq!(world.journal(done).await.len(), 1, "it was not sent again");
        world.strike().await;
    });
}

#[test]
fn d6_no_operator_sends_a_second_code_to_somebody_who_may_have_left() {
    run(async {
        let world = World::build(Scene::default()).await;
        let person = Person { iin: iin("has left"), subject: "specialist:left".into() };
        let job = id("left press");
        world.play(&press(&person, "left press", "kpsisu.check"), &["lost"]).await;
        world.in_state(job, "in_doubt").await;
        world.pass(SignedDuration::from_secs(301)).await;
        assert_eq!(world.ended(job).await["code"], "outcome_unknown");
        for more in [&[][..], &["--even-if-done"]] {
            let said = act(&world, "retry", job, more).await;
            assert_eq!((&said["done"], &said["code"]), (&json!(false), &json!("press_needed")));
        }
        assert!(world.job(retry_id(job)).await.is_none(), "no new job began");
        world.code(&person, job).await;
        world.strike().await;
    });
}
