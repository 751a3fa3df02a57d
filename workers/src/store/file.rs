//! Files that came with answers, served by unguessable links.
//!
//! *Guarantee*: a file is stored once a job and role, in the commit of the answer that brought it;
//! its link is told only then. The table knows a link's SHA-256 alone. A label opens only while its
//! order is in one of the statuses of D16, and until its link expires.

use std::time::Duration;

use adapters::attempt::Write;
use contracts::{operation::Record, personal::Personal};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Map;
use sqlx::Row;

use super::{Error, Store, Tx, portal, within};
use crate::seal::Sealed;

/// Delivery statuses in which a label may be downloaded (D16).
const LABEL_STATUSES: [&str; 3] = ["track_assigned", "accepted_by_courier", "handed_to_kazpost"];

/// A file on its way to its commit.
#[derive(Debug, Clone)]
pub struct FileRow {
    /// What it is: `label`.
    pub role: &'static str,
    /// For example `application/pdf`.
    pub media_type: &'static str,
    /// The content.
    pub sealed: Sealed,
    /// SHA-256 of the link's last part.
    pub token_hash: Vec<u8>,
    /// The whole link.
    pub link: SecretString,
    /// How long the link works.
    pub life: Duration,
    /// Where the link is told.
    pub record: &'static Record,
}

/// A file with the job that it belongs to.
pub(super) struct New<'a> {
    pub(super) seq: i64,
    pub(super) subject: &'a str,
    pub(super) now: Timestamp,
    pub(super) row: &'a FileRow,
}

/// A file to be served.
#[derive(Debug)]
pub struct Served {
    /// For example `application/pdf`.
    pub media_type: String,
    /// The content.
    pub sealed: Sealed,
}

/// Why a link does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// No such link, or its time is over: the two look the same from outside.
    Unknown,
    /// The order is past the statuses of D16.
    Status,
}

/// Stores files and tells their links, in the caller's commit.
pub(super) async fn insert(tx: Tx<'_>, files: &[New<'_>]) -> Result<(), Error> {
    for New { seq, subject, now, row } in files {
        let expires = *now + row.life;
        let stored = sqlx::query(
            "INSERT INTO hub.file (token_hash, job_seq, role, subject, media_type, key_id, sealed,
               created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, hub.now(), $8::text::timestamptz)
             ON CONFLICT (job_seq, role) DO NOTHING",
        )
        .bind(&row.token_hash)
        .bind(seq)
        .bind(row.role)
        .bind(subject)
        .bind(row.media_type)
        .bind(&row.sealed.key_id)
        .bind(&row.sealed.bytes)
        .bind(expires.to_string())
        .execute(&mut *tx)
        .await?;
        if stored.rows_affected() == 1 {
            let write = link(row, expires);
            portal::write(tx, &[(Some(subject), &write)]).await?;
        }
    }
    Ok(())
}

fn link(row: &FileRow, expires: Timestamp) -> Write {
    let mut values = Map::new();
    let told = [row.link.expose_secret().to_owned(), expires.to_string()];
    for (column, value) in row.record.columns.iter().zip(told) {
        values.insert((*column).to_owned(), value.into());
    }
    Write { record: row.record, values: Personal::new(values) }
}

impl Store {
    /// The file behind a link.
    pub async fn file(&self, token_hash: &[u8]) -> Result<Result<Served, Closed>, Error> {
        within(async {
            let row = sqlx::query(
                "SELECT f.media_type, f.key_id, f.sealed,
                        f.role <> 'label' OR EXISTS (SELECT 1 FROM portal.delivery d
                          WHERE d.subject = f.subject AND d.status_code = ANY($2)) AS open
                   FROM hub.file f WHERE f.token_hash = $1 AND f.expires_at > hub.now()",
            )
            .bind(token_hash)
            .bind(LABEL_STATUSES.as_slice())
            .fetch_optional(&self.pool)
            .await?;
            let Some(row) = row else { return Ok(Err(Closed::Unknown)) };
            if !row.try_get::<bool, _>("open")? {
                return Ok(Err(Closed::Status));
            }
            let sealed = Sealed { key_id: row.try_get("key_id")?, bytes: row.try_get("sealed")? };
            Ok(Ok(Served { media_type: row.try_get("media_type")?, sealed }))
        })
        .await
    }

    /// Forgets files whose links have expired.
    pub async fn forget_files(&self) -> Result<u64, Error> {
        within(async {
            let gone = sqlx::query("DELETE FROM hub.file WHERE expires_at <= hub.now()")
                .execute(&self.pool)
                .await?;
            Ok(gone.rows_affected())
        })
        .await
    }
}
