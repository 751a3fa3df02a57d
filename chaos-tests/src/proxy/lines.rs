//! The lines of one hub: to each node of the broker, to the database, to the simulators.

use std::{io, net::SocketAddr};

use secrecy::{ExposeSecret, SecretString};
use workers::{broker::Address, demo::reach::Reach};

use super::Proxy;

/// A proxy for everything that a hub dials.
#[derive(Debug)]
pub struct Lines {
    /// To the nodes of the broker, in their order.
    pub broker: Vec<Proxy>,
    /// To the database.
    pub database: Proxy,
    /// To all simulators.
    pub simulators: Proxy,
}

impl Lines {
    /// Opens a proxy for each address, and names the proxies' addresses instead.
    pub fn open(hub: usize, reach: &Reach, seed: u64) -> io::Result<(Self, Reach)> {
        let mut broker = Vec::new();
        let mut urls = Vec::new();
        for (node, url) in Address::new(&reach.amqp_url).nodes().iter().enumerate() {
            let name = format!("hub {hub} to node {node} of RabbitMQ");
            let (proxy, url) = through(&name, url.expose_secret(), seed)?;
            broker.push(proxy);
            urls.push(url);
        }
        let name = format!("hub {hub} to PostgreSQL");
        let (database, database_url) = through(&name, reach.database_url.expose_secret(), seed)?;
        let name = format!("hub {hub} to the simulators");
        let (simulators, simulators_url) = through(&name, &reach.simulators, seed)?;
        let reach = Reach {
            amqp_url: SecretString::from(urls.join(",")),
            database_url: SecretString::from(database_url),
            simulators: simulators_url,
        };
        Ok((Self { broker, database, simulators }, reach))
    }

    /// The nodes of the broker that the hub is connected to.
    pub fn nodes_in_use(&self) -> Vec<usize> {
        let nodes = self.broker.iter().enumerate();
        nodes.filter(|(_, line)| line.connections() > 0).map(|(node, _)| node).collect()
    }
}

/// A proxy in front of what a URL names, and the URL that names the proxy.
fn through(name: &str, url: &str, seed: u64) -> io::Result<(Proxy, String)> {
    let unreadable = || io::Error::other(format!("{name}: no address in its URL"));
    let begin = match (url.rfind('@'), url.find("://")) {
        (Some(at), _) => at + 1,
        (None, Some(scheme)) => scheme + 3,
        (None, None) => return Err(unreadable()),
    };
    let end = url[begin..].find(['/', '?']).map_or(url.len(), |length| begin + length);
    let target: SocketAddr = url[begin..end].parse().map_err(|_| unreadable())?;
    let proxy = Proxy::open(name, target, seed)?;
    let url = format!("{}{}{}", &url[..begin], proxy.address(), &url[end..]);
    Ok((proxy, url))
}
