//! What can go wrong while private services start or run, with what to do about it.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;
use std::{fs, io};

use std::io::{Read, Seek, SeekFrom};

/// Lines of a log that an error shows.
const TAIL_LINES_MAX: usize = 20;
/// Bytes read from the end of a log to find those lines.
const TAIL_BYTES_MAX: u64 = 16 * 1024;

/// Why a private service could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something is not on this machine and must not or cannot be installed from here.
    #[error("not found on this machine: {what}. This installs it:\n\n    {command}\n")]
    Missing {
        /// What is missing, for a sentence.
        what: String,
        /// The one command that installs it.
        command: String,
    },
    /// A folder cannot hold instances.
    #[error("the folder {} cannot be used: {reason}. {remedy}", path.display())]
    Folder {
        /// The folder in question.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The file system refused.
    #[error("could not {action} {}", path.display())]
    Io {
        /// A verb: read, create, lock.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// A program could not be started at all.
    #[error("could not start {program}")]
    Spawn {
        /// The program, and what it is started through.
        program: String,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// A program ended with a failure, or ended although it should serve.
    #[error("{what} ended with {status}. {remedy}\nLast lines of {}:\n{tail}", log.display())]
    Failed {
        /// The program, for a sentence.
        what: String,
        /// How it ended.
        status: ExitStatus,
        /// What to do.
        remedy: &'static str,
        /// Its whole log, while the instance lives.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// A deadline passed.
    #[error(
        "{what} was not done after {} s. {remedy}\nLast lines of {}:\n{tail}",
        waited.as_secs(),
        log.display()
    )]
    Late {
        /// What was waited for.
        what: String,
        /// The deadline.
        waited: Duration,
        /// What to do.
        remedy: &'static str,
        /// The log to look into.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// No loopback port was free.
    #[error("no free loopback port after {tries} tries; look at `ss -ltn` for what takes them")]
    NoPort {
        /// Ports tried.
        tries: u32,
    },
}

impl Error {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::Io { action, path, source }
    }

    /// Whether a server found its port taken, so that another port may do.
    pub(super) fn is_port_taken(&self) -> bool {
        match self {
            Error::Failed { tail, .. } => {
                let tail = tail.to_ascii_lowercase();
                ["address already in use", "eaddrinuse", "address in use"]
                    .iter()
                    .any(|sign| tail.contains(sign))
            }
            Error::Missing { .. }
            | Error::Folder { .. }
            | Error::Io { .. }
            | Error::Spawn { .. }
            | Error::Late { .. }
            | Error::NoPort { .. } => false,
        }
    }
}

/// The last lines of a log, indented; a sentence when there are none.
pub(super) fn tail(log: &Path) -> String {
    match read_end(log) {
        Ok(text) if !text.trim().is_empty() => {
            let lines: Vec<&str> = text.lines().collect();
            let first = lines.len().saturating_sub(TAIL_LINES_MAX);
            lines[first..].iter().fold(String::new(), |shown, line| shown + "    " + line + "\n")
        }
        Ok(_) => "    (the log is empty)\n".to_owned(),
        Err(error) => format!("    (the log cannot be read: {error})\n"),
    }
}

fn read_end(log: &Path) -> io::Result<String> {
    let mut file = fs::File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES_MAX)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_shows_the_last_twenty_lines() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let text = (0..100).fold(String::new(), |text, n| format!("{text}line {n}\n"));
        fs::write(&log, text).unwrap();
        let shown = tail(&log);
        assert_eq!(shown.lines().count(), TAIL_LINES_MAX);
        assert!(shown.starts_with("    line 80\n") && shown.ends_with("    line 99\n"));
    }

    #[test]
    fn tail_of_a_missing_log_says_so() {
        assert!(tail(Path::new("/nonexistent/log")).contains("cannot be read"));
    }
}
