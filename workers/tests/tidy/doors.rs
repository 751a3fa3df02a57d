//! Every effect has one door.

use crate::sources::{Source, programs};

/// Fails where code outside these files or folders says one of these words; also where nobody says
/// them any more, as the rule would then guard nothing.
fn door(words: &[&str], allowed: &[&str]) {
    let is_allowed = |source: &Source| allowed.iter().any(|door| source.path.starts_with(door));
    let (inside, outside): (Vec<_>, Vec<_>) = programs().into_iter().partition(is_allowed);
    let used: Vec<String> = inside.iter().flat_map(|source| source.places(words)).collect();
    assert!(!used.is_empty(), "nobody says {words:?} in {allowed:?}");
    let strays: Vec<String> = outside.iter().flat_map(|source| source.places(words)).collect();
    assert!(strays.is_empty(), "{words:?} belongs to {allowed:?}:\n{}", strays.join("\n"));
}

/// Prints a Python command that publishes a job.
const PASTED: &str = "workers/src/cli/demo.rs";

#[test]
fn only_the_broker_folder_speaks_amqp() {
    door(&["lapin::", "use lapin"], &["workers/src/broker/"]);
}

#[test]
fn only_the_store_runs_sql() {
    door(&["sqlx::", "use sqlx"], &["workers/src/store/"]);
}

#[test]
fn transactions_begin_where_nobody_can_give_up_halfway() {
    door(
        &["pool.begin()", "admitting.begin()", "recording.begin()"],
        &["workers/src/store/mod.rs"],
    );
}

#[test]
fn invariant_6_only_settle_acknowledges() {
    door(&["basic_ack"], &["workers/src/broker/consumer.rs"]);
    let own = ["workers/src/broker/consumer.rs", "workers/src/pipeline/settle.rs"];
    door(&["acknowledge("], &own);
    door(&["settle(acks)", "settle(committed"], &["workers/src/pipeline/"]);
    door(&["basic_nack", "basic_reject", "no_ack: true"], &["workers/src/broker/subscriber.rs"]);
}

#[test]
fn invariant_6_only_the_relay_publishes_events() {
    door(&[".basic_publish("], &["workers/src/broker/publisher.rs", PASTED]);
    // The pretended portal of the demo publishes jobs, and so does who sends quarantined ones again.
    let publishers = ["workers/src/relay.rs", "workers/src/demo/", "workers/src/cli/quarantine.rs"];
    door(&["Publisher::connect"], &publishers);
    let users =
        ["workers/src/relay.rs", "workers/src/broker/", "workers/src/demo/", "contracts/src/"];
    door(&["EVENTS_EXCHANGE"], &users);
}

#[test]
fn invariant_6_adapters_never_retry_and_never_sleep() {
    let of_adapters = |source: &Source| {
        source.path.starts_with("adapters/src/")
            && !source.path.contains("simulat")
            && !source.path.ends_with("tests.rs")
    };
    let words = ["sleep(", "retry(", "backoff", "tokio::spawn", "interval(", "Interval"];
    let strays: Vec<String> =
        programs().into_iter().filter(of_adapters).flat_map(|s| s.places(&words)).collect();
    // The client is told not to repeat requests by itself, either.
    let strays: Vec<String> =
        strays.into_iter().filter(|place| !place.contains("retry::never()")).collect();
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}

#[test]
fn only_one_module_grows_pauses() {
    door(&["backoff::"], &["workers/src/policy/pause.rs"]);
}

#[test]
fn http_clients_are_built_where_their_limits_stand() {
    door(
        &["reqwest::Client::builder", "Client::new()", "reqwest::ClientBuilder"],
        &[
            "adapters/src/transport/http.rs",
            "adapters/src/simulation/courier.rs",
            "workers/src/callback/address.rs",
            "workers/src/demo/stage.rs",
            "workers/src/telemetry/traces.rs",
        ],
    );
}

#[test]
fn invariant_9_clock_and_chance_are_read_in_one_place_each() {
    door(&["Timestamp::now()", "SystemTime::now", "Zoned::now"], &["workers/src/clock.rs"]);
    door(&["rand::"], &["workers/src/chance.rs", "adapters/src/simulation/chance.rs"]);
}

#[test]
fn tables_of_the_portal_are_written_by_the_store_alone() {
    let words = ["INSERT INTO portal.", "UPDATE portal.", "DELETE FROM portal."];
    // Files are the portal's own to store: this is the statement that portals are told.
    let told = |source: &&Source| source.path != "workers/src/store/attachment.rs";
    let all = programs();
    let strays: Vec<String> =
        all.iter().filter(told).flat_map(|source| source.places(&words)).collect();
    // The store takes the name from the operation's description, so nobody spells it.
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}

#[test]
fn nothing_is_stamped_by_the_servers_own_clock() {
    let words = ["DEFAULT now()", "DEFAULT current_timestamp", "DEFAULT CURRENT_TIMESTAMP"];
    let migrations =
        crate::sources::all().into_iter().filter(|s| s.path.rsplit('.').next() == Some("sql"));
    let strays: Vec<String> = migrations.flat_map(|source| source.places(&words)).collect();
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}
