//! A peer that keeps what it was sent and answers as a case says: one listener on the loopback
//! address, one connection after another, every connection closed after its answer.
//!
//! *Guarantee*: it lives as long as the future that [`Stage::play`] drives; nothing is spawned.
//!
//! *Limits*: [`REQUEST_BYTES_MAX`].

use std::{collections::VecDeque, future::Future, io, sync::Mutex};

use contracts::case::Transport;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Longer requests are cut off.
const REQUEST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Came {
    pub(super) method: String,
    /// With the query.
    pub(super) path: String,
    pub(super) body: Vec<u8>,
}

/// An answer to give.
#[derive(Debug, Clone)]
pub(super) struct Give {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) transport: Transport,
}

/// The peer.
pub(super) struct Stage {
    listener: TcpListener,
    answers: Mutex<VecDeque<Give>>,
    came: Mutex<Vec<Came>>,
}

impl Stage {
    pub(super) async fn open() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Ok(Self { listener, answers: Mutex::default(), came: Mutex::default() })
    }

    /// The address, without a path.
    pub(super) fn url(&self) -> io::Result<String> {
        Ok(format!("http://{}", self.listener.local_addr()?))
    }

    /// Answers with these, in order, while `work` runs; tells what came.
    pub(super) async fn play<T>(
        &self,
        answers: Vec<Give>,
        work: impl Future<Output = T>,
    ) -> (T, Vec<Came>) {
        *lock(&self.answers) = answers.into();
        lock(&self.came).clear();
        let done = tokio::select! {
            done = work => done,
            never = self.serve() => match never {},
        };
        let came = std::mem::take(&mut *lock(&self.came));
        (done, came)
    }

    async fn serve(&self) -> std::convert::Infallible {
        loop {
            // A connection that breaks is the client's business: it sees it.
            if let Ok((stream, _)) = self.listener.accept().await {
                self.handle(stream).await.ok();
            }
        }
    }

    async fn handle(&self, mut stream: TcpStream) -> io::Result<()> {
        let Some(came) = read(&mut stream).await? else { return Ok(()) };
        lock(&self.came).push(came);
        let Some(give) = lock(&self.answers).pop_front() else {
            let none = b"HTTP/1.1 500 Not in the case\r\nContent-Length: 0\r\n\r\n";
            return stream.write_all(none).await;
        };
        let head = give.head();
        match give.transport {
            Transport::Answer | Transport::Refused => {
                stream.write_all(&[head.as_bytes(), &give.body].concat()).await?;
                stream.shutdown().await
            }
            Transport::Reset => Ok(()),
            Transport::Cut => {
                let half = &give.body[..give.body.len() / 2];
                stream.write_all(&[head.as_bytes(), half].concat()).await
            }
            Transport::Silence => {
                stream.read_u8().await.ok(); // until the client goes
                Ok(())
            }
        }
    }
}

impl Give {
    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} From the case\r\nConnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        head
    }
}

async fn read(stream: &mut TcpStream) -> io::Result<Option<Came>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            let length: usize = length.unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                let mut words = head.lines().next().unwrap_or_default().split(' ');
                let mut word = || words.next().unwrap_or_default().to_owned();
                let (method, path) = (word(), word());
                return Ok(Some(Came { method, path, body: bytes[end + 4..].to_vec() }));
            }
        }
        if bytes.len() > REQUEST_BYTES_MAX || stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
