//! What the pages name exists: files, anchors, commands with their options, metrics, tables, settings.
//!
//! *What this does not do*: it does not judge sentences, and the commands of other programs.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use workers::telemetry::metric::Metric;

use crate::sources::{Source, all, root};

/// A page of the project, taken apart.
struct Page {
    path: String,
    /// What stands between backticks, outside of blocks.
    spans: Vec<String>,
    /// The lines of blocks of shell commands, comments cut off.
    commands: Vec<String>,
    /// What a link may lead to.
    anchors: BTreeSet<String>,
    /// Links: the file (empty: this page) and the anchor.
    links: Vec<(String, String)>,
}

impl Page {
    fn read(source: Source) -> Self {
        let mut page = Self {
            path: source.path,
            spans: Vec::new(),
            commands: Vec::new(),
            anchors: BTreeSet::new(),
            links: Vec::new(),
        };
        let mut fence: Option<String> = None;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for line in source.text.lines() {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                fence = if fence.is_some() { None } else { Some(language.trim().to_owned()) };
            } else if let Some(language) = &fence {
                if language == "sh" {
                    page.commands.push(line.split(" #").next().unwrap_or_default().to_owned());
                }
            } else {
                page.line(line, &mut counts);
            }
        }
        page
    }

    fn line(&mut self, line: &str, counts: &mut BTreeMap<String, usize>) {
        if line.starts_with('#') {
            let slug = slug(line.trim_start_matches('#').trim());
            let times = counts.entry(slug.clone()).or_default();
            self.anchors.insert(if *times == 0 { slug } else { format!("{slug}-{times}") });
            *times += 1;
        }
        let ids = line.split("<a id=\"").skip(1).filter_map(|rest| rest.split('"').next());
        self.anchors.extend(ids.map(str::to_owned));
        self.spans.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        for link in line.split("](").skip(1) {
            let target = link.split([')', ' ']).next().unwrap_or_default();
            if let Some((file, anchor)) = target.split_once('#').filter(|_| !target.contains("://"))
            {
                self.links.push((file.to_owned(), anchor.to_owned()));
            }
        }
    }

    /// A path that this page names, from the project's folder; `None` where nothing is there.
    fn find(&self, path: &str) -> Option<std::path::PathBuf> {
        let folder = root().join(&self.path).parent().map(std::path::Path::to_owned);
        let places = [Some(root()), folder];
        places.into_iter().flatten().map(|place| place.join(path)).find(|place| place.exists())
    }
}

/// The anchor of a heading, as GitHub makes it.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn ending(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or_default()
}

fn is_page(source: &Source) -> bool {
    ending(&source.path) == "md"
}

fn pages() -> Vec<Page> {
    let pages: Vec<Page> = all().into_iter().filter(is_page).map(Page::read).collect();
    assert!(pages.len() > 10, "only {} pages", pages.len());
    pages
}

fn none(what: &str, strays: &[String]) {
    assert!(strays.is_empty(), "{what}:\n{}", strays.join("\n"));
}

/// All text below some folders.
fn text(folders: &[&str]) -> String {
    let is_there = |source: &Source| folders.iter().any(|folder| source.path.starts_with(folder));
    let sources = all().into_iter().filter(is_there);
    sources.filter(|s| !is_page(s)).map(|s| s.text).collect()
}

fn is_word(text: &str, also: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || also.contains(c))
}

#[test]
fn every_file_that_a_page_names_is_there() {
    const FOLDERS: [&str; 8] =
        ["workers", "adapters", "contracts", "migrations", "docker", "chaos-tests", "src", "tests"];
    let is_path = |span: &str| {
        let plain = span.chars().all(|c| c.is_ascii_alphanumeric() || "_./-".contains(c));
        plain && span.split_once('/').is_some_and(|(first, _)| FOLDERS.contains(&first))
    };
    let mut strays = Vec::new();
    for page in pages() {
        for span in page.spans.iter().filter(|span| is_path(span)) {
            if page.find(span).is_none() {
                strays.push(format!("{}: {span}", page.path));
            }
        }
    }
    none("no such file", &strays);
}

#[test]
fn every_anchor_of_a_link_is_there() {
    let pages = pages();
    let normal = |path: &std::path::Path| path.canonicalize().unwrap_or_default();
    let anchors: BTreeMap<_, _> =
        pages.iter().map(|page| (normal(&root().join(&page.path)), &page.anchors)).collect();
    let mut strays = Vec::new();
    for page in &pages {
        for (file, anchor) in &page.links {
            let own = root().join(&page.path);
            let target =
                if file.is_empty() { own } else { own.parent().expect("a folder").join(file) };
            if anchors.get(&normal(&target)).is_none_or(|known| !known.contains(anchor)) {
                strays.push(format!("{}: {file}#{anchor}", page.path));
            }
        }
    }
    none("no such anchor", &strays);
}

/// What `hub … --help` says; `None` where there is no such command.
fn help(words: &[&str]) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_hub"))
        .args(words)
        .arg("--help")
        .env_remove("HUB_CONFIG")
        .output()
        .expect("the program hub");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(text)
}

/// What is wrong with a command line that a page shows.
fn fault(line: &str, known: &mut BTreeMap<String, Option<String>>) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().skip(1).collect();
    let first = *words.first().filter(|word| is_word(word, "-|\\"))?;
    let mut ask =
        |words: &[&str]| known.entry(words.join(" ")).or_insert_with(|| help(words)).clone();
    let mut options: Vec<String> = Vec::new();
    for first in first.replace('\\', "").split('|') {
        let Some(about) = ask(&[first]) else { return Some(format!("hub {first}")) };
        if !about.contains("\nCommands:") {
            options.push(about);
            continue;
        }
        let second = words.get(1).filter(|word| is_word(word, "-|\\")).copied();
        for second in second.unwrap_or_default().replace('\\', "").split('|') {
            if second.is_empty() || second.starts_with("--") {
                continue;
            }
            match ask(&[first, second]) {
                Some(about) => options.push(about),
                None => return Some(format!("hub {first} {second}")),
            }
        }
    }
    let names = words.iter().flat_map(|word| word.trim_matches(['[', ']', '\\']).split('|'));
    let names = names.map(|word| word.trim_end_matches(['\\', ']', ',', '.']).split('=').next());
    let mut names = names.flatten().filter(|name| name.starts_with("--") && name.len() > 2);
    if options.is_empty() {
        return None;
    }
    let unknown = names.find(|name| !options.iter().any(|about| about.contains(*name)));
    unknown.map(|name| format!("{line}: {name}"))
}

#[test]
fn every_command_and_option_that_a_page_shows_is_there() {
    let (mut known, mut strays, mut seen) = (BTreeMap::new(), Vec::new(), 0);
    for page in pages() {
        let spans = page.spans.iter().filter(|span| !span.contains('…')).cloned();
        let commands = page
            .commands
            .iter()
            .map(|line| line.trim().replacen("cargo run -p workers --bin hub --", "hub", 1));
        for line in commands.chain(spans).filter(|line| line.starts_with("hub ")) {
            // Of a pipeline or a redirection the first command.
            let own = line.split([';', '&', '>']).next().unwrap_or_default();
            let own = own.split(" | ").next().unwrap_or_default();
            seen += 1;
            strays.extend(fault(own, &mut known).map(|what| format!("{}: {what}", page.path)));
        }
    }
    assert!(seen > 50, "only {seen} commands were found");
    none("no such command or option", &strays);
}

#[test]
fn every_metric_that_a_page_names_is_there() {
    let metrics: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    // Roles and channels of the database, secrets and faults of chaos begin with `hub_` too.
    let others = text(&["migrations/", "docker/postgres/", "docker/secrets/", "chaos-tests/"]);
    let mut strays = Vec::new();
    for page in pages() {
        for span in &page.spans {
            let name = span.split(['{', '[', ' ']).next().unwrap_or_default();
            if !name.starts_with("hub_") || !is_word(name, "_") || name.ends_with('_') {
                continue;
            }
            let bare = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let is_metric = metrics.contains(name) || bare.is_some_and(|n| metrics.contains(n));
            if !is_metric && !others.contains(name) {
                strays.push(format!("{}: {name}", page.path));
            }
        }
    }
    none("no such metric, role, channel, secret or fault", &strays);
}

#[test]
fn every_table_queue_and_setting_that_a_page_names_is_there() {
    const SECTIONS: [&str; 12] = [
        "admin",
        "amqp",
        "calendar",
        "callbacks",
        "clock",
        "database",
        "inbound",
        "links",
        "pipeline",
        "retention",
        "seal",
        "worker",
    ];
    let named = text(&["migrations/", "contracts/src/", "workers/src/store/"]);
    let read = text(&["workers/src/config/"]);
    let mut strays = Vec::new();
    for page in pages() {
        for span in page.spans.iter().filter(|span| is_word(span, "._") && ending(span) != "rs") {
            let Some((first, rest)) = span.split_once('.') else { continue };
            let second = rest.split('.').next().unwrap_or_default();
            let is_there = match first {
                // Files beside a page: hub.toml, hub.service.
                "hub" | "portal" => {
                    let queue = second == "jobs" && rest != second;
                    queue
                        || named.contains(&format!("{first}.{second}"))
                        || page.find(span).is_some()
                        || ending(span) == "toml"
                }
                section if SECTIONS.contains(&section) && rest == second => {
                    read.contains(&format!("\"{span}")) || read.contains(&format!("\"{second}\""))
                }
                _ => true,
            };
            if !is_there {
                strays.push(format!("{}: {span}", page.path));
            }
        }
    }
    none("no such table, exchange or setting", &strays);
}

#[test]
fn a_page_that_names_what_is_not_there_is_found_out() {
    let mut known = BTreeMap::new();
    assert!(fault("hub jobs list --state failed", &mut known).is_none());
    assert!(fault("hub jobs lits", &mut known).is_some());
    assert!(fault("hub jobs list --stat failed --nonsense", &mut known).is_some());
    assert!(fault("hub joobs", &mut known).is_some());
    assert_eq!(slug("No job at all: the quarantine"), "no-job-at-all-the-quarantine");
}
