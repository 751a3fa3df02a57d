//! Waits until a server answers in its own protocol, ends, or is late.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::error::{Error, tail};
use super::owned::Owned;

/// How often a server is asked.
const POLL: Duration = Duration::from_millis(25);
/// How long one answer may take.
const PROBE_WAIT_MAX: Duration = Duration::from_secs(2);
const REMEDY: &str = "The lines below say why.";

/// Which question tells that a server serves.
#[derive(Debug, Clone, Copy)]
pub(super) enum Probe {
    /// The port accepts a connection.
    Tcp,
    /// PostgreSQL lets the superuser in, which it does not while it starts or recovers.
    Postgres,
    /// RabbitMQ answers the AMQP 0-9-1 protocol header with Connection.Start.
    Amqp,
}

/// Returns once the probe succeeds; fails if the server ends or `wait_max` passes before that.
pub(super) async fn wait(
    server: &Owned,
    (what, log): (&str, &Path),
    (probe, port): (Probe, u16),
    wait_max: Duration,
) -> Result<(), Error> {
    let deadline = Instant::now() + wait_max;
    loop {
        if let Some(status) = server.exit() {
            let (what, log, tail) = (what.to_owned(), log.to_path_buf(), tail(log));
            return Err(Error::Failed { what, status, remedy: REMEDY, log, tail });
        }
        if probe.answers(port).await && server.exit().is_none() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let (what, log, tail) = (format!("the start of {what}"), log.to_path_buf(), tail(log));
            return Err(Error::Late { what, waited: wait_max, remedy: REMEDY, log, tail });
        }
        sleep(POLL).await;
    }
}

impl Probe {
    async fn answers(self, port: u16) -> bool {
        let ask = async {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
            match self {
                Probe::Tcp => Ok(true),
                Probe::Postgres => postgres_answers(&mut stream).await,
                Probe::Amqp => amqp_answers(&mut stream).await,
            }
        };
        matches!(timeout(PROBE_WAIT_MAX, ask).await, Ok(Ok(true)))
    }
}

/// Logs in; authentication by trust makes the first message AuthenticationOk ('R').
async fn postgres_answers(stream: &mut TcpStream) -> io::Result<bool> {
    let mut startup = vec![0, 0, 0, 0, 0, 3, 0, 0]; // its length, then protocol 3.0
    startup.extend(b"user\0hub\0database\0postgres\0\0");
    let length = u8::try_from(startup.len()).map_err(io::Error::other)?;
    startup[3] = length;
    stream.write_all(&startup).await?;
    let welcome = stream.read_u8().await? == b'R';
    stream.write_all(b"X\0\0\0\x04").await?; // Terminate
    Ok(welcome)
}

/// Says hello; the answer is a method frame (1) on channel 0 with class 10, method 10.
async fn amqp_answers(stream: &mut TcpStream) -> io::Result<bool> {
    stream.write_all(b"AMQP\0\0\x09\x01").await?;
    let mut head = [0; 11];
    stream.read_exact(&mut head).await?;
    Ok(head[..3] == [1, 0, 0] && head[7..] == [0, 10, 0, 10])
}
