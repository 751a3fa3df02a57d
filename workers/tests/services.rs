//! Private PostgreSQL and RabbitMQ: they start, last through restarts, and leave nothing behind.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests panic, and say what took how long"
)]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use workers::services::{Options, Services};

/// Names the root folder to a process that plays an owner; see [`plays_an_owner_when_asked`].
const OWNER_ROOT: &str = "HUB_TEST_SERVICES_ROOT";
/// How long processes may take to end, or a condition to come true.
const WAIT_MAX: Duration = Duration::from_secs(20);

fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    // PostgreSQL may run as another account, which has to pass this folder.
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    root
}

fn options(root: &Path) -> Options {
    let say = |sentence: &str| println!("{sentence}");
    Options { root: root.to_path_buf(), install: false, say: Box::new(say), fsync: false }
}

fn greets_by_amqp(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut head = [0; 11];
    stream.write_all(b"AMQP\0\0\x09\x01").is_ok()
        && stream.read_exact(&mut head).is_ok()
        && head[7..] == [0, 10, 0, 10]
}

/// Every living process with its parent and name; zombies have ended.
fn processes() -> HashMap<u32, (u32, String)> {
    let stat = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (head, tail) = stat.rsplit_once(") ")?;
        let mut fields = tail.split(' ');
        let alive = fields.next()? != "Z";
        let parent = fields.next()?.parse().ok()?;
        alive.then(|| (pid, (parent, head.split_once('(').unwrap().1.to_owned())))
    };
    let entries = fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| stat(entry.ok()?.file_name().to_str()?.parse().ok()?)).collect()
}

/// The processes below `pid`, by name.
fn descendants(pid: u32) -> HashMap<u32, String> {
    let all = processes();
    let is_below = |mut at: u32| {
        while let Some((parent, _)) = all.get(&at) {
            if *parent == pid {
                return true;
            }
            at = *parent;
        }
        false
    };
    all.iter().filter(|(at, _)| is_below(**at)).map(|(at, (_, name))| (*at, name.clone())).collect()
}

/// The processes that stand in a folder below `root`.
fn inside(root: &Path) -> Vec<u32> {
    let stands = |pid: &u32| {
        fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder.starts_with(root))
    };
    processes().into_keys().filter(stands).collect()
}

fn assert_soon(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAIT_MAX;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {WAIT_MAX:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The instances' folders; files beside them are locks.
fn folders(root: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}

#[tokio::test]
async fn both_start_and_answer_and_stop_leaves_nothing() {
    let root = root();
    let services = Services::start(&options(root.path())).await.unwrap();
    assert_eq!(services.postgres.query("select 1").await.unwrap(), "1");
    assert_eq!(services.postgres.query("show fsync").await.unwrap(), "off");
    assert!(services.postgres.url().ends_with(&format!(":{}/hub", services.postgres.port())));
    assert!(greets_by_amqp(services.rabbitmq.port()));
    let status = services.rabbitmq.ctl(&["-q", "status"]).await.unwrap();
    assert!(status.contains("Interface: 127.0.0.1") && !status.contains("[::]"), "{status}");
    let started = Instant::now();
    services.stop().await;
    println!("stopped after {:?}", started.elapsed());
    assert_eq!(inside(root.path()), Vec::<u32>::new());
    assert!(folders(root.path()).is_empty());
}

#[tokio::test]
async fn two_live_side_by_side_and_a_drop_ends_only_its_own() {
    let root = root();
    let (a, b) = (options(root.path()), options(root.path()));
    let (a, b) = tokio::try_join!(Services::start(&a), Services::start(&b)).unwrap();
    assert_ne!(a.postgres.port(), b.postgres.port());
    assert_ne!(a.rabbitmq.port(), b.rabbitmq.port());
    drop(a);
    assert_eq!(folders(root.path()).len(), 1);
    assert_eq!(b.postgres.query("select 2").await.unwrap(), "2");
    assert!(greets_by_amqp(b.rabbitmq.port()));
    drop(b);
    assert_eq!(inside(root.path()), Vec::<u32>::new());
}

#[tokio::test]
async fn stop_kill_and_restart_keep_port_and_data() {
    const DECLARE: &str = "rabbit_amqqueue:declare(rabbit_misc:r(<<\"/\">>, queue, <<\"q\">>), \
        true, false, [], none, <<\"test\">>), ok.";
    let root = root();
    let mut services = Services::start(&options(root.path())).await.unwrap();
    let (postgres, rabbitmq) = (&mut services.postgres, &mut services.rabbitmq);
    let ports = (postgres.port(), rabbitmq.port());
    postgres.query("create table kept as select 7 as n").await.unwrap();
    rabbitmq.ctl(&["eval", DECLARE]).await.unwrap();

    let (first, second) = tokio::join!(postgres.restart(), rabbitmq.restart());
    first.unwrap();
    second.unwrap();
    assert_eq!(postgres.query("select n from kept").await.unwrap(), "7");
    assert!(rabbitmq.ctl(&["-q", "list_queues", "name"]).await.unwrap().contains("q\n"));

    tokio::join!(postgres.kill(), rabbitmq.kill());
    let port_mapper_only = |pid: &u32| processes().get(pid).is_some_and(|(_, name)| name == "epmd");
    assert!(inside(root.path()).iter().all(port_mapper_only));
    assert!(postgres.pid().is_none() && rabbitmq.pid().is_none());
    assert!(!greets_by_amqp(ports.1));
    let (first, second) = tokio::join!(postgres.start(), rabbitmq.start());
    first.unwrap();
    second.unwrap();
    assert_eq!(postgres.query("select n from kept").await.unwrap(), "7");
    assert!(rabbitmq.ctl(&["-q", "list_queues", "name"]).await.unwrap().contains("q\n"));
    assert_eq!(ports, (postgres.port(), rabbitmq.port()));
    services.stop().await;
    assert_eq!(inside(root.path()), Vec::<u32>::new());
}

#[tokio::test]
async fn an_owner_killed_by_sigkill_leaves_no_process_and_the_next_start_sweeps() {
    let root = root();
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "plays_an_owner_when_asked", "--nocapture"])
        .env(OWNER_ROOT, root.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "owner is ready"), "the owner ended early");

    let below = descendants(owner.id());
    println!("{below:?}");
    for name in ["postgres", "epmd", "beam.smp", "erl_child_setup", "inet_gethost"] {
        assert!(below.values().any(|found| found == name), "no {name} in {below:?}");
    }
    owner.kill().unwrap();
    owner.wait().unwrap();
    let killed = Instant::now();
    assert_soon("every process of the dead owner is gone", || {
        let alive = processes();
        below.keys().all(|pid| !alive.contains_key(pid)) && inside(root.path()).is_empty()
    });
    println!("gone after {:?}", killed.elapsed());
    let left = folders(root.path());
    assert_eq!(left.len(), 1, "{left:?}");

    let services = Services::start(&options(root.path())).await.unwrap();
    assert!(!left[0].exists());
    services.stop().await;
}

/// Not a test by itself: the process that the test above kills.
#[tokio::test]
async fn plays_an_owner_when_asked() {
    let Some(root) = std::env::var_os(OWNER_ROOT) else { return };
    let _services = Services::start(&options(Path::new(&root))).await.unwrap();
    println!("owner is ready");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_start_sweeps_servers_that_outlived_their_owner() {
    let root = root();
    let services = Services::start(&options(root.path())).await.unwrap();
    let folder = folders(root.path()).remove(0);
    // As after an owner that died between `fork` and `setpriv`: servers in a folder nobody owns.
    fs::remove_file(folder.join("owner")).unwrap();
    let other = Services::start(&options(root.path())).await.unwrap();
    assert!(!folder.exists());
    assert!(services.postgres.pid().is_none() && services.rabbitmq.pid().is_none());
    assert_eq!(other.postgres.query("select 3").await.unwrap(), "3");
    other.stop().await;
}
