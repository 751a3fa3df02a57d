//! How long history is kept, in business time: `[retention]`.

use super::reader::Reader;

/// The longest retention in months.
const MONTHS_MAX: u64 = 600;

/// How long history is kept. A month goes as a whole, when its last day is so old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Jobs that ended.
    pub jobs_months: i32,
    /// Attempts, and events that nobody heard.
    pub attempts_months: i32,
    /// Raw requests and answers, sealed.
    pub exchanges_days: i32,
    /// Messages of the gateway.
    pub inbound_months: i32,
    /// Messages that were no job, also those that nobody decided about.
    pub quarantine_months: i32,
    /// What people did.
    pub audit_months: i32,
    /// What an id stands for: how long a repeated id is recognised.
    pub job_keys_months: i32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            jobs_months: 12,
            attempts_months: 12,
            exchanges_days: 30,
            inbound_months: 12,
            quarantine_months: 12,
            audit_months: 60,
            job_keys_months: 24,
        }
    }
}

pub(super) fn read(r: &mut Reader) -> Retention {
    let d = Retention::default();
    let mut months = |key: &str, default: i32| {
        let number = u64::try_from(default).unwrap_or(1);
        i32::try_from(r.number(&format!("retention.{key}"), number, 1..=MONTHS_MAX))
            .unwrap_or(default)
    };
    let retention = Retention {
        jobs_months: months("jobs_months", d.jobs_months),
        attempts_months: months("attempts_months", d.attempts_months),
        inbound_months: months("inbound_months", d.inbound_months),
        quarantine_months: months("quarantine_months", d.quarantine_months),
        audit_months: months("audit_months", d.audit_months),
        job_keys_months: months("job_keys_months", d.job_keys_months),
        exchanges_days: i32::try_from(r.number("retention.exchanges_days", 30, 1..=3_660))
            .unwrap_or(d.exchanges_days),
    };
    let fits = |r: &mut Reader, key: &str, value: i32, expected: &str, holds: bool| {
        if !holds {
            r.problem(&format!("retention.{key}"), &value.to_string(), expected, ());
        }
    };
    let Retention { jobs_months, attempts_months, job_keys_months, .. } = retention;
    let expected = "at least retention.jobs_months: an id must not be forgotten before its job";
    fits(r, "job_keys_months", job_keys_months, expected, job_keys_months >= jobs_months);
    let expected = "at most retention.jobs_months: an attempt says nothing without its job";
    fits(r, "attempts_months", attempts_months, expected, attempts_months <= jobs_months);
    retention
}
