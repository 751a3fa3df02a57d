//! Private PostgreSQL and RabbitMQ servers for demos and tests.
//!
//! [`Services::start`] finds the two servers on the machine (or installs them, where it may),
//! starts an own instance of each side by side, and returns when both answer:
//!
//! ```text
//! find programs → (install) → sweep what dead owners left → claim a folder
//!               → initdb, postgres, database      ┐ at the same time
//!               → epmd, RabbitMQ node             ┘
//! ```
//!
//! *Guarantee.* Everything an instance consists of lies in one folder and listens on 127.0.0.1
//! only, on ports of its own: servers that already run on the machine, their ports and their data
//! are never touched. The processes end with their owner, also when it is killed with SIGKILL;
//! what such a death leaves on disk is swept by the next start. Several owners may run side by
//! side.
//!
//! *Limits.* Every wait has a named deadline (`*_WAIT_MAX`), and an error shows the end of the log
//! that explains it.
//!
//! *What this does not do.* It does not secure the servers: any account of this machine may log in
//! over loopback. It is for machines where that is harmless. It needs Linux.

mod account;
mod cluster;
mod error;
mod install;
mod instance;
mod launch;
mod owned;
mod ports;
mod postgres;
mod processes;
mod programs;
mod rabbitmq;
mod ready;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

pub use cluster::{Cluster, Member, Neighbours, Wiring};
pub use error::Error;
pub use install::program;
pub use launch::{Launch, Output};
pub use owned::Owned;
pub use postgres::Postgres;
pub use rabbitmq::RabbitMq;

use instance::Instance;

/// A loopback port that nobody listens on at this moment, and that no outgoing connection gets.
pub fn free_port() -> Result<u16, Error> {
    ports::free::<1>().map(|[port]| port)
}

/// How to start private services.
pub struct Options {
    /// The parent folder of all instances of this user. For root it must be reachable by every
    /// account, as PostgreSQL then runs as an unprivileged one.
    pub root: PathBuf,
    /// Whether missing servers may be installed: on Debian or Ubuntu, and only by root.
    pub install: bool,
    /// Hears what happens, in sentences for a person.
    pub say: Box<dyn Fn(&str) + Send + Sync>,
    /// Whether PostgreSQL waits for the disk at a commit. Without it commits are faster and
    /// survive a killed server all the same; only a crash of the machine would lose them. Say
    /// `true` where the measured speed or the durability is the point.
    pub fsync: bool,
}

impl Default for Options {
    /// Instances below the temporary folder, installation allowed, sentences to the log, fsync on.
    fn default() -> Self {
        Self {
            root: instance::default_root(),
            install: true,
            say: Box::new(|sentence| tracing::info!("{sentence}")),
            fsync: true,
        }
    }
}

/// A private PostgreSQL and a private RabbitMQ; dropping them kills both and removes their data.
#[derive(Debug)]
pub struct Services {
    /// The database server.
    pub postgres: Postgres,
    /// The message broker: its only node, or the first.
    pub rabbitmq: RabbitMq,
    /// The other nodes of its cluster.
    pub others: Vec<RabbitMq>,
}

impl Services {
    /// Starts both, each on a free loopback port, and returns when both answer.
    pub async fn start(opts: &Options) -> Result<Services, Error> {
        Self::start_cluster(opts, &Cluster::default()).await
    }

    /// As [`Services::start`], with several nodes of RabbitMQ.
    pub async fn start_cluster(opts: &Options, cluster: &Cluster) -> Result<Services, Error> {
        let started = Instant::now();
        let programs = install::programs(opts).await?;
        let instance = Arc::new(Instance::claim(&opts.root, &opts.say).await?);
        (opts.say)("Starting a private PostgreSQL and a private RabbitMQ.");
        let (postgres, mut nodes) = tokio::try_join!(
            Postgres::create(&programs.postgres, &instance, opts.fsync),
            RabbitMq::create(&programs.rabbitmq, &instance, cluster),
        )?;
        let others = nodes.split_off(1);
        let rabbitmq = nodes.remove(0);
        (opts.say)(&format!(
            "PostgreSQL is ready on 127.0.0.1:{} and RabbitMQ on 127.0.0.1:{} after {:.1} s.",
            postgres.port(),
            rabbitmq.port(),
            started.elapsed().as_secs_f64(),
        ));
        Ok(Services { postgres, rabbitmq, others })
    }

    /// Ends both without waiting for an orderly shutdown, as their data goes too.
    pub async fn stop(mut self) {
        let others = self.others.iter_mut().map(RabbitMq::discard);
        let brokers = async {
            futures_util::future::join_all(others).await;
            // Last: the port mapper of all is its.
            self.rabbitmq.discard().await;
        };
        tokio::join!(self.postgres.discard(), brokers);
    }

    /// The addresses of all nodes, as `amqp.url` takes them.
    pub fn amqp_urls(&self) -> String {
        let nodes = std::iter::once(&self.rabbitmq).chain(&self.others);
        nodes.map(RabbitMq::url).collect::<Vec<_>>().join(",")
    }

    /// A node of RabbitMQ, by its place.
    pub fn node(&mut self, place: usize) -> Option<&mut RabbitMq> {
        std::iter::once(&mut self.rabbitmq).chain(&mut self.others).nth(place)
    }
}
