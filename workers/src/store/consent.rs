//! One-time codes and the checks that wait for them (D1-D6).
//!
//! ```text
//! send_code   hub.sms_code: bound to a person, a check and its subject │ a press too soon: refused
//! verify_code counted before it is asked: three attempts, whatever crashes │ sealed code deleted
//! the check   waits in phase `consent` │ opened once: used_by is set in the commit that opens it
//! ```
//!
//! *Guarantee*: a code opens at most one check (D4): whoever opens one sets `used_by` in the same
//! commit, and only where it is empty. An attempt is counted in a commit before the code is sent, once
//! a job. The digits are sealed, in a row of their own, and gone when their job ends.

use std::time::Duration;

use contracts::{
    operation::{OperationSpec, Parts},
    state::State,
};
use serde_json::{Map, Value};
use sqlx::Row;
use uuid::Uuid;

use super::{
    Error, Store, Tx,
    admission::Entry,
    millis, of_build,
    record::{self, Change, Guard},
    within,
};
use crate::seal::Sealed;

/// The rules of codes (D5).
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How long a code works.
    pub life: Duration,
    /// How often it may be tried.
    pub attempts_max: i16,
    /// How soon another may be sent for the same check.
    pub resend_after: Duration,
}

/// What the hub knows of the code that a job wants verified. All of it is decided upon by
/// `pipeline/consent.rs`.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not imply one another")]
pub struct Code {
    /// The job that sent it.
    pub sent_by: Uuid,
    /// Their id of it, where the answer to sending came.
    pub otp_id: Option<String>,
    /// Whether it was sent to the person that the job names.
    pub same_person: bool,
    /// Whether it was sent for the check that waits for this job; true where none waits.
    pub same_check: bool,
    /// Whether it has opened a check.
    pub used: bool,
    /// Whether its time is over.
    pub expired: bool,
    /// Whether an attempt is left, or this job has taken its attempt already.
    pub attempt_left: bool,
    /// The digits; gone where the job's time is over.
    pub sealed: Option<Sealed>,
}

/// A check that waits for its consent.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Admission number.
    pub seq: i64,
    /// What waits.
    pub operation: &'static OperationSpec,
    /// The job that verifies the code; `None` where it is not known yet.
    pub verified: Option<Verified>,
    /// Whether it has waited longer than a code lives.
    pub too_long: bool,
}

/// What became of a verification.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not imply one another")]
pub struct Verified {
    /// Whether the job verifies codes at all.
    pub is_verification: bool,
    /// Its state.
    pub state: State,
    /// The code of its end.
    pub code: Option<String>,
    /// Its summary.
    pub summary: Map<String, Value>,
    /// Whether the code was verified for the person of the check.
    pub same_person: bool,
    /// Whether the code was sent for this check.
    pub same_check: bool,
    /// Whether the code has opened a check before.
    pub used: bool,
}

/// What follows for a check.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It may be sent.
    Opens,
    /// It stays as it is.
    Waits,
    /// It ends as refused.
    Refused {
        /// Stable code.
        code: contracts::code::Code,
        /// For the event.
        summary: Map<String, Value>,
    },
}

/// Which checks are looked at.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// Those that wait for these jobs.
    pub verifications: Vec<Uuid>,
    /// These themselves.
    pub checks: Vec<i64>,
}

/// Stores the digits of new jobs, in the caller's commit.
pub(super) async fn keep_codes(tx: Tx<'_>, new: &[(i64, &Entry)]) -> Result<(), Error> {
    for (_, entry) in new {
        let Some(code) = &entry.code else { continue };
        sqlx::query(
            "INSERT INTO hub.sealed_code (job_id, code_ref, key_id, sealed, expires_at)
             VALUES ($1, $2, $3, $4, hub.now() + $5 * interval '1 millisecond')
             ON CONFLICT (job_id) DO NOTHING",
        )
        .bind(entry.id)
        .bind(&code.code_ref)
        .bind(&code.sealed.key_id)
        .bind(&code.sealed.bytes)
        .bind(millis(code.life))
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// Forgets the digits of verifications that have ended, and takes a success as evidence that the code
/// was sent: a sending whose answer was lost ends well (D6).
pub(super) async fn end_verifications(
    tx: Tx<'_>,
    ended: &[(Uuid, bool)],
) -> Result<Vec<Change>, Error> {
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = ended.iter().map(|(id, _)| *id).collect();
    let verified: Vec<Uuid> = ended.iter().filter(|(_, good)| *good).map(|(id, _)| *id).collect();
    let codes: Vec<String> = sqlx::query_scalar(
        "WITH gone AS (
           DELETE FROM hub.sealed_code WHERE job_id = ANY($1) RETURNING job_id, code_ref)
         UPDATE hub.sms_code c SET verified_by = coalesce(c.verified_by, gone.job_id),
                status = CASE WHEN c.used_by IS NULL THEN 'verified' ELSE c.status END
           FROM gone WHERE gone.job_id = ANY($2) AND c.code_ref = gone.code_ref
         RETURNING c.code_ref",
    )
    .bind(ids)
    .bind(verified)
    .fetch_all(&mut *tx)
    .await?;
    prove_sendings(tx, &codes).await
}

/// The sendings in doubt of these codes, where the code was verified: it was sent, then.
///
/// Called for codes that were just verified, and for sendings that just came into doubt. Each side
/// locks the code first and looks for the other afterwards, in a statement of its own, so that whoever
/// commits second sees both.
pub(super) async fn prove_sendings(tx: Tx<'_>, codes: &[String]) -> Result<Vec<Change>, Error> {
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    let proven: Vec<Uuid> = sqlx::query_scalar(
        "SELECT code_ref::uuid FROM hub.sms_code
          WHERE code_ref = ANY($1) AND verified_by IS NOT NULL ORDER BY code_ref FOR UPDATE",
    )
    .bind(codes)
    .fetch_all(&mut *tx)
    .await?;
    let rows = sqlx::query(
        "SELECT j.seq, j.operation FROM UNNEST($1::uuid[]) t (id)
           JOIN hub.job_key k ON k.id = t.id
           JOIN hub.job_live j ON j.seq = k.seq AND j.state = 'in_doubt'
          ORDER BY j.seq",
    )
    .bind(proven)
    .fetch_all(&mut *tx)
    .await?;
    let mut changes = Vec::with_capacity(rows.len());
    for row in rows {
        let name: String = row.try_get("operation")?;
        let Some(operation) = of_build(&name) else { continue };
        let mut summary = Map::new();
        summary.insert("evidence".to_owned(), "code_verified".into());
        let seq = row.try_get("seq")?;
        changes
            .push(Change { summary, ..Change::to(State::Succeeded, seq, operation, Guard::Live) });
    }
    Ok(changes)
}

/// Whether a job sends a one-time code.
pub(super) fn sends(operation: &OperationSpec) -> bool {
    operation.name == adapters::systems::mgov::SEND_CODE.name
}

/// Whether a job verifies a one-time code.
pub(super) fn verifies(operation: &OperationSpec) -> bool {
    operation.parts == Parts::Code
}

/// That a check `p` waits for its consent, in a way that no index of states or phases fits: a plan of when
/// nothing waited would take such a one for the shortest way, and read all that waits.
const WAITS: &str = "p.state || ' ' || p.phase = 'waiting consent'";

/// Codes that opened nothing are forgotten after this: whoever verified one has long used it.
const FORGET_AFTER: Duration = Duration::from_secs(86_400);

impl Store {
    /// Forgets digits whose time is over, and what is known of codes a day later.
    pub async fn forget_codes(&self) -> Result<(), Error> {
        within(async {
            sqlx::query("DELETE FROM hub.sealed_code WHERE expires_at <= hub.now()")
                .execute(&self.pool)
                .await?;
            sqlx::query(
                "DELETE FROM hub.sms_code WHERE coalesce(expires_at, requested_at)
                    < hub.now() - $1 * interval '1 millisecond'",
            )
            .bind(millis(FORGET_AFTER))
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Notes that a code is about to be sent; `false` where one was sent for the same person and
    /// check too short a time ago. Asked again by the same job, it answers the same.
    pub async fn note_sending(&self, job: Uuid, rules: Rules) -> Result<bool, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            // Two presses at once: the second sees what the first wrote.
            sqlx::query(
                "SELECT pg_advisory_xact_lock(hashtextextended(concat_ws('|', j.input ->> 'iin',
                   j.input ->> 'check', j.input ->> 'check_subject'), 0))
                   FROM hub.job_key k JOIN hub.job_live j ON j.seq = k.seq WHERE k.id = $1",
            )
            .bind(job)
            .execute(&mut *tx)
            .await?;
            let noted: bool = sqlx::query_scalar(
                "WITH asked AS (
                   SELECT k.id::text AS code_ref, j.input ->> 'check' AS check_operation,
                          j.input ->> 'check_subject' AS check_subject,
                          sha256(convert_to(j.input ->> 'iin', 'UTF8')) AS iin_hash
                     FROM hub.job_key k JOIN hub.job_live j ON j.seq = k.seq WHERE k.id = $1),
                 noted AS (
                   INSERT INTO hub.sms_code (code_ref, iin_hash, check_operation, check_subject,
                     status, requested_at, attempts_left)
                   SELECT code_ref, iin_hash, check_operation, check_subject, 'sending', hub.now(), $2
                     FROM asked a WHERE NOT EXISTS (SELECT 1 FROM hub.sms_code c
                       WHERE c.iin_hash = a.iin_hash AND c.check_operation = a.check_operation
                         AND c.check_subject = a.check_subject AND c.code_ref <> a.code_ref
                         AND c.status <> 'failed'
                         AND coalesce(c.sent_at, c.requested_at)
                           > hub.now() - $3 * interval '1 millisecond')
                   ON CONFLICT (code_ref) DO UPDATE SET
                     requested_at = CASE WHEN hub.sms_code.sent_at IS NULL THEN hub.now()
                                         ELSE hub.sms_code.requested_at END,
                     status = CASE hub.sms_code.status
                       WHEN 'failed' THEN 'sending' ELSE hub.sms_code.status END
                   RETURNING 1)
                 SELECT EXISTS (SELECT 1 FROM noted)",
            )
            .bind(job)
            .bind(rules.attempts_max)
            .bind(millis(rules.resend_after))
            .fetch_one(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(noted)
        })
        .await
    }

    /// What is known of the code that a job wants verified, and, where `takes` says that it may be
    /// asked, the attempt is counted. `None`: no such code.
    pub async fn take_attempt(
        &self,
        job: Uuid,
        rules: Rules,
        takes: impl Fn(&Code) -> bool,
    ) -> Result<Option<Code>, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let statement = format!(
                "SELECT s.code_ref, s.otp_id, s.attempts_left, s.used_by IS NOT NULL AS used,
                        s.iin_hash = sha256(convert_to(v.input ->> 'iin', 'UTF8')) AS same_person,
                        NOT EXISTS (SELECT 1 FROM hub.job_live p
                          WHERE p.verify_job = $1 AND {WAITS}
                            AND (p.operation <> s.check_operation OR p.subject <> s.check_subject))
                          AS same_check,
                        hub.now() >= coalesce(s.expires_at,
                          s.requested_at + $2 * interval '1 millisecond') AS expired,
                        c.key_id, c.sealed, coalesce(c.counted, false) AS counted
                   FROM hub.job_key k
                   JOIN hub.job_live v ON v.seq = k.seq
                   JOIN hub.sms_code s ON s.code_ref = v.input ->> 'code_ref'
                   LEFT JOIN hub.sealed_code c ON c.job_id = k.id
                  WHERE k.id = $1 FOR UPDATE OF s",
            );
            let row = sqlx::query(sqlx::AssertSqlSafe(statement))
                .bind(job)
                .bind(millis(rules.life))
                .fetch_optional(&mut *tx)
                .await?;
            let Some(row) = row else { return Ok(None) };
            let counted: bool = row.try_get("counted")?;
            let code_ref: String = row.try_get("code_ref")?;
            let key_id: Option<String> = row.try_get("key_id")?;
            let sealed: Option<Vec<u8>> = row.try_get("sealed")?;
            let Ok(sent_by) = code_ref.parse() else { return Ok(None) };
            let code = Code {
                sent_by,
                otp_id: row.try_get("otp_id")?,
                same_person: row.try_get("same_person")?,
                same_check: row.try_get("same_check")?,
                used: row.try_get("used")?,
                expired: row.try_get("expired")?,
                attempt_left: counted || row.try_get::<i16, _>("attempts_left")? > 0,
                sealed: key_id.zip(sealed).map(|(key_id, bytes)| Sealed { key_id, bytes }),
            };
            if takes(&code) && !counted {
                count_attempt(&mut tx, job, &code_ref).await?;
            }
            tx.commit().await?;
            Ok(Some(code))
        })
        .await
    }

    /// Looks at checks that wait for their consent: opens, refuses or leaves them.
    pub async fn settle_consents(
        &self,
        which: &Which,
        life: Duration,
        operations: &[&'static OperationSpec],
        decide: impl Fn(&Waiting) -> Verdict,
    ) -> Result<Vec<(&'static OperationSpec, bool)>, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let waiting = load_waiting(&mut tx, which, life, operations).await?;
            let mut settled = Vec::new();
            let mut refused = Vec::new();
            for check in &waiting {
                let mut verdict = decide(check);
                if verdict == Verdict::Opens && !open(&mut tx, check.seq).await? {
                    // Somebody else opened a check with it between our look and now.
                    verdict = Verdict::Waits;
                }
                match verdict {
                    Verdict::Waits => {}
                    Verdict::Opens => settled.push((check.operation, true)),
                    Verdict::Refused { code, summary } => {
                        settled.push((check.operation, false));
                        let (to, guard) = (State::Refused, Guard::Unsent);
                        refused.push(Change {
                            code: Some(code),
                            summary,
                            ..Change::to(to, check.seq, check.operation, guard)
                        });
                    }
                }
            }
            record::record(&mut tx, &refused).await?;
            tx.commit().await?;
            Ok(settled)
        })
        .await
    }
}

async fn count_attempt(tx: Tx<'_>, job: Uuid, code_ref: &str) -> Result<(), Error> {
    sqlx::query(
        "WITH c AS (UPDATE hub.sealed_code SET counted = true WHERE job_id = $1)
         UPDATE hub.sms_code SET attempts_left = attempts_left - 1
          WHERE code_ref = $2 AND attempts_left > 0",
    )
    .bind(job)
    .bind(code_ref)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Locks the checks; whoever is busy with one of them deals with it. They are found by index, however
/// many others wait: those of a verification by `job_live_verification`, then all by number. What else
/// must be true of them is written so that no other index fits ([`WAITS`]). A verification is looked for
/// in the months of history only where it does not live any more.
async fn load_waiting(
    tx: Tx<'_>,
    which: &Which,
    life: Duration,
    operations: &[&'static OperationSpec],
) -> Result<Vec<Waiting>, Error> {
    let statement = format!(
        "SELECT p.seq, p.operation, v.operation AS verified_by, v.state, v.code, v.summary,
                coalesce(v.input ->> 'iin' = p.input ->> 'iin', false) AS same_person,
                coalesce(s.check_operation = p.operation AND s.check_subject = p.subject, false)
                  AS same_check,
                s.used_by IS NOT NULL AS used,
                hub.now() > p.admitted_at + $3 * interval '1 millisecond' AS too_long
           FROM hub.job_live p
           LEFT JOIN hub.job_key k ON k.id = p.verify_job
           LEFT JOIN LATERAL (
             SELECT l.operation, l.state, l.code, l.summary, l.input
               FROM hub.job_live l WHERE l.seq = k.seq
             UNION ALL
             SELECT h.operation, h.state, h.code, h.summary, h.input
               FROM hub.job h WHERE h.seq = k.seq AND h.ended_on < 'infinity'
             LIMIT 1) v ON true
           LEFT JOIN hub.sms_code s ON s.code_ref = v.input ->> 'code_ref'
          WHERE p.seq = ANY(ARRAY(SELECT w.seq FROM hub.job_live w
                              WHERE w.verify_job = ANY($1)) || $2::bigint[]) AND {WAITS}
          ORDER BY p.seq FOR UPDATE OF p SKIP LOCKED",
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(&which.verifications)
        .bind(&which.checks)
        .bind(millis(life))
        .fetch_all(&mut *tx)
        .await?;
    let known = |name: &str| operations.iter().find(|o| o.name == name).copied();
    let mut waiting = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(operation) = known(row.try_get("operation")?) else { continue };
        let state: Option<String> = row.try_get("state")?;
        let verified_by: Option<String> = row.try_get("verified_by")?;
        let verified = match state.as_deref().and_then(State::from_name) {
            None => None,
            Some(state) => Some(Verified {
                is_verification: verified_by.is_some_and(|n| known(&n).is_some_and(verifies)),
                state,
                code: row.try_get("code")?,
                summary: match row.try_get("summary")? {
                    Some(Value::Object(summary)) => summary,
                    _ => Map::new(),
                },
                same_person: row.try_get("same_person")?,
                same_check: row.try_get("same_check")?,
                used: row.try_get("used")?,
            }),
        };
        let (seq, too_long) = (row.try_get("seq")?, row.try_get("too_long")?);
        waiting.push(Waiting { seq, operation, verified, too_long });
    }
    Ok(waiting)
}

/// Opens a check with its code, once: the code is used in the same commit.
async fn open(tx: Tx<'_>, seq: i64) -> Result<bool, Error> {
    let opened = sqlx::query(
        "WITH used AS (
           UPDATE hub.sms_code s SET used_by = p.id, status = 'used'
             FROM hub.job_live p
             JOIN hub.job_key k ON k.id = p.verify_job
             JOIN hub.job v ON v.seq = k.seq
            WHERE p.seq = $1 AND s.code_ref = v.input ->> 'code_ref' AND s.used_by IS NULL
           RETURNING p.seq),
         woken AS (DELETE FROM hub.timer t USING used WHERE t.job_seq = used.seq AND t.kind = 'wake')
         UPDATE hub.job_live j SET state = 'accepted', phase = 'send'
           FROM used WHERE j.seq = used.seq",
    )
    .bind(seq)
    .execute(&mut *tx)
    .await?;
    Ok(opened.rows_affected() == 1)
}
