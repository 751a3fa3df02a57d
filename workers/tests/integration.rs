//! The hub from outside: what a portal publishes and hears, what the tables hold, what the
//! government saw. Real servers, real processes, no sleeps.
//!
//! Servers are started once and shared; every world has a database, a virtual host, simulators and
//! hubs of its own. `HUB_TEST_DATABASE_URL` and `HUB_TEST_AMQP_URL` name running servers instead;
//! `HUB_TEST_SEED` another seed. `cfg(test)` tells the lints that helpers here are test code too.

#[cfg(test)]
#[path = "integration/batches.rs"]
mod batches;
#[cfg(test)]
#[path = "integration/business_days.rs"]
mod business_days;
#[cfg(test)]
#[path = "integration/bystanders.rs"]
mod bystanders;
#[cfg(test)]
#[path = "integration/callbacks.rs"]
mod callbacks;
#[cfg(test)]
#[path = "integration/collector.rs"]
mod collector;
#[cfg(test)]
#[path = "integration/consent.rs"]
mod consent;
#[cfg(test)]
#[path = "integration/deaths.rs"]
mod deaths;
#[cfg(test)]
#[path = "integration/decisions.rs"]
mod decisions;
#[cfg(test)]
#[path = "integration/demo.rs"]
mod demo;
#[cfg(test)]
#[path = "integration/doctor.rs"]
mod doctor;
#[cfg(test)]
#[path = "integration/doubts.rs"]
mod doubts;
#[cfg(test)]
#[path = "integration/events.rs"]
mod events;
#[cfg(test)]
#[path = "integration/everything.rs"]
mod everything;
#[cfg(test)]
#[path = "integration/handover.rs"]
mod handover;
#[cfg(test)]
#[path = "integration/idle.rs"]
mod idle;
#[cfg(test)]
#[path = "integration/invariants.rs"]
mod invariants;
#[cfg(test)]
#[path = "integration/mailbox.rs"]
mod mailbox;
#[cfg(test)]
#[path = "integration/messages.rs"]
mod messages;
#[cfg(test)]
#[path = "integration/once.rs"]
mod once;
#[cfg(test)]
#[path = "integration/ops.rs"]
mod ops;
#[cfg(test)]
#[path = "integration/orders.rs"]
mod orders;
#[cfg(test)]
#[path = "integration/outages.rs"]
mod outages;
#[cfg(test)]
#[path = "integration/parcels.rs"]
mod parcels;
#[cfg(test)]
#[path = "integration/persons.rs"]
mod persons;
#[cfg(test)]
#[path = "integration/press.rs"]
mod press;
#[cfg(test)]
#[path = "integration/protection.rs"]
mod protection;
#[cfg(test)]
#[path = "integration/pushes.rs"]
mod pushes;
#[cfg(test)]
#[path = "integration/quarantine.rs"]
mod quarantine;
#[cfg(test)]
#[path = "integration/record.rs"]
mod record;
#[cfg(test)]
#[path = "integration/registers.rs"]
mod registers;
#[cfg(test)]
#[path = "integration/retries.rs"]
mod retries;
#[cfg(test)]
#[path = "integration/secrecy.rs"]
mod secrecy;
#[cfg(test)]
#[path = "integration/servers.rs"]
mod servers;
#[cfg(test)]
#[path = "integration/shutdown.rs"]
mod shutdown;
#[cfg(test)]
#[path = "integration/status.rs"]
mod status;
#[cfg(test)]
#[path = "integration/stories.rs"]
mod stories;
#[cfg(test)]
#[path = "integration/throttled.rs"]
mod throttled;
#[cfg(test)]
#[path = "integration/timers.rs"]
mod timers;
#[cfg(test)]
#[path = "integration/told.rs"]
mod told;
#[cfg(test)]
#[path = "integration/traces.rs"]
mod traces;
#[cfg(test)]
#[path = "integration/transactions.rs"]
mod transactions;
#[cfg(test)]
#[path = "integration/upkeep.rs"]
mod upkeep;
#[cfg(test)]
#[path = "integration/world.rs"]
mod world;
