//! The promise of an operation: each of its instants in seconds or in business days.

use std::{cmp::Ordering, time::Duration};

use contracts::operation::{BUSINESS_DAYS_MAX, OperationSpec, SlaSpec, Span};

use super::{YEAR, reader::Reader};
use crate::policy::calendar::Calendar;

/// Reads the promise; an instant that is not given keeps the unit and the value of its specification.
pub(super) fn read(r: &mut Reader, spec: &OperationSpec, calendar: &Calendar) -> SlaSpec {
    let key = |name: &str| format!("operations.{}.{name}", spec.name);
    let SlaSpec { at_risk, deadline, give_up } = spec.sla;
    let sla = SlaSpec {
        at_risk: span(r, &key("at_risk"), at_risk),
        deadline: span(r, &key("deadline"), deadline),
        give_up: span(r, &key("give_up"), give_up),
    };
    for (name, earlier, later) in
        [("at_risk", sla.at_risk, sla.deadline), ("deadline", sla.deadline, sla.give_up)]
    {
        if is_never_before(earlier, later, calendar) {
            let value = format!("{} / {} / {}", sla.at_risk, sla.deadline, sla.give_up);
            let expected = "at_risk <= deadline <= give_up";
            return r.problem(&key(name), &value, expected, sla);
        }
    }
    sla
}

fn span(r: &mut Reader, key: &str, default: Span) -> Span {
    let (plain, business) = (format!("{key}_s"), format!("{key}_business_days"));
    let (in_seconds, in_days) = (r.is_given(&plain), r.is_given(&business));
    if in_seconds && in_days {
        let expected = format!("either this or {business}, not both");
        return r.problem(&plain, "given", &expected, default);
    }
    let seconds = |r: &mut Reader, default| Span::Plain(r.seconds(&plain, default, YEAR));
    let days = |r: &mut Reader, default: u16| {
        let days = r.number(&business, default.into(), 1..=BUSINESS_DAYS_MAX.into());
        Span::BusinessDays(u16::try_from(days).unwrap_or(default))
    };
    match default {
        Span::Plain(time) if !in_days => seconds(r, time),
        Span::BusinessDays(count) if !in_seconds => days(r, count),
        Span::Plain(_) => days(r, 1),
        Span::BusinessDays(_) => seconds(r, Duration::ZERO),
    }
}

/// Whether the first is behind the second for every request. Where the units differ and only some
/// requests turn the order round, the admitting statement puts it right.
fn is_never_before(first: Span, second: Span, calendar: &Calendar) -> bool {
    let reach = |days| calendar.reach(days).unwrap_or((Duration::ZERO, Duration::MAX));
    let order = match (first, second) {
        (Span::Plain(first), Span::Plain(second)) => first.cmp(&second),
        (Span::BusinessDays(first), Span::BusinessDays(second)) => first.cmp(&second),
        (Span::Plain(first), Span::BusinessDays(second)) => first.cmp(&reach(second).1),
        (Span::BusinessDays(first), Span::Plain(second)) => reach(first).0.cmp(&second),
    };
    order == Ordering::Greater
}
