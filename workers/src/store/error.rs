//! What can go wrong with the database, in three kinds that lead to three behaviours.

/// A failed call.
#[derive(thiserror::Error)]
pub enum Error {
    /// The driver's or the server's error. Shown without values: they may be personal.
    #[error("{}", describe(.0))]
    Sql(#[source] sqlx::Error),
    /// No answer in time.
    #[error("no answer from the database in time")]
    Timeout,
    /// The schema cannot be brought up to date.
    #[error("migration: {0}")]
    Migrate(String),
}

impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// What a failure means for a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One of the rows is at fault: the batch is halved until the row is found.
    Data,
    /// Another transaction was in the way: again at once.
    Conflict,
    /// The database is not there: wait and try again.
    Unavailable,
}

/// The names of default partitions end so; they hold rows of months that have none of their own.
const OTHER_MONTHS: &str = "_other";

/// Where the business calendar does not reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// The job was requested before its first day.
    Before,
    /// The job's instants are behind its last day.
    Behind,
}

impl Error {
    /// Whether a row needs a day that the calendar lacks (`hub.business_deadline`).
    pub fn outside_calendar(&self) -> Option<Outside> {
        let Self::Sql(sqlx::Error::Database(error)) = self else { return None };
        match error.code().unwrap_or_default().as_ref() {
            "HB001" => Some(Outside::Before),
            "HB002" => Some(Outside::Behind),
            _ => None,
        }
    }

    /// Whether the database is there and did not come to an end in time: fewer rows may help.
    pub fn is_slow(&self) -> bool {
        match self {
            Self::Timeout => true,
            Self::Sql(sqlx::Error::Database(error)) => error.code().as_deref() == Some("57014"),
            Self::Sql(_) | Self::Migrate(_) => false,
        }
    }

    /// One that a row is at fault for.
    #[cfg(test)]
    pub fn of_data() -> Self {
        Self::Sql(sqlx::Error::Decode("a test".into()))
    }

    /// What it means for a batch.
    pub fn kind(&self) -> Kind {
        let Self::Sql(sqlx::Error::Database(error)) = self else {
            return match self {
                Self::Sql(
                    sqlx::Error::Encode(_)
                    | sqlx::Error::Decode(_)
                    | sqlx::Error::ColumnDecode { .. }
                    | sqlx::Error::TypeNotFound { .. },
                ) => Kind::Data,
                Self::Sql(_) | Self::Timeout | Self::Migrate(_) => Kind::Unavailable,
            };
        };
        if self.outside_calendar().is_some() {
            return Kind::Data;
        }
        let code = error.code().unwrap_or_default();
        match code.as_ref() {
            "40001" | "40P01" => Kind::Conflict,
            // The bound of a default partition, which has no name: the row's month was being made.
            "23514"
                if error.constraint().is_none()
                    && error.table().is_some_and(|table| table.ends_with(OTHER_MONTHS)) =>
            {
                Kind::Conflict
            }
            // Class 22: data exception. 23: constraint. 54: program limit (a value too large).
            code if ["22", "23", "54"].iter().any(|class| code.starts_with(class)) => Kind::Data,
            _ => Kind::Unavailable,
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the driver's list of errors is open")]
fn describe(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(database) => format!(
            "database error {} (table {}, constraint {})",
            database.code().unwrap_or_default(),
            database.table().unwrap_or("-"),
            database.constraint().unwrap_or("-"),
        ),
        None => match error {
            sqlx::Error::PoolTimedOut => "no free database connection in time".to_owned(),
            sqlx::Error::Io(io) => format!("database connection: {}", io.kind()),
            other => {
                let text = format!("{other:?}");
                let variant = text.split([' ', '(', '{']).next().unwrap_or_default();
                format!("database driver: {variant}")
            }
        },
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self::Migrate(error.to_string())
    }
}
