//! The first words of a broker, before anybody logs in: what it is and which version.
//!
//! *Limits*: one frame of at most [`FRAME_BYTES_MAX`].

use lapin::types::{AMQPValue, parsing::parse_field_table};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A longer first frame is no greeting.
pub const FRAME_BYTES_MAX: usize = 64 << 10;

/// AMQP 0-9-1.
const PROTOCOL: &[u8; 8] = b"AMQP\x00\x00\x09\x01";
const METHOD_FRAME: u8 = 1;
const FRAME_END: u8 = 0xCE;
/// Class 10, method 10: `connection.start`; then the protocol's version.
const START: [u8; 6] = [0, 10, 0, 10, 0, 9];

/// What a broker says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// `RabbitMQ`.
    pub product: String,
    /// For example `3.10.8`.
    pub version: String,
}

/// Why there is no greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoGreeting {
    /// It closed the connection.
    #[error("it closed the connection without a greeting")]
    Closed,
    /// It says something else.
    #[error("what answers does not speak AMQP 0-9-1")]
    Foreign,
}

/// Asks for the greeting. Sends the protocol's name, nothing else.
pub async fn greet(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Result<Greeting, NoGreeting> {
    stream.write_all(PROTOCOL).await.map_err(|_| NoGreeting::Closed)?;
    let mut head = [0; 7];
    stream.read_exact(&mut head).await.map_err(|_| NoGreeting::Closed)?;
    let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if head[0] != METHOD_FRAME || size > FRAME_BYTES_MAX {
        return Err(NoGreeting::Foreign);
    }
    let mut payload = vec![0; size + 1];
    stream.read_exact(&mut payload).await.map_err(|_| NoGreeting::Closed)?;
    if payload.pop() != Some(FRAME_END) {
        return Err(NoGreeting::Foreign);
    }
    read(&payload).ok_or(NoGreeting::Foreign)
}

fn read(payload: &[u8]) -> Option<Greeting> {
    let table = payload.strip_prefix(START.as_slice()).filter(|rest| !rest.is_empty())?;
    let (_, properties) = parse_field_table(table).ok()?;
    let text = |name: &str| match properties.inner().get(name) {
        Some(AMQPValue::LongString(text)) => {
            let text = String::from_utf8_lossy(text.as_bytes());
            // It goes into a report: a name and a number, no more.
            Some(text.chars().filter(char::is_ascii_graphic).take(40).collect())
        }
        _ => None,
    };
    Some(Greeting { product: text("product")?, version: text("version")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn greeted_with(bytes: Vec<u8>) -> Result<Greeting, NoGreeting> {
        let (mut ours, mut theirs) = tokio::io::duplex(1 << 17);
        theirs.write_all(&bytes).await.unwrap();
        drop(theirs.shutdown().await);
        greet(&mut ours).await
    }

    fn start(table: &[u8]) -> Vec<u8> {
        let mut payload = [START.as_slice(), &[1]].concat();
        payload.truncate(START.len());
        payload.extend(u32::try_from(table.len()).unwrap().to_be_bytes());
        payload.extend(table);
        let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&[METHOD_FRAME, 0, 0], size.as_slice(), &payload, &[FRAME_END]].concat()
    }

    fn entry(name: &str, value: &str) -> Vec<u8> {
        let size = u32::try_from(value.len()).unwrap().to_be_bytes();
        let name_size = u8::try_from(name.len()).unwrap();
        [&[name_size], name.as_bytes(), b"S", &size, value.as_bytes()].concat()
    }

    #[tokio::test]
    async fn a_greeting_tells_product_and_version() {
        let table = [entry("product", "RabbitMQ"), entry("version", "3.10.8")].concat();
        let greeting = greeted_with(start(&table)).await.unwrap();
        assert_eq!(greeting, Greeting { product: "RabbitMQ".into(), version: "3.10.8".into() });
    }

    #[tokio::test]
    async fn what_is_no_greeting_is_told_from_silence() {
        let huge = [&[METHOD_FRAME, 0, 0], u32::MAX.to_be_bytes().as_slice()].concat();
        for (bytes, why) in [
            (Vec::new(), NoGreeting::Closed),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), NoGreeting::Foreign),
            (b"AMQP\x00\x00\x09\x01".to_vec(), NoGreeting::Foreign),
            (huge, NoGreeting::Foreign),
            (start(&entry("product", "RabbitMQ")), NoGreeting::Foreign),
            (start(b"\xff\xff\xff"), NoGreeting::Foreign),
        ] {
            assert_eq!(greeted_with(bytes.clone()).await, Err(why), "{bytes:?}");
        }
    }
}
