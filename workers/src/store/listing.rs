//! Jobs by what they have in common, as operators look for them. No personal data.
//!
//! *Guarantee*: newest admission first, which never changes, so a longer listing begins with the
//! shorter one, and a page begins where the last one ended.

use std::collections::HashSet;

use contracts::state::State;
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Error, Store, protection::blocked_by, read_rows, retry::retry_id, within};

/// Jobs that are looked at in one statement while those to act on are sought.
const PAGE: i64 = 1_000;

/// What a live job can wait for.
pub const WAITS_FOR: [&str; 15] = [
    "worker",
    "call",
    "consent",
    "retry",
    "next_part",
    "answer",
    "question",
    "evidence",
    "pause",
    "maintenance",
    "hold",
    "breaker",
    "in_flight",
    "rate",
    "nothing",
];

/// What a job `j` waits for.
///
/// worker: somebody free · call: their answer to a call under way · consent: the person's code ·
/// retry: its next attempt · `next_part`: asking again · answer: their message · question: asking what
/// became of a command · evidence: a message or a person that ends the doubt · pause, maintenance, hold,
/// breaker: its system, which is not called now · `in_flight`: the end of a call, as many as may be are
/// under way · rate: an instant to start at, those until now are taken · nothing: it has ended. What is
/// true of a system is found once for all jobs.
pub(super) const WAITING_FOR: &str = concat!(
    "CASE
    WHEN j.ended_at IS NOT NULL THEN 'nothing'
    WHEN j.state = 'calling' THEN 'call'
    WHEN j.phase = 'consent' THEN 'consent'
    WHEN j.state = 'accepted' THEN coalesce((SELECT jsonb_object_agg(d.system, coalesce(",
    blocked_by!(),
    ", CASE WHEN c.calls >= d.in_flight_max THEN 'in_flight'
            WHEN d.rate_per_s > 0 AND d.next_token_at > statement_timestamp() THEN 'rate' END))
        FROM hub.destination d LEFT JOIN (SELECT system, count(*) AS calls FROM hub.job_live
          WHERE state = 'calling' GROUP BY system) c ON c.system = d.system) ->> j.system, 'worker')
    WHEN j.state = 'in_doubt' AND NOT EXISTS (SELECT 1 FROM hub.timer t
      WHERE t.job_seq = j.seq AND t.kind = 'wake') THEN 'evidence'
    WHEN j.state = 'in_doubt' OR j.phase = 'ask' THEN 'question'
    WHEN j.phase = 'continue' THEN 'next_part'
    WHEN j.state = 'pending' THEN 'answer'
    ELSE 'retry' END"
);

/// Which jobs; an empty filter finds all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In one of these states.
    pub states: Vec<String>,
    /// Of this operation.
    pub operation: Option<String>,
    /// Of this system.
    pub system: Option<String>,
    /// Of this record of the portal.
    pub subject: Option<String>,
    /// In this position.
    pub sla: Option<String>,
    /// Admitted not before this.
    pub since: Option<Timestamp>,
    /// Admitted before this.
    pub until: Option<Timestamp>,
    /// One of [`WAITS_FOR`].
    pub waiting_for: Option<String>,
    /// With this code.
    pub code: Option<String>,
    /// With a lower admission number: the next page.
    pub below: Option<i64>,
}

/// Which jobs an act on many leaves out, because it was done to them before and they still match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Those that have their repetition.
    Repeated,
    /// Those without a late answer that can still be applied.
    NothingLate,
}

/// One job of a listing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Found {
    /// Admission number.
    pub seq: i64,
    /// The publisher's id.
    pub id: Uuid,
    /// What was asked.
    pub operation: String,
    /// The portal's record.
    pub subject: Option<String>,
    /// Its state.
    pub state: String,
    /// One of [`WAITS_FOR`].
    pub waiting_for: String,
    /// How it stands to its promise.
    pub sla: String,
    /// Attempts that were spent.
    pub attempts: i32,
    /// The number of its last event.
    pub events: i32,
    /// Why it is where it is.
    pub code: Option<String>,
    /// When the hub took it, in business time.
    pub admitted_at: Timestamp,
    /// The promise.
    pub deadline_at: Timestamp,
    /// When it is looked at next.
    pub due_at: Option<Timestamp>,
    /// Its end.
    pub ended_at: Option<Timestamp>,
    /// The job that it repeats.
    pub retry_of: Option<Uuid>,
}

impl Store {
    /// Jobs that fit, newest first.
    pub async fn find_jobs(&self, filter: &Filter, limit: i64) -> Result<Vec<Found>, Error> {
        let places = places(filter);
        let statement = format!(
            "SELECT to_jsonb(f) FROM (
               SELECT j.seq, j.id, j.operation, j.subject, j.state, w.waiting_for, j.sla,
                      j.attempts, j.events, j.code, j.admitted_at, j.deadline_at, j.ended_at,
                      j.retry_of,
                      (SELECT min(t.due_at) FROM hub.timer t
                        WHERE t.job_seq = j.seq AND t.kind <> 'sla') AS due_at
                 FROM hub.job j CROSS JOIN LATERAL (SELECT {WAITING_FOR} AS waiting_for) w
                WHERE {places} AND (cardinality($1::text[]) = 0 OR j.state = ANY($1))
                  AND ($2::text IS NULL OR j.operation = $2)
                  AND ($3::text IS NULL OR j.system = $3)
                  AND ($4::text IS NULL OR j.subject = $4)
                  AND ($5::text IS NULL OR j.sla = $5)
                  AND ($6::text IS NULL OR j.admitted_at >= $6::timestamptz)
                  AND ($7::text IS NULL OR j.admitted_at < $7::timestamptz)
                  AND ($8::text IS NULL OR w.waiting_for = $8)
                  AND ($9::text IS NULL OR j.code = $9)
                  AND ($11::bigint IS NULL OR j.seq < $11)
                ORDER BY j.seq DESC LIMIT $10) f
              ORDER BY f.seq DESC"
        );
        within(async {
            let query = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
                .bind(&filter.states)
                .bind(&filter.operation)
                .bind(&filter.system)
                .bind(&filter.subject)
                .bind(&filter.sla)
                .bind(filter.since.map(|at| at.to_string()))
                .bind(filter.until.map(|at| at.to_string()))
                .bind(&filter.waiting_for)
                .bind(&filter.code)
                .bind(limit)
                .bind(filter.below);
            read_rows(query.fetch_all(&self.pool).await?)
        })
        .await
    }

    /// Jobs to act on, newest first: those that fit, without those to leave out.
    pub async fn find_targets(
        &self,
        filter: &Filter,
        leave: Option<Leave>,
        limit: i64,
    ) -> Result<Vec<Found>, Error> {
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut filter = filter.clone();
        let mut targets = Vec::new();
        loop {
            let page = self.find_jobs(&filter, PAGE.min(limit)).await?;
            let Some(last) = page.last() else { return Ok(targets) };
            filter.below = Some(last.seq);
            let gone = match leave {
                Some(leave) => self.left_out(leave, &page).await?,
                None => HashSet::new(),
            };
            targets.extend(page.into_iter().filter(|job| !gone.contains(&job.seq)));
            if targets.len() >= wanted {
                targets.truncate(wanted);
                return Ok(targets);
            }
        }
    }

    /// The admission numbers of a page's jobs that are left out.
    async fn left_out(&self, leave: Leave, page: &[Found]) -> Result<HashSet<i64>, Error> {
        within(async {
            match leave {
                Leave::Repeated => {
                    let ids: Vec<Uuid> = page.iter().map(|job| retry_id(job.id)).collect();
                    let query = sqlx::query_scalar("SELECT id FROM hub.job_key WHERE id = ANY($1)");
                    let known: Vec<Uuid> = query.bind(&ids).fetch_all(&self.pool).await?;
                    let known: HashSet<Uuid> = known.into_iter().collect();
                    let jobs = page.iter().filter(|job| known.contains(&retry_id(job.id)));
                    Ok(jobs.map(|job| job.seq).collect())
                }
                Leave::NothingLate => {
                    let seqs: Vec<i64> = page.iter().map(|job| job.seq).collect();
                    let late: Vec<i64> = sqlx::query_scalar(
                        "SELECT job_seq FROM hub.inbound
                          WHERE job_seq = ANY($1) AND state = 'late'",
                    )
                    .bind(&seqs)
                    .fetch_all(&self.pool)
                    .await?;
                    let late: HashSet<i64> = late.into_iter().collect();
                    Ok(seqs.into_iter().filter(|seq| !late.contains(seq)).collect())
                }
            }
        })
        .await
    }
}

/// Which partitions can hold what fits. Written as a literal, so that the others are not even planned.
fn places(filter: &Filter) -> String {
    let is_live = |name: &String| State::from_name(name).is_some_and(|state| !state.is_terminal());
    let waits = filter.waiting_for.as_ref().is_some_and(|what| what != "nothing");
    if waits || (!filter.states.is_empty() && filter.states.iter().all(is_live)) {
        return "j.ended_on = 'infinity'".to_owned();
    }
    // Nothing ends before it is admitted.
    match filter.since {
        Some(since) => format!("j.ended_on >= '{}'", since.to_zoned(TimeZone::UTC).date()),
        None => "true".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_reads_only_the_months_that_can_hold_what_fits() {
        let of = |states: &[&str]| Filter {
            states: states.iter().map(|state| (*state).to_owned()).collect(),
            since: Some("2026-11-22T23:30:00-05:00".parse().expect("an instant")),
            ..Filter::default()
        };
        assert_eq!(places(&of(&["waiting", "pending"])), "j.ended_on = 'infinity'");
        assert_eq!(places(&of(&["waiting", "failed"])), "j.ended_on >= '2026-11-23'");
        assert_eq!(places(&Filter::default()), "true");
        let waits = Filter { waiting_for: Some("retry".to_owned()), ..Filter::default() };
        assert_eq!(places(&waits), "j.ended_on = 'infinity'");
    }
}
