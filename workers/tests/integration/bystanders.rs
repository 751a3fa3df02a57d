//! What is slow, or comes in crowds, holds up nobody who has nothing to do with it.

use crate::{
    protection::done,
    servers::run,
    world::{Scene, World, id, person, until},
};

/// Checks that failed once and wait for another attempt, with numbers past those that the hub gives
/// here.
async fn failed_before(world: &World, count: usize) {
    world
        .execute(&format!(
            "INSERT INTO hub.job_live (seq, id, system, operation, subject, requested_by, priority,
               input, requested_at, admitted_at, at_risk_at, deadline_at, give_up_at, state, sla,
               run, attempts, events, event, code, summary)
             SELECT 1000000 + n, gen_random_uuid(), 'kpsisu', 'kpsisu.check', 'specialist:' || n,
               'organisation:990140000007', 1, '{{\"iin\": \"850100300012\"}}', c.now, c.now,
               c.now + interval '4 days', c.now + interval '5 days', c.now + interval '20 days',
               'waiting', 'on_time', 1, 1, 1, 'accepted', 'server_error',
               '{{\"code\": \"server_error\", \"class\": \"unreachable\"}}'
               FROM generate_series(1, {count}) n CROSS JOIN (SELECT hub.now() AS now) c"
        ))
        .await;
}

#[test]
fn ending_thousands_of_retries_keeps_no_job_of_another_system_waiting() {
    const RETRIES: usize = 3_000;
    run(async {
        let world = World::build(Scene::default()).await;
        done(&world, &["pause", "gbdfl", "--reason", "so that a job is stored"]).await;
        world.send(&person("stored beside a storm")).await;
        world.in_state(id("stored beside a storm"), "accepted").await;
        failed_before(&world, RETRIES).await;
        // Whoever ends one of them writes the portal's row of it, and waits here.
        let slow = world.hold("LOCK TABLE portal.specialist_check IN EXCLUSIVE MODE").await;
        done(&world, &["retries", "disable", "kpsisu.check", "--reason", "a storm"]).await;
        let waits = "SELECT pid, query_start FROM pg_stat_activity
                      WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let batch = until("a batch waits", async || world.rows(waits).await.pop()).await;
        let resume = "UPDATE hub.destination SET paused_at = NULL, paused_by = NULL,
                        paused_reason = NULL, paused_until = NULL WHERE system = 'gbdfl'";
        world.execute(resume).await;
        world.in_state(id("stored beside a storm"), "succeeded").await;
        assert!(world.rows(waits).await.contains(&batch), "the job was kept waiting for the batch");
        drop(slow);
        let open = "SELECT 1 FROM hub.job_live WHERE operation = 'kpsisu.check' LIMIT 1";
        until("all have ended", async || world.rows(open).await.is_empty().then_some(())).await;
        let ended = "SELECT DISTINCT state, code FROM hub.job WHERE operation = 'kpsisu.check'";
        let ended = world.row(ended).await;
        assert_eq!(ended, serde_json::json!({"state": "failed", "code": "retries_disabled"}));
        world.strike().await;
    });
}
