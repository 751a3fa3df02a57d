//! Finds the servers' programs: where Debian, Red Hat and Alpine put them, else along `PATH`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// The programs of both servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Programs {
    pub(super) postgres: PostgresPrograms,
    pub(super) rabbitmq: RabbitMqPrograms,
}

/// PostgreSQL's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PostgresPrograms {
    /// Holds `initdb`, `postgres` and `psql`.
    pub(super) bin: PathBuf,
}

/// RabbitMQ's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RabbitMqPrograms {
    /// Holds RabbitMQ's own `rabbitmq-server` and `rabbitmqctl`. Not a distribution's wrapper of
    /// the same name: that one switches the account and the folders.
    pub(super) scripts: PathBuf,
    /// Holds `erl`.
    pub(super) erlang: PathBuf,
    /// The Erlang port mapper.
    pub(super) epmd: PathBuf,
}

/// Where to look.
#[derive(Debug)]
pub(super) struct Search {
    root: PathBuf,
    path: OsString,
}

impl Search {
    /// This machine, along this process's `PATH`.
    pub(super) fn machine() -> Self {
        Self { root: "/".into(), path: std::env::var_os("PATH").unwrap_or_default() }
    }

    /// PostgreSQL's programs, the newest version first.
    pub(super) fn postgres(&self) -> Option<PostgresPrograms> {
        let mut folders = self.versions("usr/lib/postgresql", "", "bin");
        folders.extend(self.versions("usr", "pgsql-", "bin"));
        folders.extend(self.versions("usr/libexec", "postgresql", ""));
        folders.extend(self.path());
        let complete = |folder: &PathBuf| {
            ["initdb", "postgres", "psql"].iter().all(|program| folder.join(program).is_file())
        };
        // PATH may hold links into a folder that holds more.
        folders
            .into_iter()
            .map(|folder| real_folder(&folder, "initdb"))
            .find(complete)
            .map(|bin| PostgresPrograms { bin })
    }

    /// RabbitMQ's programs.
    pub(super) fn rabbitmq(&self) -> Option<RabbitMqPrograms> {
        let mut folders = vec![self.root.join("usr/lib/rabbitmq/bin")];
        folders.extend(self.versions("usr/lib/rabbitmq/lib", "rabbitmq_server-", "sbin"));
        folders.push(self.root.join("opt/rabbitmq/sbin"));
        folders.extend(self.path());
        let complete = |folder: &PathBuf| {
            // The scripts source this file, a wrapper has none beside it.
            ["rabbitmq-server", "rabbitmqctl", "rabbitmq-env"]
                .iter()
                .all(|program| folder.join(program).is_file())
        };
        let scripts = folders
            .into_iter()
            .map(|folder| real_folder(&folder, "rabbitmq-server"))
            .find(complete)?;
        let mut erlang: Vec<PathBuf> = self.path().collect();
        erlang.extend(
            ["usr/bin", "usr/lib/erlang/bin", "usr/lib64/erlang/bin"]
                .map(|folder| self.root.join(folder)),
        );
        let mut mappers = erlang.clone();
        mappers.extend(self.versions("usr/lib/erlang", "erts-", "bin"));
        mappers.extend(self.versions("usr/lib64/erlang", "erts-", "bin"));
        Some(RabbitMqPrograms {
            scripts,
            erlang: erlang.into_iter().find(|folder| folder.join("erl").is_file())?,
            epmd: mappers
                .into_iter()
                .map(|folder| folder.join("epmd"))
                .find(|epmd| epmd.is_file())?,
        })
    }

    /// A program along `PATH`.
    pub(super) fn program(&self, name: &str) -> Option<PathBuf> {
        self.path().map(|folder| folder.join(name)).find(|program| program.is_file())
    }

    fn path(&self) -> impl Iterator<Item = PathBuf> {
        std::env::split_paths(&self.path).filter(|folder| folder.is_absolute())
    }

    /// `<parent>/<prefix><version>/<below>` of every version, the newest first.
    fn versions(&self, parent: &str, prefix: &str, below: &str) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.root.join(parent)) else { return Vec::new() };
        let mut found: Vec<(Vec<u32>, PathBuf)> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name();
                let version = version(name.to_str()?.strip_prefix(prefix)?)?;
                Some((version, entry.path().join(below)))
            })
            .collect();
        found.sort_by(|(a, _), (b, _)| b.cmp(a));
        found.into_iter().map(|(_, folder)| folder).collect()
    }
}

/// The folder that `program` really lies in, where `folder` holds a link to it.
fn real_folder(folder: &Path, program: &str) -> PathBuf {
    let real = folder.join(program).canonicalize().ok();
    real.as_deref().and_then(Path::parent).unwrap_or(folder).to_path_buf()
}

fn version(text: &str) -> Option<Vec<u32>> {
    text.split('.').map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests;
