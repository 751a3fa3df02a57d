//! Which jobs: the filters of `hub jobs list`, and of every command that acts on all that match.

use clap::builder::PossibleValuesParser;
use contracts::state::{Sla, State};
use jiff::{SignedDuration, Timestamp};

use crate::store::{
    Error, Store,
    listing::{Filter, WAITS_FOR},
};

/// The filters.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Filters {
    /// In these states: waiting,in_doubt
    #[arg(long = "state", value_delimiter = ',', value_parser = states())]
    states: Vec<String>,
    /// Of this operation: kpsisu.check
    #[arg(long, value_parser = operations())]
    operation: Option<String>,
    /// Of this system: kpsisu
    #[arg(long, value_parser = systems())]
    system: Option<String>,
    /// Of this record of the portal: specialist:4711
    #[arg(long)]
    subject: Option<String>,
    /// In this position to the promise.
    #[arg(long, value_parser = PossibleValuesParser::new(Sla::ALL.map(Sla::name)))]
    sla: Option<String>,
    /// Admitted not before: 2026-11-22T10:00:00+05:00, or 90m, 12h, 3d ago.
    #[arg(long, value_parser = when)]
    since: Option<When>,
    /// Admitted before.
    #[arg(long, value_parser = when)]
    until: Option<When>,
    /// Waiting for this.
    #[arg(long, value_parser = PossibleValuesParser::new(WAITS_FOR))]
    waiting_for: Option<String>,
    /// With this code: outcome_unknown
    #[arg(long)]
    code: Option<String>,
}

/// An instant, or how long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    At(Timestamp),
    Ago(SignedDuration),
}

impl Filters {
    /// Whether nothing is narrowed down.
    pub(super) fn is_empty(&self) -> bool {
        self.states.is_empty()
            && self.since.is_none()
            && self.until.is_none()
            && [&self.operation, &self.system, &self.subject, &self.sla]
                .into_iter()
                .chain([&self.waiting_for, &self.code])
                .all(Option::is_none)
    }

    /// The filter; `default` are the states where none is given.
    pub(super) async fn read(self, store: &Store, default: &[State]) -> Result<Filter, Error> {
        let now = store.business_now().await?;
        let states = if self.states.is_empty() {
            default.iter().map(|state| state.name().to_owned()).collect()
        } else {
            self.states
        };
        Ok(Filter {
            states,
            operation: self.operation,
            system: self.system,
            subject: self.subject,
            sla: self.sla,
            since: self.since.map(|when| instant(when, now)),
            until: self.until.map(|when| instant(when, now)),
            waiting_for: self.waiting_for,
            code: self.code,
            below: None,
        })
    }
}

/// What was meant, in business time.
pub(super) fn instant(when: When, now: Timestamp) -> Timestamp {
    match when {
        When::At(instant) => instant,
        When::Ago(duration) => now.checked_sub(duration).unwrap_or(Timestamp::MIN),
    }
}

/// Reads an instant or a duration.
pub(super) fn when(text: &str) -> Result<When, String> {
    if let Ok(instant) = text.parse() {
        return Ok(When::At(instant));
    }
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        Some(_) | None => 0,
    };
    let number = text.get(..text.len().saturating_sub(1)).and_then(|n| n.parse::<u32>().ok());
    match number {
        Some(number) if unit > 0 => {
            Ok(When::Ago(SignedDuration::from_secs(i64::from(number) * unit)))
        }
        Some(_) | None => {
            Err("an instant with its offset (2026-11-22T10:00:00+05:00), or 90m, 12h, 3d".into())
        }
    }
}

fn states() -> PossibleValuesParser {
    PossibleValuesParser::new(State::ALL.map(State::name))
}

pub(super) fn systems() -> PossibleValuesParser {
    let all = adapters::systems::all();
    PossibleValuesParser::new(all.iter().map(|s| s.spec().name).chain([contracts::own::SPEC.name]))
}

pub(super) fn operations() -> PossibleValuesParser {
    let all = adapters::systems::all();
    let specs = all.iter().map(|s| s.spec()).chain([&contracts::own::SPEC]);
    PossibleValuesParser::new(specs.flat_map(|spec| spec.operations).map(|o| o.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_or_a_duration_ago_is_read_and_nothing_else() {
        let at = when("2026-11-22T10:00:00+05:00").expect("an instant");
        assert_eq!(at, When::At("2026-11-22T05:00:00Z".parse().expect("the same")));
        let now: Timestamp = "2026-11-22T05:00:00Z".parse().expect("an instant");
        let ago = instant(when("3d").expect("three days"), now);
        assert_eq!(ago.to_string(), "2026-11-19T05:00:00Z");
        for wrong in ["", "d", "3", "3w", "-3d", "yesterday", "2026-11-22", "2026-11-22T10:00:00"] {
            assert!(when(wrong).is_err(), "{wrong}");
        }
    }
}
