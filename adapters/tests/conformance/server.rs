//! A server that misbehaves on purpose: raw TCP, one play a server.
//!
//! It reads each request to its end, so that "the request left" is certain, counts it, and then
//! plays. A test that sees more than one request has caught a hidden repeat.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What the server does once it has the whole request.
#[derive(Debug, Clone)]
pub(crate) enum Play {
    /// Writes these bytes and closes.
    Bytes(Vec<u8>),
    /// Writes these bytes and then nothing, for ever.
    Stall(Vec<u8>),
    /// Writes a head and then chunks, for ever.
    Endless,
    /// Resets the connection.
    Reset,
}

/// A running server; it ends with this value.
pub(crate) struct Server {
    pub(crate) url: String,
    requests: Arc<AtomicUsize>,
    last: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(play: Play) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/bip", listener.local_addr().expect("bound"));
        let (requests, last) = (Arc::new(AtomicUsize::new(0)), Arc::default());
        let (count, seen) = (Arc::clone(&requests), Arc::clone(&last));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (play, count, seen) = (play.clone(), Arc::clone(&count), Arc::clone(&seen));
                tokio::spawn(handle(stream, play, count, seen));
            }
        });
        Self { url, requests, last, task }
    }

    /// How many whole requests came.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// The last request as it came: head and body.
    pub(crate) fn last_request(&self) -> String {
        String::from_utf8_lossy(&self.last.lock().expect("not poisoned")).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    format!("http://{}/bip", listener.local_addr().expect("bound"))
}

/// A whole HTTP answer.
pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// A whole HTTP answer with SOAP in it.
pub(crate) fn soap(status: &str, body: &str) -> Vec<u8> {
    answer(status, "Content-Type: text/xml; charset=UTF-8\r\n", body.as_bytes())
}

async fn handle(
    mut stream: TcpStream,
    play: Play,
    requests: Arc<AtomicUsize>,
    last: Arc<Mutex<Vec<u8>>>,
) {
    let Some(request) = read_request(&mut stream).await else { return };
    requests.fetch_add(1, Ordering::SeqCst);
    *last.lock().expect("not poisoned") = request;
    match play {
        // A client that has seen enough closes early, so a failed write is part of the play.
        Play::Bytes(bytes) => {
            stream.write_all(&bytes).await.ok();
        }
        Play::Stall(bytes) => {
            stream.write_all(&bytes).await.ok();
            stream.read_u8().await.ok(); // until the client goes
        }
        Play::Endless => {
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            let chunk = [b"400\r\n".to_vec(), vec![b'a'; 0x400], b"\r\n".to_vec()].concat();
            let mut next = head;
            while stream.write_all(&next).await.is_ok() {
                next.clone_from(&chunk);
            }
        }
        Play::Reset => {
            stream.set_zero_linger().ok();
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
            if bytes.len() >= head + 4 + length {
                return Some(bytes);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
