//! What a hub asks while nothing happens, and that it reacts all the same.

use std::time::{Duration, Instant};

use crate::{
    servers::run,
    world::{Scene, World, person, until, within},
};

/// How long is counted. A backend hands in its counts every second while it is asked something.
const WINDOW: Duration = Duration::from_secs(10);
const WINDOWS_MAX: usize = 6;
const HUBS: usize = 2;
/// Of one hub, with all systems configured.
const QUERIES_PER_SECOND_MAX: f64 = 5.0;

async fn transactions(world: &World) -> f64 {
    let row = world
        .row(
            "SELECT xact_commit + xact_rollback AS n FROM pg_stat_database
              WHERE datname = current_database()",
        )
        .await;
    row["n"].as_f64().unwrap()
}

/// Scans and changes of each table, and the last statements of each session: they name who does not
/// keep quiet.
async fn busiest(world: &World) -> String {
    let tables = world
        .row(
            "SELECT string_agg(format('%s %s+%s', t.relname, t.scans, t.written), ', ') AS found
               FROM (SELECT relname, n_tup_ins + n_tup_upd + n_tup_del AS written,
                            seq_scan + coalesce(idx_scan, 0) AS scans
                       FROM pg_stat_user_tables ORDER BY 3 DESC LIMIT 30) t",
        )
        .await;
    let sessions = world
        .row(
            "SELECT string_agg(format('since %s: %s', backend_start::time(0), left(query, 90)), E'\n')
                    AS found
               FROM pg_stat_activity WHERE datname = current_database()",
        )
        .await;
    format!("{}\n{}", tables["found"], sessions["found"])
}

/// Every statement of an idle hub is a transaction of its own.
async fn rate(world: &World) -> f64 {
    let (began, before) = (Instant::now(), transactions(world).await);
    within(WINDOW * 6, "the window is over", async || (began.elapsed() >= WINDOW).then_some(()))
        .await;
    let asked = transactions(world).await - before;
    asked / began.elapsed().as_secs_f64() / f64::from(u32::try_from(HUBS).unwrap())
}

#[test]
fn an_idle_hub_asks_the_database_less_than_five_times_a_second() {
    run(async {
        let world = World::build(Scene { hubs: HUBS, private: true, ..Scene::default() }).await;
        // A job of before: an idle hub has had work, and its pools hold connections.
        let id = world.send(&person("before the quiet")).await;
        world.in_state(id, "succeeded").await;
        world.events.wait_for(id, "succeeded").await;
        until("nothing is left to do", async || {
            world.rows("SELECT 1 FROM hub.outbox").await.is_empty().then_some(())
        })
        .await;
        // What is left of the work before is handed in during the first windows; a hub that asks too
        // much does so in all of them.
        let mut rates = Vec::new();
        let before = busiest(&world).await;
        while rates.last().is_none_or(|rate| *rate >= QUERIES_PER_SECOND_MAX) {
            let many = rates.len() >= WINDOWS_MAX;
            let after = if many { busiest(&world).await } else { String::new() };
            assert!(!many, "queries a second: {rates:.1?}\nbefore: {before}\nafter: {after}");
            rates.push(rate(&world).await);
        }
        println!("queries a second of an idle hub: {rates:.1?}");
        assert!(rates.iter().all(|rate| *rate > 0.0), "the hubs look at their database: {rates:?}");
        world.strike().await;
    });
}
