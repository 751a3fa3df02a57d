//! The portal's receiver of callbacks: takes every delivery, and remembers which events came; or says
//! that it is gone, for as long as a test wants.
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

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    came: Arc<Mutex<HashSet<String>>>,
    is_gone: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Listens on a loopback port of its own.
    pub async fn open() -> Outcome<Self> {
        let told = |error| Error::Told(format!("the receiver of callbacks: {error}"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(told)?;
        let address = listener.local_addr().map_err(told)?;
        let came: Arc<Mutex<HashSet<String>>> = Arc::default();
        let is_gone = Arc::<AtomicBool>::default();
        let (notes, gone) = (came.clone(), is_gone.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (notes, gone) = (notes.clone(), gone.load(Ordering::Relaxed));
                tokio::spawn(async move {
                    let taken = tokio::time::timeout(READ_WAIT_MAX, take(stream, gone)).await;
                    if let Ok(Some(id)) = taken {
                        notes.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
                    }
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

    /// The ids of the events that came.
    pub fn came(&self) -> MutexGuard<'_, HashSet<String>> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads one delivery, notes it and says so: in this order, as a portal would commit first.
async fn take(mut stream: TcpStream, is_gone: bool) -> Option<String> {
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
    let id = header(&head, "webhook-id")?.to_owned();
    if is_gone {
        stream.write_all(GONE).await.ok()?;
        return None;
    }
    stream.write_all(TAKEN).await.ok()?;
    Some(id)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| *key == name).map(|(_, value)| value.trim())
}
