//! The promise moves: the portal's row and subscribers are told in the commit that moves it.

use contracts::{
    event::EventData,
    operation::OperationSpec,
    state::{Sla, State},
};
use serde_json::Map;
use sqlx::{Row, postgres::PgRow};
use std::collections::HashMap;

use super::{Error, NOW_MICROS, Tx, instant, outbox, portal, record::sla_event, trace_of};

/// Moves the positions of these jobs to where business time is, and arms the next point.
/// Returns what moved, by operation: from, to.
pub(super) async fn advance(
    tx: Tx<'_>,
    seqs: &[i64],
    operations: &HashMap<&'static str, &'static OperationSpec>,
) -> Result<Vec<(&'static str, Sla, Sla)>, Error> {
    if seqs.is_empty() {
        return Ok(Vec::new());
    }
    let rows = advance_jobs(tx, seqs, operations).await?;
    let mut events = Vec::with_capacity(rows.len());
    let mut changes = Vec::with_capacity(rows.len());
    let mut moved = Vec::with_capacity(rows.len());
    for row in rows {
        let text = |column: &str| row.try_get::<String, _>(column);
        let Some(operation) = operations.get(text("operation")?.as_str()).copied() else {
            continue;
        };
        let seq: i64 = row.try_get("seq")?;
        let sla = Sla::from_name(&text("sla")?).unwrap_or(Sla::Breached);
        let before = Sla::from_name(&text("sla_before")?).unwrap_or(sla);
        let state = State::from_name(&text("state")?).unwrap_or(State::Accepted);
        let subject: Option<String> = row.try_get("subject")?;
        let id = row.try_get("id")?;
        let data = EventData {
            job_id: id,
            subject: subject.clone(),
            state,
            sla,
            sequence: i64::from(row.try_get::<i32, _>("events")?),
            summary: Map::new(),
            errors: Vec::new(),
        };
        let now = instant(row.try_get("now")?);
        let callback: Option<String> = row.try_get("callback_url")?;
        let trace = trace_of(&row)?;
        let (name, operates) = (sla_event(sla), Some(operation));
        let event = outbox::Row::event(seq, name, operates, now, data, trace.as_ref());
        events.push(event.also_to(callback.as_ref()));
        moved.push((operation.name, before, sla));
        changes.extend(operation.portal.as_ref().and_then(|table| {
            Some(portal::Change {
                table,
                key: portal::key_of(table, id, subject.as_ref())?,
                seq,
                status: if state == State::Calling { "accepted" } else { state.name() },
                sla: sla.name(),
                completed_at: None,
                late: false,
                values: None,
                rows: None,
            })
        }));
    }
    portal::change(tx, changes).await?;
    outbox::insert(tx, &events).await?;
    next_point(tx, seqs).await?;
    Ok(moved)
}

async fn advance_jobs(
    tx: Tx<'_>,
    seqs: &[i64],
    operations: &HashMap<&'static str, &'static OperationSpec>,
) -> Result<Vec<PgRow>, Error> {
    let news = format!("ARRAY[{}]", outbox::entry("j.events + 1", "n.event", "n.now"));
    let statement = format!(
        "UPDATE hub.job_live j SET sla = n.sla, events = j.events + 1, event = n.event, told = {told}
           FROM (SELECT o.seq, o.sla AS sla_before, p.sla, c.now, CASE p.sla WHEN 'breached' THEN 'sla_breached'
                                                ELSE 'sla_at_risk' END AS event
                   FROM hub.job_live o CROSS JOIN (SELECT hub.now() AS now) c
                  CROSS JOIN LATERAL (SELECT CASE WHEN c.now >= o.deadline_at THEN 'breached'
                    WHEN c.now >= o.at_risk_at THEN 'at_risk' ELSE 'on_time' END AS sla) p
                  WHERE o.seq = ANY($1) AND o.operation = ANY($2) AND o.sla <> p.sla
                  ORDER BY o.seq) n
          WHERE j.seq = n.seq
         RETURNING j.seq, j.id, j.operation, j.subject, j.state, j.sla, n.sla_before, j.events,
                   j.callback_url, j.traceparent, j.tracestate, {NOW_MICROS} AS now",
        told = outbox::kept(&news),
    );
    // What this build does not know it could not tell of either: another one moves it.
    let known: Vec<&str> = operations.keys().copied().collect();
    Ok(sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(seqs)
        .bind(known)
        .fetch_all(&mut *tx)
        .await?)
}

async fn next_point(tx: Tx<'_>, seqs: &[i64]) -> Result<(), Error> {
    sqlx::query(
        "WITH past AS (
           DELETE FROM hub.timer t USING hub.job_live j
            WHERE t.job_seq = ANY($1) AND t.kind = 'sla' AND j.seq = t.job_seq
              AND j.sla = 'breached')
         UPDATE hub.timer t SET due_at = j.deadline_at FROM hub.job_live j
          WHERE t.job_seq = ANY($1) AND t.kind = 'sla' AND j.seq = t.job_seq
            AND j.sla <> 'breached'",
    )
    .bind(seqs)
    .execute(&mut *tx)
    .await?;
    Ok(())
}
