//! Many timers, several workers: every warning is given once, whoever dies.

use std::collections::{HashMap, HashSet};

use adapters::systems::kpsisu::CHECK;
use workers::{
    store::timer::{Action, Due},
    timers::FIRED_MAX,
};

use crate::{
    servers::run,
    world::{Scene, World, until},
};

/// Jobs that they hold, with numbers past those that the hub gives here, each with a warning: due
/// `spread_ms` apart from the first, which is due after `lead_ms`.
pub async fn held(world: &World, count: usize, lead_ms: i64, spread_ms: i64) {
    world
        .execute(&format!(
            "WITH jobs AS (
               INSERT INTO hub.job_live (seq, id, system, operation, subject, requested_by, priority,
                 input, requested_at, admitted_at, at_risk_at, deadline_at, give_up_at, state, sla,
                 run, attempts, events, event)
               SELECT m, gen_random_uuid(), 'kpsisu', 'kpsisu.check', 'specialist:' || n,
                 'organisation:990140000007', 1, '{{\"iin\": \"850100300012\"}}', c.now, c.now,
                 c.now + ({lead_ms} + n * {spread_ms}) * interval '1 millisecond',
                 c.now + interval '5 days', c.now + interval '20 days', 'pending', 'on_time',
                 1, 1, 2, 'pending'
                 FROM generate_series(1000001, 1000000 + {count}) m
                CROSS JOIN LATERAL (SELECT m - 1000000 AS n) k CROSS JOIN (SELECT hub.now() AS now) c
               RETURNING seq, at_risk_at, give_up_at)
             INSERT INTO hub.timer (job_seq, kind, due_at)
             SELECT seq, 'sla', at_risk_at FROM jobs UNION ALL
             SELECT seq, 'give_up', give_up_at FROM jobs"
        ))
        .await;
}

const WARNED: &str = "SELECT 1 FROM hub.job_live WHERE sla = 'at_risk'";

#[test]
fn no_warning_is_given_twice_by_four_workers_of_which_one_is_killed() {
    const JOBS: usize = 600;
    run(async {
        let mut world = World::build(Scene { hubs: 4, ..Scene::default() }).await;
        held(&world, JOBS, 500, 5).await;
        until("a part has been warned of", async || {
            (world.rows(WARNED).await.len() > JOBS / 4).then_some(())
        })
        .await;
        world.stage.kill_hub(3).await;
        until("all have been warned of", async || {
            (world.rows(WARNED).await.len() == JOBS).then_some(())
        })
        .await;
        let twice = world.rows("SELECT seq FROM hub.job_live WHERE events <> 3").await;
        assert!(twice.is_empty(), "{twice:?}");
        let left = "SELECT 1 FROM hub.timer t JOIN hub.job_live j ON j.seq = t.job_seq
                     WHERE t.kind = 'sla' AND t.due_at = j.deadline_at";
        assert_eq!(world.rows(left).await.len(), JOBS, "the next timer is that of the deadline");
        // The dead worker's partitions find another owner, and every warning is published.
        until("every warning was heard", async || {
            let heard = world.events.all();
            let warnings = heard.iter().filter(|heard| heard.key.ends_with(".sla_at_risk"));
            let jobs: HashSet<_> =
                warnings.map(|h| h.event["data"]["job_id"].to_string()).collect();
            (jobs.len() == JOBS).then_some(())
        })
        .await;
        world.strike().await;
    });
}

#[test]
fn ten_thousand_timers_of_one_instant_are_fired_in_bounded_batches_oldest_first() {
    const JOBS: usize = 10_000;
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let store = &world.stage.store;
        held(&world, JOBS, -1_000, 0).await;
        let earlier = "UPDATE hub.timer SET due_at = due_at - interval '1 minute'
                        WHERE job_seq = 1010000 AND kind = 'sla'";
        world.execute(earlier).await;
        let known = HashMap::from([(CHECK.name, &CHECK)]);
        let mut batches = Vec::new();
        loop {
            let decide = |_: &Due| Action::MoveSla;
            let fired = store.fire_due(FIRED_MAX, decide, &known).await.unwrap();
            if fired.done.is_empty() {
                break;
            }
            if batches.is_empty() {
                assert!(
                    fired.done.iter().any(|(due, _)| due.seq == 1_010_000),
                    "the oldest is first"
                );
            }
            batches.push(fired.done.len());
        }
        let most = usize::try_from(FIRED_MAX).unwrap();
        assert!(batches.iter().all(|batch| *batch <= most), "{batches:?}");
        assert_eq!(batches.iter().sum::<usize>(), JOBS);
        assert_eq!(world.rows("SELECT 1 FROM hub.job_live WHERE events <> 3").await.len(), 0);
        world.strike().await;
    });
}

#[test]
fn a_jump_over_many_timers_does_not_keep_a_new_job_waiting_for_all_of_them() {
    run(async {
        let world = World::build(Scene::default()).await;
        held(&world, 20_000, 3_600_000, 0).await;
        let now = world.stage.store.business_now().await.unwrap();
        let over = now.checked_add(jiff::SignedDuration::from_hours(2)).unwrap();
        world.stage.store.jump_to(over).await.unwrap();
        let id = world.send(&crate::world::person("beside the flood")).await;
        world.in_state(id, "succeeded").await;
        until("all have been warned of", async || {
            let open = "SELECT 1 FROM hub.job_live WHERE sla = 'on_time'
                           AND operation = 'kpsisu.check' LIMIT 1";
            world.rows(open).await.is_empty().then_some(())
        })
        .await;
        assert!(world.rows("SELECT 1 FROM hub.job_live WHERE events > 3").await.is_empty());
        world.strike().await;
    });
}
