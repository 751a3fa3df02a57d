//! Where inputs begin: the files of all contract cases.

use std::path::{Path, PathBuf};

use contracts::case::{self, Case};

/// An input as it is checked in.
pub(crate) struct Seed {
    /// `gbdfl/found/response.xml`
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// The case that it is of.
    pub(crate) case: Option<Case>,
}

pub(crate) fn systems() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/systems")
}

/// All files of cases, with their case.
pub(crate) fn of_cases(wanted: impl Fn(&Case, &str) -> bool) -> Vec<Seed> {
    let mut all = Vec::new();
    for found in case::find(&systems()).expect("cases") {
        let Ok(case) = found.case else { continue };
        let mut files: Vec<PathBuf> = std::fs::read_dir(&found.folder)
            .expect("a folder")
            .map(|file| file.expect("a file").path())
            .collect();
        files.sort();
        for file in files {
            let name = file.file_name().expect("a name").to_string_lossy().into_owned();
            if wanted(&case, &name) {
                all.push(Seed {
                    name: format!("{}/{}/{name}", found.system, found.name),
                    bytes: std::fs::read(&file).expect("reads"),
                    case: Some(case.clone()),
                });
            }
        }
    }
    all
}
