//! Where the years come from: the program's own files, or a folder instead of them.

use std::path::Path;

use super::year::{Fault, Year};

/// The program's own years.
const BUILT_IN: [(&str, &str); 10] = [
    ("2019.toml", include_str!("years/2019.toml")),
    ("2020.toml", include_str!("years/2020.toml")),
    ("2021.toml", include_str!("years/2021.toml")),
    ("2022.toml", include_str!("years/2022.toml")),
    ("2023.toml", include_str!("years/2023.toml")),
    ("2024.toml", include_str!("years/2024.toml")),
    ("2025.toml", include_str!("years/2025.toml")),
    ("2026.toml", include_str!("years/2026.toml")),
    ("2027.toml", include_str!("years/2027.toml")),
    ("2028.toml", include_str!("years/2028.toml")),
];

/// Files that a folder may hold.
const FILES_MAX: usize = 200;
/// Bytes that a file may have.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The program's own years.
pub(super) fn built_in() -> Result<Vec<Year>, Vec<Fault>> {
    all(BUILT_IN.iter().map(|(name, text)| Year::read(name, text)))
}

/// The years of a folder: every file whose name ends in `.toml` is one.
pub(super) fn in_folder(folder: &Path) -> Result<Vec<Year>, Vec<Fault>> {
    let fault =
        |file: &Path, expected: String| Fault { file: file.display().to_string(), expected };
    let unreadable = |error| vec![fault(folder, format!("a readable folder ({error})"))];
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    if paths.is_empty() || paths.len() > FILES_MAX {
        let expected = format!("files YYYY.toml, at most {FILES_MAX}");
        return Err(vec![fault(folder, expected)]);
    }
    paths.sort();
    all(paths.iter().map(|path| {
        let size = std::fs::metadata(path).map_or(0, |about| about.len());
        if size > FILE_BYTES_MAX {
            return Err(fault(path, format!("at most {FILE_BYTES_MAX} bytes")));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| fault(path, format!("a readable file ({error})")))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Year::read(&name, &text)
    }))
}

/// All years, or every fault in them.
fn all(years: impl Iterator<Item = Result<Year, Fault>>) -> Result<Vec<Year>, Vec<Fault>> {
    let (good, bad): (Vec<_>, Vec<_>) = years.partition(Result::is_ok);
    if bad.is_empty() {
        Ok(good.into_iter().flatten().collect())
    } else {
        Err(bad.into_iter().filter_map(Result::err).collect())
    }
}
