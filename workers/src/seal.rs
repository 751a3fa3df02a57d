//! Sealing of raw messages at rest: XChaCha20-Poly1305 with a key from a file.
//!
//! *Guarantee*: what is sealed for one purpose does not open for another (the purpose is
//! authenticated), and a changed byte does not open at all. The key id names the key, so that keys
//! can be changed while old messages stay readable by whoever keeps the old file.

use std::path::{Path, PathBuf};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};

use crate::chance::Chance;

const NONCE_BYTES: usize = 24;
const KEY_BYTES: usize = 32;

/// A key, ready to seal and open.
#[derive(Clone)]
pub struct Sealer {
    cipher: XChaCha20Poly1305,
    key_id: String,
    chance: Chance,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// Sealed bytes, with the name of the key that opens them.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// Names the key.
    pub key_id: String,
    /// Nonce and ciphertext.
    pub bytes: Vec<u8>,
}

/// Why sealing cannot work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key file cannot be read or written.
    #[error("key file {path}: {source}")]
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The key file does not hold 64 hexadecimal digits.
    #[error("key file {0}: must hold 32 bytes as 64 hexadecimal digits")]
    Form(PathBuf),
    /// Other key, other purpose, or changed bytes.
    #[error("does not open with key {0}")]
    Open(String),
}

impl Sealer {
    /// Reads the key from a file of 64 hexadecimal digits.
    pub fn from_file(path: &Path, chance: Chance) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::File { path: path.to_owned(), source })?;
        let key = from_hex(text.trim()).ok_or_else(|| Error::Form(path.to_owned()))?;
        Ok(Self::new(&key, chance))
    }

    /// Makes a key file that only its owner can read, for demos and tests.
    pub fn create_file(path: &Path, chance: &Chance) -> Result<(), Error> {
        use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt};
        let mut key = [0; KEY_BYTES];
        chance.fill(&mut key);
        let text: String = key.iter().map(|b| format!("{b:02x}")).collect();
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|source| Error::File { path: path.to_owned(), source })
    }

    fn new(key: &[u8; KEY_BYTES], chance: Chance) -> Self {
        // The id is made by sealing nothing: it tells keys apart and tells nothing of the key.
        let cipher = XChaCha20Poly1305::new(key.into());
        let nonce = XNonce::from([0; NONCE_BYTES]);
        let tag = cipher.encrypt(&nonce, Payload { msg: b"", aad: b"key id" }).unwrap_or_default();
        let key_id = tag.iter().take(6).map(|b| format!("{b:02x}")).collect();
        Self { cipher, key_id, chance }
    }

    /// Seals bytes for a purpose, for example `inbound`.
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Sealed {
        let mut nonce = [0; NONCE_BYTES];
        self.chance.fill(&mut nonce);
        let payload = Payload { msg: plain, aad: purpose.as_bytes() };
        // Only a message of 256 GiB fails; every message here has a limit far below.
        let cipher = self.cipher.encrypt(&XNonce::from(nonce), payload).unwrap_or_default();
        let mut bytes = nonce.to_vec();
        bytes.extend(cipher);
        Sealed { key_id: self.key_id.clone(), bytes }
    }

    /// Opens what was sealed for the same purpose.
    pub fn open(&self, purpose: &str, sealed: &Sealed) -> Result<Vec<u8>, Error> {
        let fail = || Error::Open(sealed.key_id.clone());
        let (nonce, cipher) = sealed.bytes.split_at_checked(NONCE_BYTES).ok_or_else(fail)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| fail())?;
        let payload = Payload { msg: cipher, aad: purpose.as_bytes() };
        self.cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| fail())
    }
}

fn from_hex(text: &str) -> Option<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    if text.len() != KEY_BYTES * 2 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests;
