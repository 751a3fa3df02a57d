//! Files that the portal stores before it publishes a job that refers to them.

use std::collections::HashMap;

use sqlx::Row;
use uuid::Uuid;

use super::{Error, Store, within};

/// A file of the portal's.
#[derive(Clone)]
pub struct Found {
    /// Its name; may name a person.
    pub name: String,
    /// For example `application/pdf`.
    pub media_type: String,
    /// The content; `None` where it is larger than asked for.
    pub content: Option<Vec<u8>>,
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Found").field("media_type", &self.media_type).finish_non_exhaustive()
    }
}

impl Store {
    /// Stores a file as the portal would; for the demo's portal, with the statement that it is told.
    pub async fn attach(&self, name: &str, bytes: &[u8]) -> Result<Uuid, Error> {
        within(async {
            Ok(sqlx::query_scalar(
                "INSERT INTO portal.attachment (id, name, media_type, bytes)
                 VALUES (gen_random_uuid(), $1, 'application/pdf', $2) RETURNING id",
            )
            .bind(name)
            .bind(bytes)
            .fetch_one(&self.pool)
            .await?)
        })
        .await
    }

    /// The files of these ids; the content of a larger one is not even read.
    pub async fn attachments(
        &self,
        ids: &[Uuid],
        bytes_max: usize,
    ) -> Result<HashMap<Uuid, Found>, Error> {
        within(async {
            let rows = sqlx::query(
                "SELECT id, name, media_type,
                        CASE WHEN octet_length(bytes) <= $2 THEN bytes END AS content
                   FROM portal.attachment WHERE id = ANY($1)",
            )
            .bind(ids)
            .bind(i64::try_from(bytes_max).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await?;
            rows.iter()
                .map(|row| {
                    let found = Found {
                        name: row.try_get("name")?,
                        media_type: row.try_get("media_type")?,
                        content: row.try_get("content")?,
                    };
                    Ok((row.try_get("id")?, found))
                })
                .collect()
        })
        .await
    }
}
