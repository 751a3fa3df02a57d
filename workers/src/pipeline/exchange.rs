//! Raw exchanges as they are kept: request and answer, compressed, sealed.
//!
//! XML shrinks to a quarter, and what is small stays inside its row; sealed bytes no longer compress,
//! so the order is compress, then seal.

use adapters::attempt::Exchange;
use bytes::Bytes;

use crate::seal::{Sealed, Sealer};

/// The purpose that raw exchanges are sealed for.
pub const PURPOSE: &str = "exchange";
/// Bytes before the request: its length.
const LENGTH_BYTES: usize = 4;

/// Seals an exchange; `None` where nothing was sent or received.
pub fn seal(sealer: &Sealer, exchange: &Exchange) -> Option<Sealed> {
    if exchange.request.is_empty() && exchange.response.is_empty() {
        return None;
    }
    let length = u32::try_from(exchange.request.len()).unwrap_or(u32::MAX);
    let bytes = LENGTH_BYTES + exchange.request.len() + exchange.response.len();
    let mut plain = Vec::with_capacity(bytes);
    plain.extend(length.to_be_bytes());
    plain.extend_from_slice(&exchange.request);
    plain.extend_from_slice(&exchange.response);
    Some(sealer.seal(PURPOSE, &lz4_flex::compress_prepend_size(&plain)))
}

/// Opens a kept exchange: request and answer. `None` where the key or the bytes are not right.
pub fn open(sealer: &Sealer, sealed: &Sealed) -> Option<(Bytes, Bytes)> {
    let packed = sealer.open(PURPOSE, sealed).ok()?;
    let plain = lz4_flex::decompress_size_prepended(&packed).ok()?;
    let (length, rest) = plain.split_first_chunk::<LENGTH_BYTES>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (request, response) = rest.split_at_checked(length)?;
    Some((Bytes::copy_from_slice(request), Bytes::copy_from_slice(response)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;

    #[test]
    fn what_was_sealed_opens_as_it_was() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("key");
        Sealer::create_file(&path, &Chance::seeded(1)).expect("creates");
        let sealer = Sealer::from_file(&path, Chance::seeded(2)).expect("reads");
        let exchange = Exchange {
            request: Bytes::from_static(b"<ask/>"),
            response: Bytes::from("<answer/>".repeat(500)),
            status: Some(200),
            retry_after: None,
        };
        let sealed = seal(&sealer, &exchange).expect("not empty");
        assert!(sealed.bytes.len() < exchange.response.len() / 4, "not compressed");
        let (request, response) = open(&sealer, &sealed).expect("opens");
        assert_eq!((request, response), (exchange.request, exchange.response));
        assert!(seal(&sealer, &Exchange::default()).is_none());
    }
}
