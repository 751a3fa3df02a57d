//! N and N-1 side by side, across a migration (docker/README.md, «From N-1 to N»).
//!
//! The hubs that were built are N-1: a further migration, an expand step of each permitted kind, is
//! applied while they work. With the variable [`OLD_HUB`] the true program of the last release works
//! first, on the schema that it knows, and the one that was built is N.

use std::{
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

use chaos_tests::{
    Error, Outcome, program,
    rolling::load::Load,
    world::{END_WAIT_MAX, Wanted, World},
};
use jiff::SignedDuration;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

/// Names a program of the last release.
const OLD_HUB: &str = "HUB_TEST_OLD_HUB";
const HUBS: usize = 2;
/// Jobs a second that a busy machine can carry.
const RATE: u32 = 40;
/// Between two steps, under load.
const CALM: Duration = Duration::from_secs(3);
/// Business time leaps past a due moment by this.
const LEAP: SignedDuration = SignedDuration::from_hours(12);
/// A program says what it sees, or ends, within this.
const SAY_WAIT_MAX: Duration = Duration::from_secs(60);
/// The program's own migrations.
const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations");

/// What the next release may do: one of each kind that migrations/README.md permits.
const NEXT: [(&str, &str); 4] = [
    (
        "9001_add_columns.sql",
        "ALTER TABLE hub.job ADD COLUMN next_note text;
         ALTER TABLE hub.attempt ADD COLUMN next_note text;
         ALTER TABLE hub.outbox ADD COLUMN next_note text;
         ALTER TABLE hub.worker ADD COLUMN next_note text;
         ALTER TABLE hub.destination ADD COLUMN next_note text;
         ALTER TABLE portal.person ADD COLUMN next_note text;
         ALTER TABLE portal.specialist_check ADD COLUMN next_note text;",
    ),
    (
        "9002_create_notes.sql",
        "CREATE TABLE hub.next_note (id bigint PRIMARY KEY, note text NOT NULL);
         GRANT SELECT, INSERT ON hub.next_note TO hub_app;",
    ),
    (
        "9003_index_notes.sql",
        "-- no-transaction
         CREATE INDEX CONCURRENTLY job_live_next_note ON hub.job_live (next_note)
          WHERE next_note IS NOT NULL;",
    ),
    (
        "9004_widen_callback_states.sql",
        "ALTER TABLE hub.callback DROP CONSTRAINT callback_state_check;
         ALTER TABLE hub.callback ADD CONSTRAINT callback_state_check
           CHECK (state IN ('open', 'delivered', 'stopped', 'next')) NOT VALID;
         ALTER TABLE hub.callback VALIDATE CONSTRAINT callback_state_check;",
    ),
];

const fn wanted(name: &'static str) -> Wanted {
    Wanted { name, jobs: 0, hubs: HUBS, latency: Duration::from_millis(50), fault_permille: 0 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_works_on_and_starts_beside_the_schema_of_the_next_release() -> Outcome<()> {
    let mut world = World::build(wanted("next_schema")).await?;
    world.leaps = Some(LEAP);
    let tested = next_schema(&mut world).await;
    world.finish(tested).await
}

async fn next_schema(world: &mut World) -> Outcome<()> {
    refuses_an_older_schema(world).await?;
    let load = Load::start(world, RATE);
    world.pass(CALM).await;
    world.fault("the next release migrates");
    let folder = next_migrations()?;
    world.stage.store.migrate_from(folder.path()).await?;
    world.fault("the schema is the next one's");
    for hub in 0..HUBS {
        world.stage.ready(hub).await?;
    }
    world.pass(CALM).await;
    // Whatever restarts an old hub during the roll-out must not bring it into a loop of crashes.
    for hub in 0..HUBS {
        world.stop(hub).await;
        world.start(hub)?;
        world.stage.ready(hub).await?;
        world.pass(CALM).await;
    }
    the_doctor_sees(world, "newer: [9001, 9002, 9003, 9004]").await?;
    leaves_a_newer_schema_alone(world).await?;
    load.end(world, END_WAIT_MAX).await.map(drop)
}

/// A program that is newer than the schema ends at once and says what to do.
async fn refuses_an_older_schema(world: &World) -> Outcome<()> {
    let postgres = &world.stage.own()?.postgres;
    postgres.query("CREATE DATABASE behind").await?;
    let server = postgres.url().rsplit_once('/').map_or("", |(server, _)| server);
    let url = format!("{server}/behind");
    let said = say(world, &["run"], Some(&url)).await?;
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    if said.status.success() || !text.contains("run `hub migrate`") {
        return Err(Error::Told(format!("on an older schema: {}: {text}", said.status)));
    }
    Ok(())
}

async fn the_doctor_sees(world: &World, words: &str) -> Outcome<()> {
    let said = say(world, &["doctor", "--only", "database", "--json"], None).await?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let report: Value = serde_json::from_str(&text)?;
    if report["light"] == "fail" || !text.contains(words) {
        return Err(Error::Told(format!("the doctor does not say «{words}» as a warning: {text}")));
    }
    Ok(())
}

/// Whoever goes back to N-1 migrates with it first, as compose.yaml does at every start.
async fn leaves_a_newer_schema_alone(world: &World) -> Outcome<()> {
    let said = say(world, &["migrate"], None).await?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    if !said.status.success() || !text.contains("leaves it as it is") {
        let error = String::from_utf8_lossy(&said.stderr).into_owned();
        return Err(Error::Told(format!("`hub migrate` of N-1: {} {text}{error}", said.status)));
    }
    Ok(())
}

/// What the program says, with the settings of hub 0.
async fn say(world: &World, words: &[&str], database: Option<&str>) -> Outcome<Output> {
    let mut command = Command::new(program::hub().await?);
    command.args(words).arg("--config").arg(world.stage.settings_file(0)).kill_on_drop(true);
    if let Some(url) = database {
        // Its own listeners: those of hub 0 are taken.
        command.env("HUB_DATABASE__URL", url);
        command.env("HUB_ADMIN__LISTEN", "127.0.0.1:0").env("HUB_INBOUND__LISTEN", "127.0.0.1:0");
    }
    let said = tokio::time::timeout(SAY_WAIT_MAX, command.output()).await;
    Ok(said.map_err(|_| Error::Late(SAY_WAIT_MAX, format!("{words:?} ends")))??)
}

/// The program's own migrations, and those of the next release.
fn next_migrations() -> Outcome<TempDir> {
    let folder = TempDir::with_prefix("hub-next-")?;
    for file in std::fs::read_dir(MIGRATIONS)? {
        let path = file?.path();
        if let (Some("sql"), Some(name)) =
            (path.extension().and_then(|e| e.to_str()), path.file_name())
        {
            std::fs::copy(&path, folder.path().join(name))?;
        }
    }
    for (name, text) in NEXT {
        std::fs::write(folder.path().join(name), text)?;
    }
    Ok(folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_of_the_last_release_is_replaced_under_load() -> Outcome<()> {
    let Some(old) = std::env::var_os(OLD_HUB).map(PathBuf::from) else {
        println!(
            "SKIPPED: {OLD_HUB} names no program of the last release; see chaos-tests/README.md"
        );
        return Ok(());
    };
    let mut world = World::build_old(wanted("last_release"), &old).await?;
    world.leaps = Some(LEAP);
    let tested = last_release(&mut world, &old).await;
    world.finish(tested).await
}

async fn last_release(world: &mut World, old: &Path) -> Outcome<()> {
    let new = program::hub().await?;
    let load = Load::start(world, RATE);
    world.pass(CALM).await;
    let before = schema(world).await?;
    world.stage.migrate_by(&new).await?;
    world.fault(format!("the schema went from {before} to {}", schema(world).await?));
    world.pass(CALM).await;
    // N-1 starts on the schema of N, whoever restarts it.
    replace(world, 1, old).await?;
    replace(world, 0, &new).await?;
    // Back to N-1, and then all of N.
    replace(world, 0, old).await?;
    replace(world, 0, &new).await?;
    replace(world, 1, &new).await?;
    load.end(world, END_WAIT_MAX).await.map(drop)
}

async fn schema(world: &World) -> Outcome<i64> {
    world.count("SELECT max(version) FROM _sqlx_migrations").await
}

/// Stops a hub in good order, and starts this program in its place.
async fn replace(world: &mut World, hub: usize, program: &Path) -> Outcome<()> {
    world.stop(hub).await;
    world.stage.set_program(program.to_owned());
    world.start(hub)?;
    world.stage.ready(hub).await?;
    world.fault(format!("hub {hub} is ready: {}", program.display()));
    world.pass(CALM).await;
    Ok(())
}
