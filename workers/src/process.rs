//! Processes of this machine: the name that a worker gives itself, and whether whoever has it still lives.
//!
//! *Guarantee*: [`is_gone`] says yes only where this kernel knows: same host name, same boot, same pid
//! namespace, and no process of that number, or one that began at another time. Its sockets are closed then.
//!
//! *Limits*: another machine, another container and a container that was started again cannot be seen;
//! they are not gone, and their lease decides. So is whoever is dead and not yet reaped.

use std::{fs, sync::OnceLock};

use rustix::{
    io::Errno,
    process::{Pid, test_kill_process},
};

use crate::fail_point;

/// This process, as others of its machine can look it up; `None` where the kernel does not tell.
pub fn own() -> Option<&'static str> {
    static OWN: OnceLock<Option<String>> = OnceLock::new();
    let look = || {
        (!fail_point::is_apart()).then_some(())?;
        let pid = std::process::id();
        // A `/proc` of another namespace numbers processes otherwise.
        let seen = fs::read_link("/proc/self").ok()?;
        (seen.to_str()? == pid.to_string()).then_some(())?;
        Some(format!("{} {pid} {}", surroundings()?, start_time(pid)?))
    };
    OWN.get_or_init(look).as_deref()
}

/// Whether the process of this name exists no more. `false` where nobody here can know.
pub fn is_gone(theirs: &str) -> bool {
    let (Some(own), mut parts) = (own(), theirs.rsplitn(3, ' ')) else { return false };
    let (Some(started), Some(pid), Some(around)) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let is_here = own.strip_prefix(around).is_some_and(|rest| rest.starts_with(' '));
    let (Ok(started), Ok(pid), true) = (started.parse::<u64>(), pid.parse::<u32>(), is_here) else {
        return false;
    };
    match (start_time(pid), i32::try_from(pid).ok().and_then(Pid::from_raw)) {
        (Some(other), _) => other != started,
        // Processes of others may be hidden in `/proc`; a signal finds them.
        (None, Some(pid)) => test_kill_process(pid) == Err(Errno::SRCH),
        (None, None) => false,
    }
}

/// Where a pid means something. Machines that were cloned while they ran share a boot, not a name.
fn surroundings() -> Option<String> {
    let kernel = |file: &str| fs::read_to_string(format!("/proc/sys/kernel/{file}")).ok();
    let (host, boot) = (kernel("hostname")?, kernel("random/boot_id")?);
    let space = |file: &str| fs::read_link(format!("/proc/self/ns/{file}")).ok();
    // What started when is told by the reader's own clock.
    let (pids, time) = (space("pid")?, space("time").unwrap_or_default());
    Some(format!("{} {} {} {}", host.trim(), boot.trim(), pids.display(), time.display()))
}

/// When a process started, in clock ticks since boot: with the pid this names it for good.
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command in brackets and may itself hold spaces and brackets.
    let after_command = &stat[stat.rfind(')')? + 1..];
    // Field 22 of the whole is the twentieth after the command.
    after_command.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_time_names_this_process_and_no_dead_one() {
        assert!(start_time(std::process::id()).is_some_and(|ticks| ticks > 0));
        assert_eq!(start_time(u32::MAX), None);
    }

    #[test]
    fn only_who_was_here_and_is_no_more_is_gone() {
        let own = own().expect("Linux tells");
        assert!(!is_gone(own));
        let mut parts = own.rsplitn(3, ' ');
        let (started, pid, around) =
            (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let name = |pid: &str, started: &str| format!("{around} {pid} {started}");
        let of_child = name(&child.id().to_string(), &start_time(child.id()).unwrap().to_string());
        assert!(!is_gone(&of_child), "it lives");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(is_gone(&of_child));
        assert!(is_gone(&name(pid, "1")), "the number is another's by now");
        for elsewhere in [
            of_child.replacen(around, "another-host boot pid:[1]", 1),
            format!("{} {started}", &around[..around.len() - 1]),
            format!("{} {pid} {started}", &around[..around.len() - 1]),
            String::new(),
            "a b c".to_owned(),
            name("0", started),
            name("-1", started),
        ] {
            assert!(!is_gone(&elsewhere), "nobody here can know: {elsewhere}");
        }
    }
}
