//! The lines between the nodes of a RabbitMQ cluster, so that a node can be cut off from the others.
//!
//! ```text
//! node A ─ where is B? → front of A ─→ port mapper (epmd): at port p
//!        ← at port q ──┘
//! node A ─→ q: proxy of A to B ─→ p: node B
//! ```
//!
//! *How*. Erlang nodes find each other through a port mapper. Each node here asks a front of its own,
//! which puts the question to the real one and answers with a proxy's port in place of the
//! neighbour's. No rights, namespaces or firewall rules are needed. `rabbitmqctl` asks the real one.
//!
//! *Guarantee*: a node that is cut off hears nothing from its neighbours and they nothing from it, as
//! with a broken switch: it is silence, not an end of connections. Clients reach all nodes.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};
use workers::services::{Neighbours, Wiring};

use crate::proxy::{Conditions, Flow, Proxy};

/// "Where is this node?", of the port mapper's protocol.
const PORT_PLEASE: u8 = 122;
/// "Whom do you know?"; its answer begins with the port mapper's own port, in four bytes.
const NAMES: u8 = 110;
/// The answer to the first, with the port in bytes 2 and 3 where the second byte is zero.
const PORT: u8 = 119;
/// The longest answer: a line of some hundred bytes for each node.
const ANSWER_BYTES_MAX: u64 = 16_384;

/// The lines of one cluster; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Mesh(Arc<Mutex<Wires>>);

#[derive(Debug, Default)]
struct Wires {
    /// From each node to each other.
    lines: Vec<(usize, usize, Proxy)>,
    fronts: Vec<AbortHandle>,
}

impl Drop for Wires {
    fn drop(&mut self) {
        self.fronts.iter().for_each(AbortHandle::abort);
    }
}

impl Mesh {
    /// What a cluster is wired with, so that this mesh has its lines.
    pub fn wiring(&self, seed: u64) -> Wiring {
        let mesh = self.clone();
        Box::new(move |neighbours| {
            let mut wires = Wires::default();
            let mut asked = Vec::new();
            for from in 0..neighbours.members.len() {
                asked.push(wires.front(from, neighbours, seed)?);
            }
            *mesh.wires() = wires;
            Ok(asked)
        })
    }

    /// From now on this node and the others hear nothing of each other.
    pub fn isolate(&self, node: usize) {
        for (from, to, line) in &self.wires().lines {
            if *from == node || *to == node {
                line.set(Conditions::flow(Flow::Swallowed));
            }
        }
    }

    /// All lines are good again; connections that lost something are reset.
    pub fn heal(&self) {
        for (_, _, line) in &self.wires().lines {
            line.heal();
        }
    }

    fn wires(&self) -> MutexGuard<'_, Wires> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wires {
    /// Opens the lines of one node to the others, and the front that tells it of them.
    fn front(&mut self, from: usize, all: &Neighbours, seed: u64) -> io::Result<u16> {
        let mut doors = HashMap::new();
        for (to, member) in all.members.iter().enumerate().filter(|(to, _)| *to != from) {
            let target = SocketAddr::from(([127, 0, 0, 1], member.distribution));
            let line = Proxy::open(&format!("node {from} to node {to}"), target, seed)?;
            doors.insert(member.name.clone(), line.address().port());
            self.lines.push((from, to, line));
        }
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let front = Front { port, mapper: all.mapper, doors };
        let front = serve(TcpListener::from_std(listener)?, Arc::new(front));
        self.fronts.push(tokio::spawn(front).abort_handle());
        Ok(port)
    }
}

/// What one node takes for the port mapper.
struct Front {
    port: u16,
    mapper: u16,
    /// The proxies' ports, by the neighbours' names.
    doors: HashMap<String, u16>,
}

async fn serve(listener: TcpListener, front: Arc<Front>) {
    while let Ok((asker, _)) = listener.accept().await {
        let front = front.clone();
        // Who asked in vain asks again.
        tokio::spawn(async move { drop(ask(asker, &front).await) });
    }
}

/// Puts one question to the real port mapper. A registration lasts as long as its connection.
async fn ask(mut asker: TcpStream, front: &Front) -> io::Result<()> {
    let length = asker.read_u16().await?;
    let mut question = vec![0; usize::from(length)];
    asker.read_exact(&mut question).await?;
    let mut real = TcpStream::connect(("127.0.0.1", front.mapper)).await?;
    real.write_all(&[&length.to_be_bytes(), question.as_slice()].concat()).await?;
    if !matches!(question.first(), Some(&PORT_PLEASE | &NAMES)) {
        return tokio::io::copy_bidirectional(&mut asker, &mut real).await.map(|_| ());
    }
    let mut answer = Vec::new();
    real.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    front.put_itself_in(&question, &mut answer);
    asker.write_all(&answer).await
}

impl Front {
    fn put_itself_in(&self, question: &[u8], answer: &mut [u8]) {
        match (question, answer) {
            // A node takes no answer of a port mapper at another port.
            ([NAMES, ..], [a, b, c, d, ..]) => {
                [*a, *b, *c, *d] = u32::from(self.port).to_be_bytes();
            }
            ([PORT_PLEASE, name @ ..], [PORT, 0, high, low, ..]) => {
                let door = std::str::from_utf8(name).ok().and_then(|name| self.doors.get(name));
                if let Some(door) = door {
                    [*high, *low] = door.to_be_bytes();
                }
            }
            (_, _) => {}
        }
    }
}
