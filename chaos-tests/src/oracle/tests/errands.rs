//! Couriers and cancellations of the good round, each with one thing wrong.

use super::*;

#[test]
fn errands_that_were_run_twice_for_nobody_or_not_at_all_are_found() {
    expect(&[
        ("was executed more than once: 2 times, by the journal", |r| {
            r.entry("SIM-1", COURIER, "query", "registered");
        }),
        ("was executed more than once: 2 times, by the journal", |r| {
            r.entry("cancel SIM-2", "kazpost", "query", "label");
        }),
        ("succeeded, and kazpost.courier executed nothing", |r| {
            r.e.journal.retain(|entry| entry["system"] != COURIER);
        }),
        ("succeeded, and kazpost executed nothing", |r| {
            r.journaled("cancel SIM-2")["executed"] = json!(false);
        }),
        ("SIM-9: kazpost.courier executed it, and no job asked", |r| {
            r.entry("SIM-9", COURIER, "query", "registered");
        }),
        ("is rejected, kazpost.courier executed it", |r| {
            r.publish(Some(98), "kazpost.call_courier", Fate::Rejected, &json!({}));
            r.end(98, "kazpost.call_courier", "order:98", State::Rejected, &json!({}));
            r.entry("SIM-98", COURIER, "query", "registered");
        }),
    ]);
}
