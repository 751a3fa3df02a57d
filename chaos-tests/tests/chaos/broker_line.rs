//! The line between hub and broker: half open for one hub, then slow for all.

use std::time::Duration;

use chaos_tests::{
    Outcome,
    fault::{Fault, HalfOpen, SlowLink},
    world::{Scene, Wanted, World},
};

const HUBS: usize = 2;
const JOBS: usize = 300;
const RATE: u32 = 30;
const CUT_OFF: usize = 0;
/// Heartbeats of 10 s: whoever heard nothing for twice as long gives up.
const NOTICE_WAIT_MAX: Duration = Duration::from_secs(40);
/// How long the line stays slow.
const SLOW: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_notices_a_half_open_line_and_works_over_a_slow_one() -> Outcome<()> {
    let wanted = Wanted {
        name: "broker_line",
        jobs: JOBS,
        hubs: HUBS,
        latency: Duration::from_millis(50),
        fault_permille: 10,
    };
    let scene = Scene { proxied: true, brokers: 1 };
    let mut world = World::build_in(wanted, scene).await?;
    let tested = play(&mut world).await;
    world.finish(tested).await
}

async fn play(world: &mut World) -> Outcome<()> {
    let steady = world.begin_steady(RATE);
    let full = world.full_rate(&steady).await?;
    let mut half_open = HalfOpen { hub: CUT_OFF };
    world
        .publish_while(0..JOBS / 2, async |world| {
            world.pass(world.drawn(50, 300)).await;
            half_open.begin(world).await?;
            notices(world).await?;
            half_open.end(world).await
        })
        .await?;
    world.back_to_rate(&steady, &full).await;
    let mut slow = SlowLink { latency: Duration::from_millis(200), rate_max: 64 * 1024 };
    world
        .publish_while(JOBS / 2..JOBS, async |world| {
            slow.begin(world).await?;
            world.pass(SLOW).await;
            slow.end(world).await
        })
        .await?;
    world.back_to_rate(&steady, &full).await;
    world.end_steady(steady).await
}

async fn notices(world: &mut World) -> Outcome<()> {
    let down = async |world: &World| Ok(world.metric(CUT_OFF, "hub_broker_up").await? < 1.0);
    let what = "the hub says that both connections are down";
    let took = world.until(what, NOTICE_WAIT_MAX, down).await?;
    world.fault(format_args!("hub {CUT_OFF} has noticed after {took:.1?}"));
    Ok(())
}
