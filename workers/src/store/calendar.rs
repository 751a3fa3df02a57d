//! The business calendar in the database, where the admitting statement reads it.
//!
//! *Guarantee*: all processes of one database promise by the same days. Each year stands there with
//! its revision: a process that brings a newer one writes it, a process that brings an older one
//! leaves it and says so, and two different contents of one revision are an error. Years are never
//! removed, so a job that waited over the end of a year finds its days.
//!
//! *What this does not do*: move the instants of jobs that were admitted before a correction.

use std::collections::BTreeMap;

use contracts::operation::{SlaSpec, Span};
use jiff::{Timestamp, civil::Date};
use serde_json::Value;
use sqlx::Row;

use super::{Error, Store, Tx, instant, millis, within};
use crate::policy::calendar::{Calendar, Reason, Year, start_of};

/// What became of the years that were brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Years that were written.
    pub written: Vec<i16>,
    /// Years of which the database has a newer revision than this process: year, there, here.
    pub newer: Vec<(i16, u32, u32)>,
}

impl Loaded {
    /// Says it in the log.
    pub fn tell(&self) {
        if !self.written.is_empty() {
            tracing::info!(years = ?self.written, "years of the business calendar were written");
        }
        for (year, there, here) in &self.newer {
            tracing::warn!(
                year,
                there,
                here,
                "the database has a newer revision of a year of the business calendar; it stays"
            );
        }
    }
}

/// The calendar of this process cannot be reconciled with the database's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// One revision, two contents.
    #[error(
        "calendar: revision {revision} of {year} differs from revision {revision} in the database \
         (first on {day}); raise `revision` in {year}.toml to make this one win, or remove it"
    )]
    Differs {
        /// The year.
        year: i16,
        /// The revision of both.
        revision: u32,
        /// The first day that differs.
        day: Date,
    },
    /// Together they have a gap.
    #[error("calendar: with the years in the database there is a gap; bring the years between")]
    Gap,
}

/// A year as the database has it.
struct Known {
    revision: u32,
    working: Vec<bool>,
}

impl Store {
    /// Brings the years of this process into the database.
    pub async fn load_calendar(
        &self,
        calendar: &Calendar,
    ) -> Result<Result<Loaded, Conflict>, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            // One at a time; who only reads is not held up.
            sqlx::query("LOCK TABLE hub.calendar_year IN SHARE ROW EXCLUSIVE MODE")
                .execute(&mut *tx)
                .await?;
            let known = known_years(&mut tx).await?;
            let loaded = match compare(calendar, &known) {
                Ok(loaded) => loaded,
                Err(conflict) => return Ok(Err(conflict)),
            };
            if loaded.written.is_empty() {
                return Ok(Ok(loaded));
            }
            for year in calendar.years().filter(|year| loaded.written.contains(&year.number)) {
                write_year(&mut tx, year).await?;
            }
            if !number_days(&mut tx).await? {
                return Ok(Err(Conflict::Gap));
            }
            tx.commit().await?;
            Ok(Ok(loaded))
        })
        .await
    }

    /// The end of the last of so many business days after a request, as admission computes it.
    pub async fn business_deadline(
        &self,
        request: Timestamp,
        days: u16,
    ) -> Result<Timestamp, Error> {
        within(async {
            let micros: i64 = sqlx::query_scalar(
                "SELECT (extract(epoch FROM hub.business_deadline(
                   to_timestamp(0) + $1 * interval '1 microsecond', $2)) * 1000000)::bigint",
            )
            .bind(request.as_microsecond())
            .bind(i32::from(days))
            .fetch_one(&self.pool)
            .await?;
            Ok(instant(micros))
        })
        .await
    }
}

/// A promise in the form that the admitting statement takes: each instant in milliseconds, as
/// `deadline_ms`, or in business days, as `deadline_days`.
pub(super) fn spans(sla: &SlaSpec) -> impl Iterator<Item = (String, Value)> {
    let SlaSpec { at_risk, deadline, give_up } = *sla;
    let spans = [("at_risk", at_risk), ("deadline", deadline), ("give_up", give_up)];
    spans.into_iter().map(|(name, span)| match span {
        Span::Plain(time) => (format!("{name}_ms"), millis(time).into()),
        Span::BusinessDays(days) => (format!("{name}_days"), days.into()),
    })
}

/// What loading this calendar would do, without doing it.
pub(super) async fn look(
    connection: Tx<'_>,
    calendar: &Calendar,
) -> Result<Result<Loaded, Conflict>, Error> {
    Ok(compare(calendar, &known_years(connection).await?))
}

fn compare(calendar: &Calendar, known: &BTreeMap<i16, Known>) -> Result<Loaded, Conflict> {
    let mut loaded = Loaded::default();
    for year in calendar.years() {
        let (number, revision) = (year.number, year.revision);
        match known.get(&number) {
            Some(there) if there.revision > revision => {
                loaded.newer.push((number, there.revision, revision));
            }
            Some(there) if there.revision == revision => {
                let mut days = year.days().zip(&there.working);
                let differs = days.find(|((_, here), there)| here.is_working() != **there);
                if let Some(((day, _), _)) = differs {
                    return Err(Conflict::Differs { year: number, revision, day });
                }
            }
            Some(_) | None => loaded.written.push(number),
        }
    }
    Ok(loaded)
}

async fn known_years(tx: Tx<'_>) -> Result<BTreeMap<i16, Known>, Error> {
    let rows = sqlx::query(
        "SELECT y.year, y.revision, array_agg(d.working ORDER BY d.day) AS working
           FROM hub.calendar_year y JOIN hub.calendar_day d ON d.year = y.year GROUP BY y.year",
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut years = BTreeMap::new();
    for row in rows {
        let revision = u32::try_from(row.try_get::<i32, _>("revision")?).unwrap_or(0);
        years.insert(row.try_get("year")?, Known { revision, working: row.try_get("working")? });
    }
    Ok(years)
}

async fn write_year(tx: Tx<'_>, year: &Year) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO hub.calendar_year (year, revision, loaded_at) VALUES ($1, $2, hub.now())
           ON CONFLICT (year) DO UPDATE
             SET revision = excluded.revision, loaded_at = excluded.loaded_at",
    )
    .bind(year.number)
    .bind(i32::try_from(year.revision).unwrap_or(i32::MAX))
    .execute(&mut *tx)
    .await?;
    let days: Vec<(Date, &Reason)> = year.days().collect();
    let at = |day: Date| start_of(day).as_microsecond();
    let starts: Vec<i64> = days.iter().map(|(day, _)| at(*day)).collect();
    let ends = days.iter().map(|(day, _)| at(day.tomorrow().unwrap_or(Date::MAX)));
    let working: Vec<bool> = days.iter().map(|(_, reason)| reason.is_working()).collect();
    sqlx::query(
        "INSERT INTO hub.calendar_day (day, year, starts_at, ends_at, working, reason, number)
         SELECT t.day::date, $2, to_timestamp(0) + t.starts * interval '1 microsecond',
           to_timestamp(0) + t.ends * interval '1 microsecond', t.working, t.reason, 0
           FROM UNNEST($1::text[], $3::bigint[], $4::bigint[], $5::bool[], $6::text[])
             AS t (day, starts, ends, working, reason)
           ON CONFLICT (day) DO UPDATE
             SET working = excluded.working, reason = excluded.reason,
                 starts_at = excluded.starts_at, ends_at = excluded.ends_at",
    )
    .bind(days.iter().map(|(day, _)| day.to_string()).collect::<Vec<_>>())
    .bind(year.number)
    .bind(starts)
    .bind(ends.collect::<Vec<i64>>())
    .bind(working)
    .bind(days.iter().map(|(_, reason)| reason.to_string()).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Counts the working days through all years; `false` where the days have a gap.
async fn number_days(tx: Tx<'_>) -> Result<bool, Error> {
    sqlx::query(
        "UPDATE hub.calendar_day d SET number = n.number
           FROM (SELECT day, count(*) FILTER (WHERE working) OVER (ORDER BY day) AS number
                   FROM hub.calendar_day) n
          WHERE n.day = d.day AND n.number <> d.number",
    )
    .execute(&mut *tx)
    .await?;
    Ok(sqlx::query_scalar("SELECT count(*) = max(day) - min(day) + 1 FROM hub.calendar_day")
        .fetch_one(&mut *tx)
        .await?)
}
