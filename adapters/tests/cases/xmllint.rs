//! What xmllint says of documents, where it is on the machine.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// Files named in one call.
const FILES_MAX: usize = 400;

pub(crate) fn is_here() -> bool {
    let call = Command::new("xmllint").arg("--version").stderr(Stdio::null()).status();
    call.is_ok_and(|status| status.success())
}

/// Which of the documents a schema accepts; an error where it does not take the schema itself.
pub(crate) fn accepted(schema: &Path, documents: &[String]) -> Result<Vec<bool>, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let name = |at: usize| format!("{at}.xml");
    for (at, document) in documents.iter().enumerate() {
        fs::write(folder.path().join(name(at)), document).expect("a file");
    }
    let mut valid = BTreeSet::new();
    for batch in (0..documents.len()).collect::<Vec<_>>().chunks(FILES_MAX) {
        let output = Command::new("xmllint")
            .current_dir(folder.path())
            .args(["--noout", "--nonet", "--schema"])
            .arg(fs::canonicalize(schema).expect("a schema"))
            .args(batch.iter().map(|at| name(*at)))
            .output()
            .expect("xmllint runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if said.contains("failed to compile") {
            return Err(said);
        }
        valid.extend(
            said.lines().filter_map(|line| Some(line.strip_suffix(" validates")?.to_owned())),
        );
    }
    Ok((0..documents.len()).map(|at| valid.contains(&name(at))).collect())
}
