//! Installs missing servers and tools on Debian and Ubuntu without starting the packages' own ones.
//!
//! *Guarantee.* Nothing is installed unless [`Options::install`] says so and this process is root.
//! While packages are unpacked, a temporary `policy-rc.d` keeps their servers from starting (one
//! that the machine already has stays as it is), and a temporary setting keeps PostgreSQL's
//! package from making a default cluster. Both go afterwards. Concurrent processes install once.
//!
//! *Limits.* The packages' servers stay enabled and would start with the machine. An owner killed
//! amid an installation leaves `apt-get` to finish, since a half-configured package is worse than
//! an orphan, and leaves the two temporary files; they carry a mark, and the next start of root
//! removes them.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::Options;
use super::account::is_root;
use super::error::{Error, tail};
use super::instance;
use super::programs::{Programs, Search};

/// How long one call of `apt-get` may take.
const APT_WAIT_MAX: Duration = Duration::from_mins(15);
/// How long another process that installs is waited for.
const LOCK_WAIT_MAX: Duration = Duration::from_mins(20);
/// Where processes that install wait for each other; only root may write there.
const LOCK: &str = "/run/hub-services-install.lock";
/// The mark of files that are ours to remove.
const MARK: &str = "# Temporary: private services are being installed.";

/// Finds the servers' programs, and installs what is missing if that is allowed and possible.
pub(super) async fn programs(opts: &Options) -> Result<Programs, Error> {
    let found = find(&Search::machine());
    let found = match found {
        Err(_) if opts.install && is_root() && family() == Family::Debian => {
            let _installing = instance::lock(Path::new(LOCK), LOCK_WAIT_MAX).await?;
            // Another process may have done it in the meantime.
            match find(&Search::machine()) {
                Ok(programs) => return Ok(programs),
                Err(missing) => {
                    let packages = Family::Debian.packages(&missing);
                    install(&missing.names.join(" and "), &packages, &opts.say).await?;
                }
            }
            find(&Search::machine())
        }
        found => found,
    };
    if is_root() {
        remove_left_overs(Path::new("/"));
    }
    found.map_err(|missing| Error::Missing {
        what: missing.names.join(" and "),
        command: family().command(&missing),
    })
}

/// Finds a program along `PATH`, and installs its Debian package if that is allowed and possible.
pub async fn program(opts: &Options, name: &str, package: &'static str) -> Result<PathBuf, Error> {
    let found = || Search::machine().program(name);
    if found().is_none() && opts.install && is_root() && family() == Family::Debian {
        let _installing = instance::lock(Path::new(LOCK), LOCK_WAIT_MAX).await?;
        // Another process may have done it in the meantime.
        if found().is_none() {
            install(name, &[package], &opts.say).await?;
        }
    }
    found().ok_or_else(|| Error::Missing {
        what: name.to_owned(),
        command: family().install_command(&[package]),
    })
}

/// What is not there, by the names that people and packages use.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Missing {
    names: Vec<&'static str>,
    postgres: bool,
    rabbitmq: bool,
}

fn find(search: &Search) -> Result<Programs, Missing> {
    match (search.postgres(), search.rabbitmq()) {
        (Some(postgres), Some(rabbitmq)) => Ok(Programs { postgres, rabbitmq }),
        (postgres, rabbitmq) => {
            let (postgres, rabbitmq) = (postgres.is_none(), rabbitmq.is_none());
            let names = [(postgres, "PostgreSQL"), (rabbitmq, "RabbitMQ")];
            let names = names.iter().filter(|(missing, _)| *missing).map(|(_, name)| *name);
            Err(Missing { names: names.collect(), postgres, rabbitmq })
        }
    }
}

/// Kinds of machines by how they install packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Debian,
    RedHat,
    Alpine,
    Other,
}

fn family() -> Family {
    family_of(&fs::read_to_string("/etc/os-release").unwrap_or_default())
}

fn family_of(os_release: &str) -> Family {
    let values = os_release
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")));
    let mut words = values.flat_map(|value| value.trim_matches(['"', '\'']).split(' '));
    let known = |word| match word {
        "debian" | "ubuntu" => Some(Family::Debian),
        "fedora" | "rhel" | "centos" => Some(Family::RedHat),
        "alpine" => Some(Family::Alpine),
        _ => None,
    };
    words.find_map(known).unwrap_or(Family::Other)
}

impl Family {
    fn packages(self, missing: &Missing) -> Vec<&'static str> {
        let (postgres, setpriv) = match self {
            Family::RedHat => ("postgresql-server", None),
            // BusyBox's own setpriv knows no parent-death signal.
            Family::Alpine => ("postgresql", Some("setpriv")),
            Family::Debian | Family::Other => ("postgresql", None),
        };
        let rabbitmq = missing.rabbitmq.then_some("rabbitmq-server");
        missing.postgres.then_some(postgres).into_iter().chain(rabbitmq).chain(setpriv).collect()
    }

    fn command(self, missing: &Missing) -> String {
        self.install_command(&self.packages(missing))
    }

    fn install_command(self, packages: &[&str]) -> String {
        let sudo = if is_root() { "" } else { "sudo " };
        let packages = packages.join(" ");
        match self {
            Family::Debian => {
                format!("{sudo}apt-get install --no-install-recommends {packages}")
            }
            Family::RedHat => format!("{sudo}dnf install {packages}"),
            Family::Alpine => format!("{sudo}apk add {packages}"),
            Family::Other => format!("your system's package manager, with: {packages}"),
        }
    }
}

async fn install(
    names: &str,
    packages: &[&'static str],
    say: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), Error> {
    let root = Path::new("/");
    let log = std::env::temp_dir().join(format!("hub-services-install-{}.log", std::process::id()));
    let joined = packages.join(" ");
    say(&format!(
        "{names} not found: installing {joined} with apt-get. This takes a minute or two; log: {}",
        log.display()
    ));
    remove_left_overs(root);
    let _policy = Temporary::policy(root)?;
    let _cluster = Temporary::cluster(root)?;
    apt(&["update"], &log).await?;
    let mut args = vec!["install", "--yes", "--no-install-recommends"];
    args.extend(packages);
    apt(&args, &log).await?;
    say(&format!(
        "Installed {joined}. The packages' own servers were not started, but are enabled: \
         `systemctl disable {joined}` keeps them from starting with the machine."
    ));
    fs::remove_file(&log).map_err(Error::io("remove", &log))
}

async fn apt(args: &[&str], log: &Path) -> Result<(), Error> {
    let open = OpenOptions::new().create(true).append(true).open(log);
    let output = open.map_err(Error::io("open", log))?;
    let errors = output.try_clone().map_err(Error::io("open", log))?;
    let what = format!("apt-get {}", args.join(" "));
    let spawn_error = |source| Error::Spawn { program: "apt-get".to_owned(), source };
    // Neither owned nor in the terminal's process group: see the limits above.
    let mut child = Command::new("apt-get")
        // Waits for another dpkg, and keeps settings the machine's owner has changed.
        .args(["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confold"])
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(spawn_error)?;
    let remedy = "Is the network reachable? The lines below say why.";
    match tokio::time::timeout(APT_WAIT_MAX, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => {
            Err(Error::Failed { what, status, remedy, log: log.to_path_buf(), tail: tail(log) })
        }
        Ok(Err(source)) => Err(spawn_error(source)),
        Err(_) => Err(Error::Late {
            what,
            waited: APT_WAIT_MAX,
            remedy,
            log: log.to_path_buf(),
            tail: tail(log),
        }),
    }
}

/// A marked file of ours in the system's folders; dropping it removes it.
#[derive(Debug)]
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    /// Keeps packages from starting servers. `None` where the machine has a policy of its own.
    fn policy(root: &Path) -> Result<Option<Temporary>, Error> {
        let path = policy_path(root);
        if path.exists() {
            return Ok(None);
        }
        // 101 says: forbidden by policy.
        Self::write(path, &format!("#!/bin/sh\n{MARK}\nexit 101\n"), 0o755).map(Some)
    }

    /// Keeps PostgreSQL's package from making a default cluster. The folder is one that the
    /// package's own settings include; it does not belong to the package, so nothing conflicts.
    fn cluster(root: &Path) -> Result<Temporary, Error> {
        let path = cluster_path(root);
        let folder = path.parent().unwrap_or(root);
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        Self::write(path, &format!("{MARK}\ncreate_main_cluster = false\n"), 0o644)
    }

    fn write(path: PathBuf, text: &str, mode: u32) -> Result<Temporary, Error> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(Error::io("write", &path))?;
        Ok(Temporary { path })
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        remove_marked(&self.path);
    }
}

fn policy_path(root: &Path) -> PathBuf {
    root.join("usr/sbin/policy-rc.d")
}

fn cluster_path(root: &Path) -> PathBuf {
    root.join("etc/postgresql-common/createcluster.d/hub-services.conf")
}

/// Removes what an owner that died amid an installation left.
fn remove_left_overs(root: &Path) {
    remove_marked(&policy_path(root));
    remove_marked(&cluster_path(root));
}

/// Removes a file only if it carries our mark, so that the machine's own files are safe.
fn remove_marked(path: &Path) {
    if !fs::read_to_string(path).is_ok_and(|text| text.contains(MARK)) {
        return;
    }
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "could not remove a temporary file");
    }
    // The folder for settings goes with it if it was made for it: only then it is empty.
    if path.extension() == Some(OsStr::new("conf"))
        && let Some(Err(error)) = path.parent().map(fs::remove_dir)
    {
        tracing::debug!(%error, "kept the folder of a temporary file");
    }
}

#[cfg(test)]
mod tests;
