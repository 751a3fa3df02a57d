//! Links to files: 256 random bits in the address, a time limit, and the rule of the file's kind.

use adapters::attempt::File;
use contracts::operation::Record;
use sha2::{Digest, Sha256};

use super::Hub;
use crate::store::file::FileRow;

/// The purpose that files are sealed for.
pub const PURPOSE: &str = "file";
/// Where links begin, below the public address.
pub const PATH: &str = "/labels/";
const TOKEN_BYTES: usize = 32;

/// Seals a file and makes its link.
pub(super) fn mint(hub: &Hub, file: &File) -> FileRow {
    let mut token = [0; TOKEN_BYTES];
    hub.chance.fill(&mut token);
    let token: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
    let record: &'static Record = file.link;
    FileRow {
        role: file.role,
        media_type: file.media_type,
        sealed: hub.sealer.seal(PURPOSE, &file.bytes),
        token_hash: hash(&token),
        link: format!("{}{PATH}{token}", hub.config.links.public_url).into(),
        life: hub.config.links.life,
        record,
    }
}

/// What the table knows of a link.
pub fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}
