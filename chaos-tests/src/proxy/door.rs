//! The listener: takes connections, or refuses them, or keeps them waiting.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

use super::{BACKLOG, CONNECTIONS_MAX, Conditions, DIAL_WAIT_MAX, Door, Line, carry};

/// A socket on this address; several of one process may hold the same one.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Serves until it is aborted.
pub(super) async fn keep(address: SocketAddr, listener: TcpListener, line: Arc<Line>) {
    let mut conditions = line.conditions.subscribe();
    let mut listener = Some(listener);
    loop {
        let door = conditions.borrow_and_update().door;
        listener = match (door, listener.take()) {
            // Dropping it resets those that wait in its queue, as the end of a server would.
            (Door::Refusing, _) => None,
            (Door::Open | Door::Silent, Some(listener)) => Some(listener),
            (Door::Open | Door::Silent, None) => {
                bind(address).and_then(|socket| socket.listen(BACKLOG)).ok()
            }
        };
        let crowded = line.open.load(Ordering::Relaxed) >= CONNECTIONS_MAX;
        match (door, &listener) {
            (Door::Open, Some(listener)) if !crowded => tokio::select! {
                taken = listener.accept() => if let Ok((client, _)) = taken {
                    take(client, &line);
                },
                changed = conditions.changed() => if changed.is_err() { return },
            },
            (Door::Open | Door::Refusing | Door::Silent, _) => {
                if conditions.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

fn take(client: TcpStream, line: &Arc<Line>) {
    let number = line.accepted.fetch_add(1, Ordering::Relaxed);
    line.open.fetch_add(1, Ordering::Relaxed);
    let guard = Open(line.clone());
    // Subscribed here: what is ordered from now on reaches this connection.
    let orders = (line.ended.subscribe(), line.lost.subscribe());
    tokio::spawn(async move { dial(client, number, &guard.0, orders).await });
}

/// Counts a connection as open as long as it lives.
struct Open(Arc<Line>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        // A door that was crowded looks again.
        self.0.conditions.send_modify(|_: &mut Conditions| {});
    }
}

async fn dial(client: TcpStream, number: u64, line: &Line, orders: carry::Orders) {
    match timeout(DIAL_WAIT_MAX, TcpStream::connect(line.target)).await {
        Ok(Ok(target)) => carry::carry(client, target, number, line, orders).await,
        Ok(Err(_)) | Err(_) => carry::reset(&client),
    }
}
