//! The folder of one owner's servers: claimed under a lock, swept when its owner is gone.
//!
//! ```text
//! <root>/lock               held while folders are swept or claimed
//! <root>/<pid>-<word>/owner flock held by the owner as long as it lives; "pid start-time"
//! <root>/<pid>-<word>/...   the servers' data, settings and logs
//! ```
//!
//! *Guarantee.* A folder whose owner lives is never swept: its owner file is locked (the kernel
//! unlocks it at the owner's death), and for file systems where locks do not work the pid together
//! with its start time still tells. A folder without an owner file is one whose claimant died.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::account::is_root;
use super::error::Error;
use super::{ports, processes};
use crate::process;

/// How long claims of other processes are waited for; a claim may sweep, which takes its time.
const CLAIM_WAIT_MAX: Duration = Duration::from_mins(1);
/// How often a taken lock is tried again.
const LOCK_POLL: Duration = Duration::from_millis(20);
/// How long left-over servers are waited for after SIGKILL.
pub(super) const KILL_WAIT_MAX: Duration = Duration::from_secs(10);
/// The file that says, and by its lock proves, whose an instance is.
const OWNER_FILE: &str = "owner";

/// A claimed folder; dropping it removes it.
#[derive(Debug)]
pub(super) struct Instance {
    folder: PathBuf,
    name: String,
    /// Locked until it is closed.
    _owner: File,
}

impl Instance {
    /// Sweeps what dead owners left below `root`, then claims a new folder there.
    pub(super) async fn claim(root: &Path, say: &dyn Fn(&str)) -> Result<Instance, Error> {
        prepare(root)?;
        // `canonicalize`, as working folders in /proc are compared with it.
        let root = &root.canonicalize().map_err(Error::io("resolve", root))?;
        let _claiming = lock(&root.join("lock"), CLAIM_WAIT_MAX).await?;
        let swept = sweep(root).await?;
        if swept > 0 {
            say(&format!("Removed {swept} left-over folder(s) of owners that died."));
        }
        create(root)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A name no other instance has.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            let folder = self.folder.display();
            tracing::warn!(%folder, %error, "could not remove the folder of private services");
        }
    }
}

/// `hub-services-<uid>` in the first temporary folder that suits.
pub(super) fn default_root() -> PathBuf {
    let name = format!("hub-services-{}", rustix::process::geteuid().as_raw());
    let temporary = [std::env::temp_dir(), "/tmp".into(), "/var/tmp".into()];
    // Root's own temporary folder may be closed to the account that PostgreSQL runs as.
    let suits = |folder: &&PathBuf| folder.is_dir() && (!is_root() || closed(folder).is_none());
    temporary.iter().find(suits).unwrap_or(&temporary[0]).join(name)
}

/// Opens and locks a file, waiting for other holders. The lock lasts as long as the file.
pub(super) async fn lock(path: &Path, wait_max: Duration) -> Result<File, Error> {
    let deadline = Instant::now() + wait_max;
    let file = open(path)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", path)(error)),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                return Err(Error::Folder {
                    path: path.to_path_buf(),
                    reason: format!("another process has held it for {} s", wait_max.as_secs()),
                    remedy: "`fuser -v` with this path names that process.",
                });
            }
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_POLL).await,
        }
    }
}

fn open(path: &Path) -> Result<File, Error> {
    let open = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
    open.map_err(Error::io("open", path))
}

/// Makes `root`, or refuses one that others could tamper with or PostgreSQL could not reach.
fn prepare(root: &Path) -> Result<(), Error> {
    let refuse = |path: &Path, reason: &str, remedy| {
        Err(Error::Folder { path: path.to_path_buf(), reason: reason.to_owned(), remedy })
    };
    match DirBuilder::new().recursive(true).mode(0o755).create(root) {
        Ok(()) => {}
        // A dangling link or a file: the check below says so.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Error::io("create", root)(error)),
    }
    let found = fs::symlink_metadata(root).map_err(Error::io("look at", root))?;
    if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
        return refuse(root, "it is not a folder of this user", "Choose another or remove it.");
    }
    if found.mode() & 0o022 != 0 {
        return refuse(root, "others may write to it", "Take that right away with chmod go-w.");
    }
    if is_root() {
        let open = fs::Permissions::from_mode(found.mode() | 0o111);
        fs::set_permissions(root, open).map_err(Error::io("open up", root))?;
        if let Some(closed) = closed(root) {
            let remedy = "PostgreSQL cannot run as root: choose a folder all may pass (chmod a+x).";
            return refuse(&closed, "other accounts may not pass it", remedy);
        }
    }
    Ok(())
}

/// The first folder on the way that other accounts may not pass.
fn closed(folder: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    let passable = |path: &&Path| fs::metadata(path).is_ok_and(|found| found.mode() & 0o001 != 0);
    folder.ancestors().find(|path| !passable(path)).map(Path::to_path_buf)
}

/// Ends the servers and removes the folders of dead owners. Returns how many there were.
async fn sweep(root: &Path) -> Result<usize, Error> {
    let mut swept = 0;
    for entry in fs::read_dir(root).map_err(Error::io("read", root))? {
        let folder = entry.map_err(Error::io("read", root))?.path();
        if !folder.is_dir() || has_owner(&folder) {
            continue;
        }
        let servers = folder.clone();
        let ended = move || processes::end_inside(&servers, KILL_WAIT_MAX);
        if !tokio::task::spawn_blocking(ended).await.unwrap_or(false) {
            tracing::warn!(folder = %folder.display(), "left-over servers do not end");
        }
        fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder))?;
        swept += 1;
    }
    Ok(swept)
}

/// Whether the owner of a folder lives. Call with the root's lock held.
fn has_owner(folder: &Path) -> bool {
    let Ok(owner) = File::open(folder.join(OWNER_FILE)) else { return false };
    if matches!(owner.try_lock(), Err(TryLockError::WouldBlock)) {
        return true;
    }
    let text = fs::read_to_string(folder.join(OWNER_FILE)).unwrap_or_default();
    let mut words = text.split_ascii_whitespace();
    let pid = words.next().and_then(|word| word.parse().ok());
    let start_time = words.next().and_then(|word| word.parse::<u64>().ok());
    start_time.is_some() && pid.and_then(process::start_time) == start_time
}

/// Makes a folder and marks it as this process's. Call with the root's lock held.
fn create(root: &Path) -> Result<Instance, Error> {
    let pid = std::process::id();
    // The random part keeps a name from coming back, even if pids do.
    let name = format!("{pid}-{}", ports::random_word::<4>()?);
    let folder = root.join(&name);
    DirBuilder::new().create(&folder).map_err(Error::io("create", &folder))?;
    // Against a strict umask: PostgreSQL may run as another account.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))
        .map_err(Error::io("open up", &folder))?;
    let path = folder.join(OWNER_FILE);
    let mut owner = open(&path)?;
    owner.lock().map_err(Error::io("lock", &path))?;
    let start_time = process::start_time(pid).unwrap_or_default();
    writeln!(owner, "{pid} {start_time}").map_err(Error::io("write", &path))?;
    Ok(Instance { folder, name, _owner: owner })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        root
    }

    #[tokio::test]
    async fn a_claim_sweeps_dead_owners_and_spares_living_ones() {
        let root = root();
        let alive = Instance::claim(root.path(), &|_| ()).await.unwrap();
        for (name, owner) in [("dead", "4194305 17\n"), ("half-written", "41")] {
            fs::create_dir(root.path().join(name)).unwrap();
            fs::write(root.path().join(name).join(OWNER_FILE), owner).unwrap();
        }
        fs::create_dir(root.path().join("unmarked")).unwrap();
        let second = Instance::claim(root.path(), &|_| ()).await.unwrap();
        assert!(alive.folder().is_dir() && second.folder().is_dir());
        assert_ne!(alive.name(), second.name());
        for name in ["dead", "half-written", "unmarked"] {
            assert!(!root.path().join(name).exists(), "{name}");
        }
    }

    #[tokio::test]
    async fn a_dropped_instance_removes_its_folder() {
        let root = root();
        let instance = Instance::claim(root.path(), &|_| ()).await.unwrap();
        let folder = instance.folder().to_path_buf();
        drop(instance);
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn a_folder_others_may_write_to_is_refused() {
        let root = root();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = Instance::claim(root.path(), &|_| ()).await.unwrap_err();
        assert!(error.to_string().contains("others may write"), "{error}");
    }

    #[tokio::test]
    async fn a_held_lock_is_an_error_after_the_deadline() {
        let root = root();
        let path = root.path().join("lock");
        let _held = lock(&path, CLAIM_WAIT_MAX).await.unwrap();
        let error = lock(&path, Duration::from_millis(50)).await.unwrap_err();
        assert!(error.to_string().contains("another process has held it"), "{error}");
    }
}
