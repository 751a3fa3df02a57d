//! A private RabbitMQ: a node, alone or in a cluster, and the Erlang port mapper (`epmd`) that it
//! registers with.
//!
//! *States.* `running ⇄ down` by [`RabbitMq::start`], [`RabbitMq::stop`] and [`RabbitMq::kill`];
//! the data, the ports and the node's name stay the same until the value is dropped. The port
//! mapper outlives the node's restarts.
//!
//! *Guarantee.* When `stop` or `kill` returns, no process of the node is left. Node and port
//! mapper listen on 127.0.0.1 only, and know neither the machine's own node nor its port mapper.
//! The nodes of a cluster share the port mapper of the first.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;

use super::cluster::{Cluster, Member, Neighbours};
use super::error::Error;
use super::instance::{Instance, KILL_WAIT_MAX};
use super::launch::{Launch, Output};
use super::owned::Owned;
use super::programs::RabbitMqPrograms;
use super::ready::{self, Probe};
use super::{ports, processes};

/// How long a start may take; recovery after a kill is part of it.
const START_WAIT_MAX: Duration = Duration::from_secs(90);
/// How long the port mapper may take to listen.
const EPMD_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long an orderly stop may take before it becomes a kill.
const STOP_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long one call of `rabbitmqctl` may take.
const CTL_WAIT_MAX: Duration = Duration::from_mins(1);
/// Sets of ports tried when others are faster to take them.
const PORT_TRIES_MAX: u32 = 5;
/// The net tick of a cluster's nodes; Erlang's own is 60 s.
const NET_TICK_S: u32 = 8;
/// Calls of `rabbitmqctl` that find a port to listen on at the same time.
const CTL_PORTS: u16 = 20;

/// A RabbitMQ of this process; dropping it kills it.
#[derive(Debug)]
pub struct RabbitMq {
    ports: Ports,
    url: String,
    node_name: String,
    programs: RabbitMqPrograms,
    folder: PathBuf,
    node: Option<Owned>,
    /// Of the first node of a cluster only.
    epmd: Option<Owned>,
    cookie: String,
    /// The names of all nodes, where there are several.
    cluster: Vec<String>,
    /// Its place among them.
    place: usize,
    /// Last, as it removes the folder when nobody uses it any more.
    _instance: Arc<Instance>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Ports {
    amqp: u16,
    /// Erlang's own protocol, which `rabbitmqctl` speaks.
    distribution: u16,
    epmd: u16,
    /// The port mapper that the node asks for the others; `rabbitmqctl` asks the real one.
    asked: u16,
    /// The first of those that `rabbitmqctl` itself listens on.
    ctl: u16,
}

impl RabbitMq {
    /// Starts nodes without data: the first, then those that join it.
    pub(super) async fn create(
        programs: &RabbitMqPrograms,
        instance: &Arc<Instance>,
        cluster: &Cluster,
    ) -> Result<Vec<RabbitMq>, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let mut nodes = Self::plan(programs, instance, cluster)?;
            match Self::start_all(&mut nodes, cluster).await {
                Err(error) if error.is_port_taken() && tries < PORT_TRIES_MAX => {
                    for node in &mut nodes {
                        node.discard().await;
                        fs::remove_dir_all(&node.folder)
                            .map_err(Error::io("remove", &node.folder))?;
                    }
                }
                Err(error) => return Err(error),
                Ok(()) => return Ok(nodes),
            }
        }
    }

    /// Names, ports and folders of all nodes.
    fn plan(
        programs: &RabbitMqPrograms,
        instance: &Arc<Instance>,
        cluster: &Cluster,
    ) -> Result<Vec<RabbitMq>, Error> {
        let count = cluster.nodes.max(1);
        let numbered = |word: &str, place: usize| match place {
            0 => word.to_owned(),
            _ => format!("{word}-{}", place + 1),
        };
        let name =
            |place| format!("{}@localhost", numbered(&format!("hub-{}", instance.name()), place));
        let names: Vec<String> = (0..count).map(name).collect();
        let cookie = ports::random_word::<16>()?;
        let mut nodes: Vec<RabbitMq> = Vec::with_capacity(count);
        for (place, node_name) in names.iter().enumerate() {
            let [amqp, distribution, own_epmd, ctl] = ports::free()?;
            let epmd = nodes.first().map_or(own_epmd, |first| first.ports.epmd);
            let node = RabbitMq {
                ports: Ports { amqp, distribution, epmd, asked: epmd, ctl },
                url: format!("amqp://guest:guest@127.0.0.1:{amqp}/%2f"),
                node_name: node_name.clone(),
                programs: programs.clone(),
                folder: instance.folder().join(numbered("rabbitmq", place)),
                node: None,
                epmd: None,
                cookie: cookie.clone(),
                cluster: if count > 1 { names.clone() } else { Vec::new() },
                place,
                _instance: Arc::clone(instance),
            };
            node.prepare()?;
            nodes.push(node);
        }
        Ok(nodes)
    }

    async fn start_all(nodes: &mut [RabbitMq], cluster: &Cluster) -> Result<(), Error> {
        let members = nodes.iter().map(|node| Member {
            name: node.node_name.split('@').next().unwrap_or_default().to_owned(),
            distribution: node.ports.distribution,
        });
        let members = members.collect();
        let Some((first, others)) = nodes.split_first_mut() else { return Ok(()) };
        first.start_epmd().await?;
        if let Some(wiring) = &cluster.wiring {
            let asked = wiring(&Neighbours { mapper: first.ports.epmd, members });
            let program = "the lines between the nodes".to_owned();
            let asked = asked.map_err(|source| Error::Spawn { program, source })?;
            let nodes = std::iter::once(&mut *first).chain(others.iter_mut());
            for (node, port) in nodes.zip(asked) {
                node.ports.asked = port;
            }
        }
        // A node that finds nobody begins a cluster of its own, so the first goes first.
        first.start().await?;
        futures_util::future::try_join_all(others.iter_mut().map(RabbitMq::start)).await?;
        Ok(())
    }

    /// The address of the default virtual host, as an `amqp://` URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The node's name, as `rabbitmqctl` tells it.
    pub fn node_name(&self) -> &str {
        &self.node_name
    }

    /// The AMQP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.ports.amqp
    }

    /// The process id of the node, while it runs.
    pub fn pid(&self) -> Option<u32> {
        running(self.node.as_ref())
    }

    /// Runs `rabbitmqctl` against this node and returns what it writes.
    pub async fn ctl(&self, args: &[&str]) -> Result<String, Error> {
        // A log a call, as calls may overlap; the folder goes with the instance.
        let log = self.folder.join(format!("ctl-{}.log", ports::random_word::<4>()?));
        let what = format!("rabbitmqctl {}", args.join(" "));
        let call = self.launch("rabbitmqctl").args(args);
        let output = call.run(&what, CTL_WAIT_MAX, &log).await?;
        fs::remove_file(&log).map_err(Error::io("remove", &log))?;
        Ok(output)
    }

    /// Turns on the node's own metrics until its next start, and returns their port on 127.0.0.1.
    pub async fn show_metrics(&self) -> Result<u16, Error> {
        let [port] = ports::free()?;
        let turn_on = format!(
            "application:set_env(rabbitmq_prometheus, tcp_config, \
               [{{ip, \"127.0.0.1\"}}, {{port, {port}}}]), \
             {{ok, File}} = application:get_env(rabbit, enabled_plugins_file), \
             ok = file:write_file(File, \"[rabbitmq_prometheus].\\n\"), \
             {{ok, _, _}} = rabbit_plugins:ensure(File), ok = file:write_file(File, \"[].\\n\")."
        );
        self.ctl(&["eval", &turn_on]).await?;
        Ok(port)
    }

    /// Starts the node with the same data on the same ports, and waits until it answers. Does
    /// nothing if it runs.
    pub async fn start(&mut self) -> Result<(), Error> {
        if self.pid().is_some() {
            return Ok(());
        }
        if self.place == 0 {
            self.start_epmd().await?;
        }
        let log = self.folder.join("node.log");
        let mapper = ("ERL_EPMD_PORT", self.ports.asked.to_string());
        let node = self.launch("rabbitmq-server").env(mapper.0, mapper.1);
        let node = node.output(Output::Log(log.clone())).spawn()?;
        let node = self.node.insert(node);
        let probe = (Probe::Amqp, self.ports.amqp);
        ready::wait(node, ("RabbitMQ", &log), probe, START_WAIT_MAX).await
    }

    /// Stops the node in order. Does nothing if it is down.
    pub async fn stop(&mut self) {
        self.end(Signal::TERM).await;
    }

    /// Kills the node with SIGKILL, as a crash would.
    pub async fn kill(&mut self) {
        self.end(Signal::KILL).await;
    }

    /// Stops the node in order and starts it again.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.stop().await;
        self.start().await
    }

    /// Ends node and port mapper fast, without caring for the data.
    pub(super) async fn discard(&mut self) {
        self.kill().await;
        if let Some(epmd) = self.epmd.take() {
            epmd.kill().await;
        }
    }

    async fn end(&mut self, signal: Signal) {
        if let Some(node) = self.node.take() {
            node.stop_by(signal, STOP_WAIT_MAX).await;
        }
        let folder = self.node_folder();
        let ended = move || processes::end_inside(&folder, KILL_WAIT_MAX);
        if !tokio::task::spawn_blocking(ended).await.unwrap_or(false) {
            tracing::warn!(folder = %self.folder.display(), "RabbitMQ's processes do not end");
        }
    }

    /// Starts the port mapper in the foreground. The one that Erlang starts by itself would be a
    /// daemon that stays behind.
    async fn start_epmd(&mut self) -> Result<(), Error> {
        if running(self.epmd.as_ref()).is_some() {
            return Ok(());
        }
        let log = self.folder.join("epmd.log");
        let epmd = Launch::new(&self.programs.epmd)
            .clean_env()
            .args(["-address", "127.0.0.1", "-port"])
            .arg(self.ports.epmd.to_string())
            .folder(self.folder.join("epmd"))
            .output(Output::Log(log.clone()))
            .spawn()?;
        let epmd = self.epmd.insert(epmd);
        let probe = (Probe::Tcp, self.ports.epmd);
        ready::wait(epmd, ("Erlang's port mapper", &log), probe, EPMD_WAIT_MAX).await
    }

    fn prepare(&self) -> Result<(), Error> {
        for folder in [&self.folder, &self.node_folder(), &self.folder.join("epmd")] {
            fs::create_dir(folder).map_err(Error::io("create", folder))?;
        }
        let write = |name: &str, mode: u32, text: &str| {
            let path = self.folder.join(name);
            let open = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
            open.and_then(|mut file| file.write_all(text.as_bytes()))
                .map_err(Error::io("write", &path))
        };
        write("rabbitmq.conf", 0o644, &settings(self.ports.amqp, &self.cluster))?;
        write("rabbitmq-env.conf", 0o644, "")?;
        write("enabled_plugins", 0o644, "[].\n")?;
        // Erlang refuses a cookie that others may read.
        write(".erlang.cookie", 0o400, &self.cookie)
    }

    fn launch(&self, script: &str) -> Launch {
        let launch = Launch::new(self.programs.scripts.join(script)).clean_env();
        let environment = environment(&self.folder, &self.node_name, self.ports);
        environment
            .into_iter()
            .fold(launch, |launch, (name, value)| launch.env(name, value))
            .env("PATH", self.path())
            // Also what `processes` knows the node's processes by.
            .folder(self.node_folder())
    }

    /// The search path with Erlang's folder in front.
    fn path(&self) -> OsString {
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let mut path = self.programs.erlang.clone().into_os_string();
        path.push(":");
        path.push(inherited);
        path
    }

    fn node_folder(&self) -> PathBuf {
        self.folder.join("node")
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        let any = self.node.is_some() || self.epmd.is_some();
        // Dropping an owned process kills and reaps it.
        drop(self.node.take());
        drop(self.epmd.take());
        if any {
            processes::end_inside(&self.folder, KILL_WAIT_MAX);
        }
    }
}

fn running(process: Option<&Owned>) -> Option<u32> {
    process.filter(|process| process.exit().is_none()).map(Owned::pid)
}

fn settings(amqp_port: u16, cluster: &[String]) -> String {
    let mut settings = format!(
        "listeners.tcp.1 = 127.0.0.1:{amqp_port}
# Also what protects the machine: publishers are slowed down beyond these.
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 200MB
# The log of quorum queues starts a new file at this size, and keeps as much in memory.
raft.wal_max_size_bytes = 67108864
log.file = false
log.console = true
log.console.level = info
"
    );
    if !cluster.is_empty() {
        settings.push_str("cluster_partition_handling = pause_minority\n");
        settings.push_str("cluster_formation.peer_discovery_backend = classic_config\n");
        // The leaders of the queues are dealt out, whoever declares them.
        settings.push_str("queue_leader_locator = balanced\n");
    }
    for (place, name) in cluster.iter().enumerate() {
        let number = place + 1;
        settings.push_str(&format!("cluster_formation.classic_config.nodes.{number} = {name}\n"));
    }
    settings
}

/// Every folder, file, port and name is ours; what the scripts would default to is the machine's.
fn environment(folder: &Path, node_name: &str, ports: Ports) -> Vec<(&'static str, OsString)> {
    let path = |name: &str| folder.join(name).into_os_string();
    let loopback = "-kernel inet_dist_use_interface {127,0,0,1}";
    // A silent neighbour counts as gone after this many seconds, a quarter more or less.
    let node = format!("{loopback} net_ticktime {NET_TICK_S}");
    // No port mapper but ours. Idle schedulers sleep, as the cores are shared. Threads that read
    // files spin for a moment first: a start loads hundreds of modules, and where waking a core is
    // slow, as on virtual machines, it would else take nearly twice as long.
    let erlang = "-start_epmd false +sbwt none +sbwtdcpu none +sbwtdio very_short";
    vec![
        ("HOME", folder.into()),
        ("LANG", "C.UTF-8".into()),
        ("RABBITMQ_NODENAME", node_name.into()),
        ("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf")),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", path("advanced.config")),
        ("RABBITMQ_CONF_ENV_FILE", path("rabbitmq-env.conf")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins")),
        ("RABBITMQ_MNESIA_BASE", path("mnesia")),
        ("RABBITMQ_LOG_BASE", path("log")),
        ("RABBITMQ_PID_FILE", path("node.pid")),
        ("RABBITMQ_DIST_PORT", ports.distribution.to_string().into()),
        ("RABBITMQ_CTL_DIST_PORT_MIN", ports.ctl.to_string().into()),
        ("RABBITMQ_CTL_DIST_PORT_MAX", (ports.ctl + CTL_PORTS).to_string().into()),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", node.into()),
        ("RABBITMQ_CTL_ERL_ARGS", loopback.into()),
        // Bound schedulers of several nodes would all sit on the same cores.
        ("RABBITMQ_SCHEDULER_BIND_TYPE", "u".into()),
        // Makes the script exec the node, so that our child is the node itself.
        ("RUNNING_UNDER_SYSTEMD", "1".into()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".into()),
        ("ERL_EPMD_PORT", ports.epmd.to_string().into()),
        ("ERL_ZFLAGS", erlang.into()),
    ]
}
