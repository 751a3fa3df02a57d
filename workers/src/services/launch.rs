//! Describes a child process and starts it as one that dies with its owner, see [`super::owned`].

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::account::Account;
use super::error::{Error, tail};
use super::owned::{self, Owned};

/// Where a child's standard output and error go.
#[derive(Debug, Clone)]
pub enum Output {
    /// Nowhere.
    Discard,
    /// To the owner's own output.
    Inherit,
    /// To the end of this file, which is created if need be.
    Log(PathBuf),
}

/// A child process about to be started. Standard input is empty.
#[derive(Debug)]
pub struct Launch {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    env_clean: bool,
    folder: Option<PathBuf>,
    output: Output,
    account: Option<Account>,
    on_owner_death: &'static str,
}

impl Launch {
    /// A child that runs `program`, discards its output and gets SIGKILL if the owner dies.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            env_clean: false,
            folder: None,
            output: Output::Discard,
            account: None,
            on_owner_death: "KILL",
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets one environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Inherits nothing of the owner's environment but `PATH`.
    #[must_use]
    pub fn clean_env(mut self) -> Self {
        self.env_clean = true;
        self
    }

    /// Sets the working folder.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Chooses where output goes.
    #[must_use]
    pub fn output(mut self, output: Output) -> Self {
        self.output = output;
        self
    }

    /// Runs as another account; only root may ask for that.
    #[must_use]
    pub(super) fn account(mut self, account: Option<Account>) -> Self {
        self.account = account;
        self
    }

    /// Chooses the signal the child gets when the owner dies, by its name without `SIG`.
    #[must_use]
    pub fn on_owner_death(mut self, signal: &'static str) -> Self {
        self.on_owner_death = signal;
        self
    }

    /// Starts the child. Blocks for the millisecond that a spawn takes.
    pub fn spawn(self) -> Result<Owned, Error> {
        let program = format!("{} through setpriv (of util-linux)", self.program.display());
        let command = self.command()?;
        owned::spawn(command).map_err(|source| Error::Spawn { program, source })
    }

    /// Starts the child, waits for its end and returns what it wrote, which also stays in `log`.
    pub(super) async fn run(
        self,
        what: &str,
        wait_max: Duration,
        log: &Path,
    ) -> Result<String, Error> {
        let child = self.output(Output::Log(log.to_path_buf())).spawn()?;
        let Ok(status) = tokio::time::timeout(wait_max, child.wait()).await else {
            child.kill().await;
            return Err(Error::Late {
                what: what.to_owned(),
                waited: wait_max,
                remedy: "The machine may be overloaded; try again.",
                log: log.to_path_buf(),
                tail: tail(log),
            });
        };
        if status.success() {
            let bytes = std::fs::read(log).map_err(Error::io("read", log))?;
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
        Err(Error::Failed {
            what: what.to_owned(),
            status,
            remedy: "The lines below say why.",
            log: log.to_path_buf(),
            tail: tail(log),
        })
    }

    fn command(&self) -> Result<Command, Error> {
        let mut command = Command::new("setpriv");
        command.arg(format!("--pdeathsig={}", self.on_owner_death));
        if let Some(account) = &self.account {
            command.args([format!("--reuid={}", account.uid), format!("--regid={}", account.gid)]);
            command.arg("--clear-groups");
        }
        command.arg("--").arg(&self.program).args(&self.args);
        if self.env_clean {
            command.env_clear();
            command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command.stdin(Stdio::null()).process_group(0);
        match &self.output {
            Output::Discard => command.stdout(Stdio::null()).stderr(Stdio::null()),
            Output::Inherit => &mut command,
            Output::Log(path) => {
                let open = || OpenOptions::new().create(true).append(true).open(path);
                let log = open().map_err(Error::io("open", path))?;
                let same = log.try_clone().map_err(Error::io("open", path))?;
                command.stdout(log).stderr(same)
            }
        };
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT_MAX: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn run_returns_what_was_written_or_an_error_that_shows_it() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let good = Launch::new("echo").arg("words").run("echo", WAIT_MAX, &log).await.unwrap();
        assert_eq!(good, "words\n");
        let bad = Launch::new("sh").args(["-c", "echo reason; exit 3"]);
        let error = bad.run("the script", WAIT_MAX, &log).await.unwrap_err().to_string();
        assert!(error.contains("the script") && error.contains("    reason\n"), "{error}");
    }
}
