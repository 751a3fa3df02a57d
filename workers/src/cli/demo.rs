//! `hub demo`: the main job, end to end, on private servers.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use comfy_table::Table;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use secrecy::ExposeSecret;
use serde_json::json;

use super::{DONE, FAILED, complain, say};
use crate::{
    clock::real_now,
    demo::{
        cast::{self, Part, Repertoire},
        check::{self, Evidence, Report},
        portal::{self, Confirmed, Heard},
        sabotage::{self, Sabotage},
        stage::{self, Plan, Stage},
        stories::{self, Told},
        time,
    },
    telemetry::logs,
};

/// Everything has ended within this, in real time, or the demo says what has not.
const END_WAIT_MAX: Duration = Duration::from_secs(480);
/// Without any progress for this long, the check says what has not ended.
const STALL_MAX: Duration = Duration::from_secs(30);
/// Between two lines of progress where no terminal shows a bar.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// What to play.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// End when every job has ended. Otherwise everything stays up until Ctrl-C.
    #[arg(long)]
    once: bool,
    /// How many jobs (duplicates come on top).
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    jobs: u32,
    /// Decides the jobs and how the simulators treat them.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One JSON document on standard output (without --once: addresses first, on a line).
    #[arg(long)]
    json: bool,
    /// How many hub processes.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    hubs: u8,
    /// How many requests in a thousand meet a transport fault.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(0..=1_000))]
    fault_permille: u16,
    /// Let business time pass as slowly as real time.
    #[arg(long)]
    real_time: bool,
    /// Disturb the run from outside, to see that the check notices.
    #[arg(long, hide = true)]
    sabotage: Option<Sabotage>,
}

/// The demo's own settings: short limits, so that slow systems do not make a person wait.
const SETTINGS: &str = r"
[operations.gbdfl.person]
call_timeout_ms = 1500
attempts_max = 4
[operations.kpsisu.check]
call_timeout_ms = 1500
[operations.mzrk.check]
call_timeout_ms = 1500
[operations.gbdul.organization]
call_timeout_ms = 1500
[operations.realestate.properties]
call_timeout_ms = 1500
[operations.mgov.lookup]
call_timeout_ms = 1500
";

pub(super) async fn run(arguments: Arguments) -> u8 {
    logs::start("warn");
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            complain(&format!("this program's own file cannot be found: {error}"));
            return FAILED;
        }
    };
    let plan = Plan {
        program,
        hubs: usize::from(arguments.hubs),
        seed: arguments.seed,
        fault_permille: arguments.fault_permille,
        latency: Duration::from_millis(5),
        settings: SETTINGS.to_owned(),
        // A parcel that takes ten days is looked at twenty times, not two hundred and forty.
        environment: vec![(
            "HUB_SYSTEMS__KAZPOST__TRACK_INTERVAL_S".to_owned(),
            "43200".to_owned(),
        )],
        servers: None,
        fsync: true,
        say: |text| complain(&text),
    };
    complain(&"starting private PostgreSQL and RabbitMQ, simulators and the hub");
    let stage = match Stage::build(&plan).await {
        Ok(stage) => stage,
        Err(error) => {
            complain(&error);
            return FAILED;
        }
    };
    let code = tokio::select! {
        code = play(&arguments, &stage) => code,
        _ = tokio::signal::ctrl_c() => DONE,
    };
    stage.strike().await;
    code
}

async fn play(arguments: &Arguments, stage: &Stage) -> u8 {
    if !arguments.once {
        say_addresses(arguments, stage);
    }
    let code = match perform(arguments, stage).await {
        Ok(report) => {
            show(arguments, &report);
            if report.is_good() { DONE } else { FAILED }
        }
        Err(error) => {
            complain(&error);
            FAILED
        }
    };
    if arguments.once {
        return code;
    }
    complain(&"everything stays up; Ctrl-C ends it");
    loop {
        if !arguments.real_time
            && let Err(error) = time::advance(stage).await
        {
            tracing::debug!(%error, "business time waits");
        }
        tokio::time::sleep(time::LOOK_EVERY * 4).await;
    }
}

async fn perform(arguments: &Arguments, stage: &Stage) -> Result<Report, stage::Error> {
    let began = Instant::now();
    let started = stage.store.business_now().await?;
    let count = usize::try_from(arguments.jobs).unwrap_or(usize::MAX);
    let parts = cast::cast(count, arguments.seed, real_now(), Repertoire::Registers);
    let heard = portal::listen(stage.amqp_url()).await?;
    let bar = progress_bar(parts.len());
    bar.set_message("published");
    let confirmed = portal::publish(&stage.amqp_url(), &parts, |done| {
        bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
    })
    .await?;
    let jumps = wait_for_the_end(arguments, stage, &parts, &confirmed, &heard, &bar).await?;
    bar.finish_and_clear();
    let stories = if arguments.real_time || arguments.sabotage.is_some() {
        Vec::new() // they wait for days
    } else {
        complain(&"playing the manuals' stories");
        stories::play(stage, show_story).await?
    };
    let jobs = stage.store.list_jobs(200_000).await?;
    let quarantine = stage.store.list_quarantine(200_000).await?;
    let oracle = stage.control("oracle").await?;
    let evidence = Evidence {
        parts: &parts,
        confirmed: &confirmed,
        jobs: &jobs,
        quarantine: &quarantine,
        heard: &heard,
        oracle: &oracle,
    };
    let mut report = check::check(arguments.seed, &evidence);
    report.stories = stories;
    report.jumps = jumps;
    let passed = stage.store.business_now().await?.duration_since(started);
    report.business_s = passed.as_secs_f64();
    report.real_s = began.elapsed().as_secs_f64();
    Ok(report)
}

/// One story as it ends, for whoever watches.
fn show_story(told: &Told) {
    let Told { story, branch, manual, portal_shows, .. } = told;
    complain(&format!("{story}, {branch} (manual {manual}): {portal_shows}"));
    if !told.good {
        complain(&format!("  but the manual says: {}", told.expected));
    }
}

/// Lets business time jump until everything has ended, or nothing moves any more.
async fn wait_for_the_end(
    arguments: &Arguments,
    stage: &Stage,
    parts: &[Part],
    confirmed: &Confirmed,
    heard: &Heard,
    bar: &ProgressBar,
) -> Result<usize, stage::Error> {
    let began = Instant::now();
    let mut told = Instant::now();
    let mut jumps = 0;
    bar.set_position(0);
    bar.set_message("ended");
    let wanted = check::expected(parts, confirmed);
    let mut decided = false;
    let mut moved = (0, Instant::now());
    while began.elapsed() < END_WAIT_MAX {
        let ended = stage.store.count_ended().await?;
        bar.set_position(u64::try_from(ended.jobs + ended.quarantined).unwrap_or(0));
        if !decided && ended.admitted >= wanted.jobs && ended.quarantined >= wanted.quarantined {
            decided = true;
            if let Some(sabotage) = arguments.sabotage {
                sabotage::play(sabotage, stage, parts).await?;
            }
        }
        if decided && ended.live == 0 && ended.outbox == 0 && heard.all_ended(parts, confirmed) {
            return Ok(jumps);
        }
        let progress = ended.admitted + ended.jobs + ended.quarantined + jumps;
        if progress != moved.0 {
            moved = (progress, Instant::now());
        } else if moved.1.elapsed() > STALL_MAX {
            return Ok(jumps);
        }
        if decided && !arguments.real_time && time::advance(stage).await? {
            jumps += 1;
        }
        if bar.is_hidden() && told.elapsed() > PROGRESS_EVERY {
            told = Instant::now();
            let business = stage.store.business_now().await?;
            let (done, all) = (ended.jobs + ended.quarantined, parts.len());
            complain(&format!("{done} of {all} ended; business time {business:.0}"));
        }
        tokio::time::sleep(time::LOOK_EVERY).await;
    }
    Ok(jumps)
}

fn progress_bar(count: usize) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(count as u64), target);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} ({elapsed})");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn say_addresses(arguments: &Arguments, stage: &Stage) {
    let broker = stage.servers.amqp_url.expose_secret();
    let database = stage.servers.database_url.expose_secret();
    let admin = stage.addresses(0).admin;
    let simulators = &stage.simulators;
    let publish = publish_command(broker);
    if arguments.json {
        say(&json!({
            "broker_url": broker,
            "database_url": database,
            "metrics_url": format!("http://{admin}/metrics"),
            "health_url": format!("http://{admin}/health/ready"),
            "simulators_url": simulators,
            "publish_command": publish,
            "hub_logs": (0..stage.hubs.len()).map(|n| stage.log_file(n)).collect::<Vec<_>>(),
        }));
        return;
    }
    say(&format!("broker      {broker}"));
    say(&format!("database    {database}"));
    say(&format!("metrics     http://{admin}/metrics"));
    say(&format!("readiness   http://{admin}/health/ready"));
    say(&format!("simulators  {simulators}/control/state"));
    say(&format!("hub's log   {}", stage.log_file(0).display()));
    say(&format!("\npublish a job yourself (needs `pip install pika`):\n\n{publish}\n"));
    let read = format!(
        "psql '{database}' -c \"SELECT * FROM portal.person WHERE subject = 'person:mine'\""
    );
    say(&format!("and read its result:\n\n{read}\n"));
}

/// A command that can be pasted into a shell.
fn publish_command(broker: &str) -> String {
    let job = r#"{"id":str(uuid.uuid4()),"operation":"gbdfl.person","version":1,"subject":"person:mine","requested_at":datetime.datetime.now(datetime.timezone.utc).isoformat(),"requested_by":"organisation:990140000007","input":{"iin":"850100300012"}}"#;
    format!(
        "python3 -c 'import pika,json,uuid,datetime; \
         c=pika.BlockingConnection(pika.URLParameters(\"{broker}\")); ch=c.channel(); \
         ch.confirm_delivery(); job={job}; \
         ch.basic_publish(\"hub.jobs\",job[\"operation\"],json.dumps(job),\
         pika.BasicProperties(content_type=\"application/json\",delivery_mode=2,\
         message_id=job[\"id\"]),mandatory=True); print(\"confirmed\",job[\"id\"]); c.close()'"
    )
}

fn show(arguments: &Arguments, report: &Report) {
    if arguments.json {
        say(&json!(report));
        return;
    }
    let mut table = Table::new();
    table.set_header(["operation", "outcome", "jobs", "longest (business time)"]);
    for (operation, states) in &report.totals {
        for (state, count) in states {
            let longest = report
                .jobs
                .iter()
                .filter(|job| job.operation == *operation && job.state == *state)
                .filter_map(|job| job.took_s)
                .fold(0.0, f64::max);
            table.add_row([operation.clone(), state.clone(), count.to_string(), human(longest)]);
        }
    }
    say(&table);
    say(&format!(
        "{} messages confirmed by the broker; lost: {}; commands executed twice: {} (of {} that the \
         simulators executed)",
        report.confirmed, report.lost, report.doubled_commands, report.executed_commands
    ));
    say(&format!(
        "{} of business time in {:.1} s, by {} jumps",
        human(report.business_s),
        report.real_s,
        report.jumps
    ));
    for why in report.lost_why.iter().take(20) {
        say(&format!("  lost: {why}"));
    }
}

/// Seconds, as a person says them.
fn human(seconds: f64) -> String {
    match seconds {
        s if s >= 172_800.0 => format!("{:.1} days", s / 86_400.0),
        s if s >= 7_200.0 => format!("{:.1} hours", s / 3_600.0),
        s if s >= 120.0 => format!("{:.1} minutes", s / 60.0),
        s => format!("{s:.2} s"),
    }
}
