//! Sizes, stray marks, links, and folders that belong together.

use crate::sources::{Source, all, is_rust, root, rust};

/// Longer files are to be split.
const LINES_MAX: usize = 700;
const LINE_CHARS_MAX: usize = 120;

fn none(what: &str, strays: &[String]) {
    assert!(strays.is_empty(), "{what}:\n{}", strays.join("\n"));
}

#[test]
fn files_are_short_enough_to_read() {
    let long = rust().into_iter().filter_map(|source| {
        let lines = source.text.lines().count();
        (lines > LINES_MAX).then(|| format!("{}: {lines} lines", source.path))
    });
    none("too long", &long.collect::<Vec<_>>());
}

#[test]
fn half_of_the_files_have_at_most_150_lines() {
    let mut lines: Vec<usize> = rust().iter().map(|source| source.text.lines().count()).collect();
    lines.sort_unstable();
    let median = lines[lines.len() / 2];
    assert!(median <= 150, "the median is {median} lines");
}

#[test]
fn every_file_says_what_it_is_for() {
    // The tests of one file, beside it, need no words of their own.
    let is_beside = |path: &str| path.contains("/src/") && path.ends_with("tests.rs");
    let silent = rust()
        .into_iter()
        .filter(|source| !source.text.trim().is_empty() && !is_beside(&source.path))
        .filter(|source| !source.text.starts_with("//!"));
    let silent: Vec<String> = silent.map(|source| source.path).collect();
    none("no module documentation", &silent);
}

#[test]
fn nothing_is_left_to_be_done_later() {
    let marks = ["TO", "FIX", "XX"].map(|start| match start {
        "TO" => "TODO".to_owned(),
        "FIX" => "FIXME".to_owned(),
        start => format!("{start}X"),
    });
    let macros = ["dbg", "todo", "unimplemented"].map(|name| format!("{name}!("));
    let mut strays = Vec::new();
    for source in rust().iter().filter(|source| !is_tidy(source)) {
        for (at, line) in source.text.lines().enumerate() {
            if marks.iter().chain(&macros).any(|mark| line.contains(mark.as_str())) {
                strays.push(format!("{}:{}: {}", source.path, at + 1, line.trim()));
            }
        }
    }
    none("to be done", &strays);
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() {
    let files = rust().into_iter().filter(|source| !is_tidy(source));
    let strays: Vec<String> =
        files.flat_map(|source| source.places(&["#[allow", "#![allow", "#[ignore"])).collect();
    none("allowed or ignored", &strays);
}

#[test]
fn no_machine_is_named() {
    let words = ["/home/", "/root/", "/Users/"];
    let lines = |source: &Source| {
        let strays = source.text.lines().enumerate().filter(|(_, line)| {
            words.iter().any(|word| line.contains(word)) && !line.contains("github.com")
        });
        let strays = strays.map(|(at, line)| format!("{}:{}: {line}", source.path, at + 1));
        strays.collect::<Vec<_>>()
    };
    let strays: Vec<String> =
        all().iter().filter(|source| !is_tidy(source)).flat_map(lines).collect();
    none("a path of one machine", &strays);
    let lock = all().into_iter().find(|source| source.path == "Cargo.lock").unwrap();
    let sources = lock.text.lines().filter(|line| line.starts_with("source = "));
    let foreign: Vec<String> = sources
        .filter(|line| !line.contains("registry+https://github.com/rust-lang/crates.io-index"))
        .map(str::to_owned)
        .collect();
    none("crates from elsewhere", &foreign);
}

#[test]
fn every_registered_system_has_code_and_a_contract() {
    for system in adapters::systems::all() {
        let name = system.spec().name;
        let code = root().join("adapters/src/systems").join(name);
        for file in ["mod.rs", "wire.rs", "failures.rs", "simulator.rs", "tests.rs"] {
            assert!(code.join(file).is_file(), "{name} has no {file}");
        }
        let contract = root().join("contracts/systems").join(name);
        assert!(contract.join("README.md").is_file(), "{name}: no README.md of its contract");
        let entries = std::fs::read_dir(&contract).unwrap();
        let mut names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(names.any(|file| file.rsplit('.').next() == Some("xsd")), "{name}: no XSD");
        // What stands in a case, `adapters/tests/cases.rs` checks.
        for case in std::fs::read_dir(contract.join("cases")).unwrap() {
            let case = case.unwrap().path();
            assert!(case.join("case.toml").is_file(), "{} has no case.toml", case.display());
        }
        let own: Vec<_> = system.spec().operations.iter().map(|o| o.short_name()).collect();
        for short in own {
            assert!(code.join(format!("{short}.rs")).is_file(), "{name} has no {short}.rs");
        }
    }
}

#[test]
fn no_folder_of_a_system_is_left_unregistered() {
    let known: Vec<&str> = adapters::systems::all().iter().map(|s| s.spec().name).collect();
    for entry in std::fs::read_dir(root().join("adapters/src/systems")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            assert!(known.contains(&name.as_str()), "{name} is not registered");
        }
    }
}

#[test]
fn every_link_of_a_readme_leads_somewhere() {
    let mut broken = Vec::new();
    for source in all().iter().filter(|source| source.path.rsplit('.').next() == Some("md")) {
        let folder = root().join(&source.path).parent().unwrap().to_owned();
        for link in source.text.split("](").skip(1) {
            let target = link.split([')', '#', ' ']).next().unwrap_or_default();
            let is_file = !target.is_empty() && !target.contains("://") && !target.contains('@');
            if is_file && !folder.join(target).exists() {
                broken.push(format!("{}: {target}", source.path));
            }
        }
    }
    none("links to nothing", &broken);
}

#[test]
fn lines_fit_on_a_screen() {
    let long = |source: &Source| {
        let lines = source.text.lines().enumerate();
        let long = lines.filter(|(_, line)| line.chars().count() > LINE_CHARS_MAX);
        long.map(|(at, _)| format!("{}:{}", source.path, at + 1)).collect::<Vec<_>>()
    };
    let exempt = |source: &&Source| {
        // One command that is pasted into a shell.
        is_rust(&source.path) && source.path != "workers/src/cli/demo.rs"
    };
    let strays: Vec<String> = rust().iter().filter(exempt).flat_map(long).collect();
    none(&format!("longer than {LINE_CHARS_MAX} columns"), &strays);
}

/// These files name what they forbid.
fn is_tidy(source: &Source) -> bool {
    source.path.starts_with("workers/tests/tidy")
}
