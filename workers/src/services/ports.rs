//! Free loopback ports that also survive a restart of the server that uses them.
//!
//! Ports come from below the kernel's ephemeral range. A server that is down for a moment would
//! else lose its port to an outgoing connection, most likely to one of its own clients: a client
//! that reconnects in a loop can even be given the very port it dials and connect to itself.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::Path;

use super::error::Error;

/// The lowest port that is given out.
const PORT_MIN: u16 = 15_000;
/// The fewest ports worth choosing from.
const RANGE_MIN: u16 = 1_000;
/// Where ephemeral ports start if the kernel does not say.
const EPHEMERAL_DEFAULT: u16 = 32_768;
/// Ports tried before giving up.
const TRIES_MAX: u32 = 500;

/// `N` different ports that nobody listens on at this moment; another process may be faster.
pub(super) fn free<const N: usize>() -> Result<[u16; N], Error> {
    let range = range(ephemeral_start());
    // Held until all are found, so that they differ.
    let mut held: Vec<TcpListener> = Vec::with_capacity(N);
    let mut ports = [0; N];
    for _ in 0..TRIES_MAX {
        if held.len() == N {
            return Ok(ports);
        }
        let port = range.start + random()? % (range.end - range.start);
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            ports[held.len()] = port;
            held.push(listener);
        }
    }
    Err(Error::NoPort { tries: TRIES_MAX })
}

/// Random bytes as a hexadecimal word of `2 * N` digits.
pub(super) fn random_word<const N: usize>() -> Result<String, Error> {
    let bytes = random_bytes::<N>()?;
    Ok(bytes.iter().fold(String::new(), |word, byte| format!("{word}{byte:02x}")))
}

fn random() -> Result<u16, Error> {
    random_bytes().map(u16::from_ne_bytes)
}

fn random_bytes<const N: usize>() -> Result<[u8; N], Error> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; N];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(Error::io("read", path))?;
    Ok(bytes)
}

fn range(ephemeral_start: u16) -> Range<u16> {
    if ephemeral_start >= PORT_MIN + RANGE_MIN {
        PORT_MIN..ephemeral_start
    } else {
        // Nearly everything is ephemeral on this machine: take part in it.
        PORT_MIN..EPHEMERAL_DEFAULT
    }
}

fn ephemeral_start() -> u16 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or(EPHEMERAL_DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ_and_lie_below_the_ephemeral_range() {
        let [a, b, c] = free::<3>().unwrap();
        assert!(a != b && b != c && a != c);
        assert!([a, b, c].iter().all(|port| range(ephemeral_start()).contains(port)));
    }

    #[test]
    fn a_wide_ephemeral_range_still_leaves_ports() {
        assert_eq!(range(1024), PORT_MIN..EPHEMERAL_DEFAULT);
        assert_eq!(range(32_768), PORT_MIN..32_768);
    }
}
