//! How often an operation is tried: the short keys, or `[operations.<system>.<op>.retry]`.

use std::time::Duration;

use contracts::operation::OperationSpec;

use super::{DAY, YEAR, reader::Reader};
use crate::policy::retry::{Pauses, Policy, STRIKES_MAX};

const BASE: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(15 * 60);
const ATTEMPTS_MAX: u64 = 1_000;

/// Reads a policy; what is not given has the defaults of the short form.
pub(super) fn read(r: &mut Reader, spec: &OperationSpec) -> Policy {
    let short = |name: &str| format!("operations.{}.{name}", spec.name);
    let key = |name: &str| format!("operations.{}.retry.{name}", spec.name);
    let attempts = r.number(&short("attempts_max"), spec.attempts_max.into(), 1..=ATTEMPTS_MAX);
    either(r, &short("attempts_max"), &key("attempts_max"));
    let base = r.millis(&short("retry_base_ms"), BASE, DAY);
    let max = r.millis(&short("retry_max_ms"), LONGEST, DAY);
    if r.is_given(&short("retry_base_ms")) || r.is_given(&short("retry_max_ms")) {
        ordered(r, &short("retry_base_ms"), base, &short("retry_max_ms"), max);
    }
    let attempts_max =
        narrow(r.number(&key("attempts_max"), attempts, 1..=ATTEMPTS_MAX.max(attempts)));
    let mut class = |name: &str, attempts_max_default: u16| -> Pauses {
        let of = |field: &str| key(&format!("{name}.{field}"));
        either(r, &short("retry_base_ms"), &of("base_ms"));
        either(r, &short("retry_max_ms"), &of("max_ms"));
        let base = r.millis(&of("base_ms"), base, DAY);
        let max = r.millis(&of("max_ms"), max.max(base), DAY);
        ordered(r, &of("base_ms"), base, &of("max_ms"), max);
        let most =
            r.number(&of("attempts_max"), attempts_max_default.into(), 1..=ATTEMPTS_MAX * 10);
        if r.is_given(&of("attempts_max")) && most > attempts_max.into() {
            let expected = format!("at most {attempts_max}, all attempts of the job together");
            r.problem(&of("attempts_max"), &most.to_string(), &expected, ());
        }
        Pauses { base, max, attempts_max: narrow(most) }
    };
    let policy = Policy {
        unreachable: class("unreachable", attempts_max),
        contract: class("contract", STRIKES_MAX),
        defect: class("defect", STRIKES_MAX),
        enabled: r.flag(&key("enabled"), true),
        attempts_max,
        age_max: age(r, &key("age_max_s")),
    };
    check_age(r, &key("age_max_s"), &policy);
    policy
}

/// The budget of age; absent: only the give-up time bounds it.
fn age(r: &mut Reader, key: &str) -> Option<Duration> {
    if !r.is_given(key) {
        // Asked for all the same, so that the key is known.
        return None;
    }
    Some(Duration::from_secs(r.number(key, YEAR.as_secs(), 1..=YEAR.as_secs())))
}

/// A budget that is over before the first pause would never see a retry.
fn check_age(r: &mut Reader, key: &str, policy: &Policy) {
    let first = [policy.unreachable, policy.contract, policy.defect].map(|p| p.base);
    let Some(first) = first.into_iter().min() else { return };
    if let Some(age) = policy.age_max.filter(|age| *age < first) {
        let expected =
            format!("at least the first pause, {} ms; or enabled = false", first.as_millis());
        r.problem(key, &format!("{} s", age.as_secs()), &expected, ());
    }
}

fn ordered(r: &mut Reader, low: &str, base: Duration, high: &str, max: Duration) {
    if base > max {
        let expected = format!("at most {high}, which is {} ms", max.as_millis());
        r.problem(low, &format!("{} ms", base.as_millis()), &expected, ());
    }
}

/// One of two keys that mean the same.
fn either(r: &mut Reader, short: &str, long: &str) {
    if r.is_given(short) && r.is_given(long) {
        r.problem(short, "given", &format!("either this or {long}, not both"), ());
    }
}

fn narrow(number: u64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}
