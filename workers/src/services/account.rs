//! Whom a server runs as: PostgreSQL refuses root, so root hands it to an unprivileged account.

use std::fs;
use std::path::Path;

use super::error::Error;

/// Accounts that may own PostgreSQL's data, the fitting one first.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// A user and its main group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Account {
    /// The account to hand PostgreSQL to: `None` if this process may run it itself.
    pub(super) fn for_postgres() -> Result<Option<Account>, Error> {
        if !is_root() {
            return Ok(None);
        }
        let path = Path::new("/etc/passwd");
        let passwd = fs::read_to_string(path).map_err(Error::io("read", path))?;
        let found = UNPRIVILEGED.iter().find_map(|name| lookup(&passwd, name));
        found.map(Some).ok_or_else(|| Error::Missing {
            what: "an unprivileged account, postgres or nobody".to_owned(),
            command: "useradd --system postgres".to_owned(),
        })
    }
}

/// Whether this process is root.
pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn lookup(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookup_reads_user_and_group() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\npostgres:x:101:104:PG:/var/lib:/bin/sh\n";
        assert_eq!(lookup(passwd, "postgres"), Some(Account { uid: 101, gid: 104 }));
        assert_eq!(lookup(passwd, "post"), None);
        assert_eq!(lookup("postgres:x:bad:1:", "postgres"), None);
    }
}
