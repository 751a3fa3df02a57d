//! The disk of PostgreSQL is full: its data lies on a small file system of its own, which a stranger
//! fills to the last byte.
//!
//! *What this does not do*: without the right to mount (root, and a kernel that lets it) there is no
//! disk to fill; [`Disk::mount`] says so. A quota of the database would not be the same: the write-ahead
//! log would go on.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use async_trait::async_trait;

use super::Fault;
use crate::{Error, Outcome, world::World};

/// Room for a fresh cluster, its log, and a few thousand jobs.
const SIZE: &str = "320m";
/// What a stranger writes at once.
static BLOCK: [u8; 64 * 1024] = [0x5A; 64 * 1024];

/// A mounted file system; unmounted when dropped, also while it is in use.
#[derive(Debug)]
pub struct Disk(PathBuf);

impl Disk {
    /// Moves PostgreSQL's data to a small file system of its own. `Err` with the reason where the
    /// machine does not let it; PostgreSQL then runs as before.
    pub async fn mount(world: &mut World) -> Outcome<Result<Self, String>> {
        let sql = "SELECT current_setting('data_directory')";
        let data = PathBuf::from(world.stage.own()?.postgres.query(sql).await?.trim());
        world.stage.own_mut()?.postgres.stop().await;
        let moved = move_to(&data);
        world.stage.own_mut()?.postgres.start().await?;
        Ok(moved.map(|()| Self(data)))
    }

    /// How often the server says in its log that there is no space.
    pub fn refusals(&self) -> usize {
        let log = self.0.with_file_name("postgres.log");
        let text = std::fs::read(log).unwrap_or_default();
        String::from_utf8_lossy(&text).matches("No space left on device").count()
    }

    /// The fault that fills it.
    pub fn full(&self) -> Full {
        Full { file: self.0.join("strangers_file") }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What cannot be unmounted goes with the machine; the folder's sweep leaves it alone.
        drop(run("umount", &["--lazy".as_ref(), self.0.as_os_str()]));
    }
}

/// The disk is full until the end.
#[derive(Debug)]
pub struct Full {
    file: PathBuf,
}

#[async_trait]
impl Fault for Full {
    fn name(&self) -> &'static str {
        "disk_full"
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        let written = fill(&self.file)?;
        world.fault(format_args!("the disk is full: a stranger wrote {written} bytes"));
        Ok(())
    }

    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        world.fault("the stranger's file is removed");
        let told = |error| Error::Told(format!("the stranger's file stays: {error}"));
        std::fs::remove_file(&self.file).map_err(told)?;
        // A log that could not be written ends the server; it starts when somebody starts it.
        Ok(world.stage.own_mut()?.postgres.start().await?)
    }
}

fn fill(path: &Path) -> Outcome<u64> {
    let told = |error| Error::Told(format!("the disk cannot be filled: {error}"));
    let mut file = File::create(path).map_err(told)?;
    let mut written = 0;
    loop {
        match file.write(&BLOCK) {
            Ok(bytes) => written += bytes as u64,
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(written),
            Err(error) => return Err(told(error)),
        }
    }
}

fn move_to(data: &Path) -> Result<(), String> {
    let aside = data.with_extension("aside");
    let told = |error: std::io::Error| format!("{}: {error}", data.display());
    std::fs::rename(data, &aside).map_err(told)?;
    let mounted = std::fs::create_dir(data).map_err(told).and_then(|()| {
        let options = format!("size={SIZE},mode=0700");
        let words = ["-t", "tmpfs", "-o", &options, "tmpfs"].map(AsRef::as_ref);
        run("mount", &[words.as_slice(), &[data.as_os_str()]].concat())
    });
    if let Err(why) = mounted {
        std::fs::remove_dir(data).map_err(told)?;
        std::fs::rename(&aside, data).map_err(told)?;
        return Err(why);
    }
    // With owners and modes, the folder's own too.
    let from = aside.join(".");
    run("cp", &["--archive".as_ref(), from.as_os_str(), data.as_os_str()])
}

fn run(program: &str, arguments: &[&std::ffi::OsStr]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
