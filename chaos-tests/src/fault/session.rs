//! A session at PostgreSQL that belongs to no hub: just enough of its protocol (3.0) to hold a
//! connection and run one statement.
//!
//! *What this does not do*: passwords, parameters, results.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{Error, Outcome};

/// Protocol 3.0.
const PROTOCOL: i32 = 196_608;
/// No message of a server to a stranger is longer.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// "There are too many connections", also for a superuser.
const TOO_MANY: &[u8] = b"C53300";

/// One connection.
#[derive(Debug)]
pub struct Session(TcpStream);

impl Session {
    /// Opens one; `None` where the server has no place.
    pub async fn open(port: u16) -> Outcome<Option<Self>> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(told)?;
        let words = b"user\0hub\0database\0hub\0application_name\0stranger\0\0";
        let length = i32::try_from(words.len() + 8).unwrap_or(i32::MAX);
        stream.write_all(&length.to_be_bytes()).await.map_err(told)?;
        stream.write_all(&PROTOCOL.to_be_bytes()).await.map_err(told)?;
        stream.write_all(words).await.map_err(told)?;
        let mut session = Self(stream);
        match session.ready().await {
            Ok(()) => Ok(Some(session)),
            Err(Refused::TooMany) => Ok(None),
            Err(Refused::Else(error)) => Err(error),
        }
    }

    /// Runs one statement and throws its result away.
    pub async fn run(&mut self, statement: &str) -> Outcome<()> {
        let length = i32::try_from(statement.len() + 5).unwrap_or(i32::MAX);
        let mut message = vec![b'Q'];
        message.extend(length.to_be_bytes());
        message.extend(statement.as_bytes());
        message.push(0);
        self.0.write_all(&message).await.map_err(told)?;
        self.ready().await.map_err(|refused| match refused {
            Refused::TooMany => Error::Told("PostgreSQL has no place".into()),
            Refused::Else(error) => error,
        })
    }

    /// Reads until the server waits for the next statement.
    async fn ready(&mut self) -> Result<(), Refused> {
        loop {
            let kind = self.0.read_u8().await.map_err(told)?;
            let length = usize::try_from(self.0.read_i32().await.map_err(told)?).unwrap_or(0);
            if !(4..=MESSAGE_BYTES_MAX).contains(&length) {
                return Err(Error::Told("PostgreSQL speaks another protocol".into()).into());
            }
            let mut body = vec![0; length - 4];
            self.0.read_exact(&mut body).await.map_err(told)?;
            match kind {
                b'Z' => return Ok(()),
                b'E' if body.split(|byte| *byte == 0).any(|field| field == TOO_MANY) => {
                    return Err(Refused::TooMany);
                }
                b'E' => return Err(Error::Told("PostgreSQL refuses a stranger".into()).into()),
                _ => {}
            }
        }
    }
}

enum Refused {
    TooMany,
    Else(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Else(error)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn told(error: std::io::Error) -> Error {
    Error::Told(format!("a stranger's session: {error}"))
}
