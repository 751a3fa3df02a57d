//! Finds and ends the servers that work inside an instance's folder.
//!
//! Children of PostgreSQL lead their own sessions and rewrite their command lines, and what an
//! Erlang node starts is not our child either. All of them keep the working folder they were
//! started in, so that folder is what tells them from strangers. A person's shell that stands in
//! the folder is not a server and is left alone.

use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Programs that an instance consists of, by the name of their executable file.
const SERVERS: [&str; 7] =
    ["postgres", "initdb", "beam.smp", "epmd", "erl_child_setup", "inet_gethost", "setpriv"];
/// How often [`end_inside`] looks again.
const POLL: Duration = Duration::from_millis(10);

/// The servers whose working folder is `folder` or lies below it. Zombies do not count.
pub(super) fn inside(folder: &Path) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok().and_then(Pid::from_raw))
        .filter(|pid| is_server_inside(*pid, folder))
        .collect()
}

/// Kills the servers inside `folder` until none is left. Returns whether that was reached.
pub(super) fn end_inside(folder: &Path, wait_max: Duration) -> bool {
    let deadline = Instant::now() + wait_max;
    loop {
        let left = inside(folder);
        if left.is_empty() {
            return true;
        }
        for pid in left {
            signal_if_inside(pid, folder, Signal::KILL);
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(POLL);
    }
}

/// Sends a signal to every server inside `folder`.
pub(super) fn signal_inside(folder: &Path, signal: Signal) {
    for pid in inside(folder) {
        signal_if_inside(pid, folder, signal);
    }
}

fn signal_if_inside(pid: Pid, folder: &Path, signal: Signal) {
    // The pidfd comes first: what is checked is then what is signalled.
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    if is_server_inside(pid, folder)
        && let Err(error) = pidfd_send_signal(&pidfd, signal)
        && error != rustix::io::Errno::SRCH
    {
        tracing::warn!(pid = pid.as_raw_nonzero(), %error, "a server could not be signalled");
    }
}

fn is_server_inside(pid: Pid, folder: &Path) -> bool {
    let link = |name| fs::read_link(format!("/proc/{}/{name}", pid.as_raw_nonzero()));
    let (Ok(cwd), Ok(exe)) = (link("cwd"), link("exe")) else { return false };
    cwd.starts_with(folder) && is_server(&exe)
}

fn is_server(exe: &Path) -> bool {
    let name = exe.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // The kernel marks a program whose file was replaced since, by an upgrade for one.
    SERVERS.contains(&name.strip_suffix(" (deleted)").unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_known_by_their_file_also_after_an_upgrade() {
        assert!(is_server(Path::new("/usr/lib/postgresql/15/bin/postgres")));
        assert!(is_server(Path::new("/usr/lib/postgresql/15/bin/postgres (deleted)")));
        assert!(!is_server(Path::new("/bin/bash")));
    }

    #[test]
    fn a_stranger_in_the_folder_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let shell = super::super::Launch::new("sleep").arg("1000").folder(folder.path());
        let shell = shell.spawn().unwrap();
        let exe = format!("/proc/{}/exe", shell.pid());
        let deadline = Instant::now() + Duration::from_secs(10);
        while fs::read_link(&exe).is_ok_and(|exe| exe.ends_with("setpriv")) {
            assert!(Instant::now() < deadline);
            thread::sleep(POLL);
        }
        assert!(end_inside(folder.path(), Duration::ZERO));
        assert!(shell.exit().is_none());
    }
}
