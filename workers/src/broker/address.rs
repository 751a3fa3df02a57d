//! Where the broker is: one address, or those of a cluster's nodes, tried in turn.
//!
//! *Guarantee*: every attempt begins with the node after the one that was tried last, so a node that
//! takes connections and cannot serve them (a minority, a half-open line) is not dialled for ever.
//!
//! *Limits*: with several nodes each has [`NODE_WAIT_MAX`] to open a connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use lapin::{Connection, ConnectionProperties, uri::AMQPUri};
use secrecy::{ExposeSecret, SecretString};

use super::{Error, OPERATION_WAIT_MAX, within_of};
use crate::chance::Chance;

/// Opening a connection to one of several nodes ends within this.
pub const NODE_WAIT_MAX: Duration = Duration::from_secs(4);
/// What is proposed where the URL says nothing. A connection on which nothing came for twice as long
/// is given up; the broker's own proposal is 60 s.
pub const HEARTBEAT_S: u16 = 10;
/// What a URL begins with.
pub const SCHEMES: [&str; 2] = ["amqp://", "amqps://"];

/// The addresses of one broker; clones share their turn.
#[derive(Debug, Clone)]
pub struct Address {
    nodes: Arc<[SecretString]>,
    turn: Arc<AtomicUsize>,
}

impl Address {
    /// From one URL or several, separated by commas.
    pub fn new(list: &SecretString) -> Self {
        let nodes = split(list.expose_secret()).into_iter().map(SecretString::from);
        Self { nodes: nodes.collect(), turn: Arc::default() }
    }

    /// The same, beginning anywhere: so that many processes do not begin with the same node.
    pub fn beginning_anywhere(list: &SecretString, chance: &Chance) -> Self {
        let address = Self::new(list);
        let nodes = address.nodes.len() as u64;
        if nodes > 1 {
            let first = usize::try_from(chance.below(nodes)).unwrap_or(0);
            address.turn.store(first, Ordering::Relaxed);
        }
        address
    }

    /// The URL of each node.
    pub fn nodes(&self) -> &[SecretString] {
        &self.nodes
    }

    /// Opens a connection that ends at the first error, to the first node that takes it.
    pub(super) async fn connect(&self, purpose: &str) -> Result<Connection, Error> {
        let count = self.nodes.len();
        let wait_max = if count > 1 { NODE_WAIT_MAX } else { OPERATION_WAIT_MAX };
        let mut last = Error::Timeout;
        for _ in 0..count {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % count;
            match connect(&self.nodes[turn], purpose, wait_max).await {
                Ok(connection) => return Ok(connection),
                Err(error) => {
                    tracing::debug!(node = turn + 1, nodes = count, %error, "no connection");
                    last = error;
                }
            }
        }
        Err(last)
    }
}

impl From<&SecretString> for Address {
    fn from(list: &SecretString) -> Self {
        Self::new(list)
    }
}

impl From<&Address> for Address {
    fn from(address: &Address) -> Self {
        address.clone()
    }
}

/// Whether every URL of a list can be used.
pub fn is_readable(list: &SecretString) -> bool {
    split(list.expose_secret()).iter().all(|url| url.parse::<AMQPUri>().is_ok())
}

/// The URLs of a list. A comma that no URL follows is part of the one before; one that nothing
/// follows is a mistake, and an empty URL.
fn split(list: &str) -> Vec<String> {
    let mut urls: Vec<String> = Vec::new();
    for piece in list.split(',') {
        let begins = SCHEMES.iter().any(|scheme| piece.trim_start().starts_with(scheme));
        match urls.last_mut() {
            Some(url) if !begins && !piece.trim().is_empty() => {
                url.push(',');
                url.push_str(piece.trim_end());
            }
            Some(_) | None => urls.push(piece.trim().to_owned()),
        }
    }
    urls
}

async fn connect(
    url: &SecretString,
    purpose: &str,
    wait_max: Duration,
) -> Result<Connection, Error> {
    let mut uri: AMQPUri = url.expose_secret().parse().map_err(|_| Error::Address)?;
    uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
    let properties =
        ConnectionProperties::default().with_connection_name(format!("hub {purpose}").into());
    within_of(wait_max, Connection::connect_uri(uri, properties)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_split_where_a_url_begins() {
        let one = "amqps://hub:a,b@broker:5671/%2f?heartbeat=5";
        assert_eq!(split(one), [one]);
        let list = "amqp://u:p@a/%2f, amqps://u:p@b/%2f,amqp://u:p,x@c/%2f ";
        assert_eq!(split(list), ["amqp://u:p@a/%2f", "amqps://u:p@b/%2f", "amqp://u:p,x@c/%2f"]);
    }

    #[test]
    fn a_list_with_one_bad_url_is_bad() {
        let readable = |list: &str| is_readable(&SecretString::from(list));
        assert!(readable("amqp://u:p@a:5672/%2f,amqps://u:p@b/%2f"));
        assert!(!readable("amqp://u:p@a:5672/%2f,amqp://u:p@b:56720000/%2f"));
        assert!(!readable("amqp://u:p@a/%2f,"));
        assert!(!readable(""));
    }

    #[test]
    fn processes_begin_with_different_nodes() {
        let list = SecretString::from("amqp://a,amqp://b,amqp://c");
        let chance = Chance::seeded(1);
        let begin = |_| Address::beginning_anywhere(&list, &chance).turn.load(Ordering::Relaxed);
        let first: std::collections::BTreeSet<usize> = (0..50).map(begin).collect();
        assert_eq!(first.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn nobody_sees_the_passwords() {
        let address = Address::new(&SecretString::from("amqp://u:geheim@a,amqp://u:geheim@b"));
        assert_eq!(address.nodes().len(), 2);
        assert!(!format!("{address:?}").contains("geheim"));
    }
}
