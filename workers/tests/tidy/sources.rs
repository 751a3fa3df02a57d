//! The files of the project, as Git lists them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A text file of the project.
pub struct Source {
    /// From the project's folder.
    pub path: String,
    pub text: String,
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Everything that is or will be tracked, where it is text.
pub fn all() -> Vec<Source> {
    let text = |path: &str| std::fs::read_to_string(root().join(path)).ok();
    let paths = listed().unwrap_or_else(|| walked(&root(), ""));
    let sources: Vec<Source> =
        paths.into_iter().filter_map(|path| Some(Source { text: text(&path)?, path })).collect();
    assert!(sources.len() > 100, "only {} files were found", sources.len());
    sources
}

fn listed() -> Option<Vec<String>> {
    let listed = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let paths = String::from_utf8(listed.stdout).ok()?;
    Some(paths.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

/// Where there is no Git: everything but what is built or hidden.
fn walked(folder: &Path, prefix: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{prefix}{name}");
        if entry.path().is_dir() {
            if name != "target" && !name.starts_with('.') {
                paths.extend(walked(&entry.path(), &format!("{path}/")));
            }
        } else {
            paths.push(path);
        }
    }
    paths
}

/// The Rust files.
pub fn rust() -> Vec<Source> {
    all().into_iter().filter(|source| is_rust(&source.path)).collect()
}

pub fn is_rust(path: &str) -> bool {
    path.rsplit('.').next() == Some("rs")
}

/// Programs and libraries, without their separate tests; the chaos tests stand outside like a portal.
pub fn programs() -> Vec<Source> {
    let is_ours =
        |source: &Source| source.path.contains("/src/") && !source.path.starts_with("chaos-tests/");
    rust().into_iter().filter(is_ours).collect()
}

impl Source {
    /// The lines that are no comments, with their numbers.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(at, line)| (at + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Where the code says one of these words.
    pub fn places(&self, words: &[&str]) -> Vec<String> {
        let says = |line: &str| words.iter().any(|word| line.contains(word));
        let places = self.code().filter(|(_, line)| says(line));
        places.map(|(at, line)| format!("{}:{at}: {}", self.path, line.trim())).collect()
    }
}
