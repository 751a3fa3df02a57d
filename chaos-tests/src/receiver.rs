//! The portal's receiver of callbacks: takes every delivery, and remembers which events came, and in
//! which order for the first time; or says that it is gone, for as long as a test wants.
//!
//! *Guarantee*: an event is noted before it is answered, so who is sent its successor after the answer
//! notes that one later.
//!
//! *Limits*: [`REQUEST_BYTES_MAX`] of one delivery; one delivery a connection.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::{Error, Outcome};

/// A head and an event are shorter.
const REQUEST_BYTES_MAX: usize = 64 * 1024;
/// A delivery is read within this.
const READ_WAIT_MAX: Duration = Duration::from_secs(10);
const GONE: &[u8] = b"HTTP/1.1 410 Gone\r\nconnection: close\r\n\r\n";
const TAKEN: &[u8] = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";

/// What came.
#[derive(Debug, Default)]
struct Came {
    /// Ids of events, in the order of their first arrival.
    firsts: Vec<String>,
    seen: HashSet<String>,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    came: Arc<Mutex<Came>>,
    is_gone: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Listens on a loopback port of its own.
    pub async fn open() -> Outcome<Self> {
        let told = |error| Error::Told(format!("the receiver of callbacks: {error}"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(told)?;
        let address = listener.local_addr().map_err(told)?;
        let came = Arc::<Mutex<Came>>::default();
        let is_gone = Arc::<AtomicBool>::default();
        let (notes, gone) = (came.clone(), is_gone.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (notes, gone) = (notes.clone(), gone.load(Ordering::Relaxed));
                tokio::spawn(async move {
                    // Who is cut off, or too slow, tries again.
                    drop(tokio::time::timeout(READ_WAIT_MAX, take(stream, gone, &notes)).await);
                });
            }
        });
        Ok(Self { address, came, is_gone, task })
    }

    /// What a job names as its `callback_url`.
    pub fn url(&self) -> String {
        format!("http://{}/hub", self.address)
    }

    /// Answers every delivery with 410 from now on.
    pub fn refuse(&self) {
        self.is_gone.store(true, Ordering::Relaxed);
    }

    /// Takes deliveries again.
    pub fn take_again(&self) {
        self.is_gone.store(false, Ordering::Relaxed);
    }

    /// How many events came.
    pub fn count(&self) -> usize {
        locked(&self.came).firsts.len()
    }

    /// The ids of the events that came, in the order of their first arrival.
    pub fn firsts(&self) -> Vec<String> {
        locked(&self.came).firsts.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Came {
    fn note(&mut self, id: &str) {
        if self.seen.insert(id.to_owned()) {
            self.firsts.push(id.to_owned());
        }
    }
}

fn locked(came: &Mutex<Came>) -> MutexGuard<'_, Came> {
    came.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads one delivery, notes it and says so: in this order, as a portal would commit first. `None`:
/// nothing was taken.
async fn take(mut stream: TcpStream, is_gone: bool, notes: &Mutex<Came>) -> Option<()> {
    let mut request = Vec::new();
    let (head, length) = loop {
        if request.len() > REQUEST_BYTES_MAX || stream.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
        let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
        break (head.clone(), end + 4 + header(&head, "content-length")?.parse::<usize>().ok()?);
    };
    while request.len() < length.min(REQUEST_BYTES_MAX) {
        if stream.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    }
    let id = header(&head, "webhook-id")?;
    if is_gone {
        stream.write_all(GONE).await.ok()?;
        return None;
    }
    locked(notes).note(id);
    stream.write_all(TAKEN).await.ok()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| *key == name).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Delivers an event; the status that it gets.
    async fn deliver(receiver: &Receiver, id: &str) -> String {
        let mut stream = TcpStream::connect(receiver.address).await.expect("it listens");
        let request =
            format!("POST /hub HTTP/1.1\r\nWebhook-Id: {id}\r\nContent-Length: 2\r\n\r\n{{}}");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn events_are_kept_in_the_order_in_which_they_came_first() {
        let receiver = Receiver::open().await.expect("a port");
        for id in ["a/2", "a/1", "a/2", "b/1"] {
            assert_eq!(deliver(&receiver, id).await, "204", "{id}");
        }
        assert_eq!(receiver.firsts(), ["a/2", "a/1", "b/1"]);
        receiver.refuse();
        assert_eq!(deliver(&receiver, "b/2").await, "410");
        assert_eq!(receiver.count(), 3, "what was refused did not come");
        receiver.take_again();
        assert_eq!(deliver(&receiver, "b/2").await, "204");
        assert_eq!(receiver.count(), 4);
    }
}
