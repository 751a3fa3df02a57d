//! `hub contracts`: the cases in `contracts/systems`, for those who keep them.
//!
//! `check` replays cases against the adapters, in this process and without a network
//! ([`adapters::replay`]); `replay` sends them to a live system ([`adapters::replay::live`]); `record`
//! makes one of a real exchange ([`adapters::recording`]).
//! Exit codes: 0 every case holds, 1 one does not, 2 wrong use.

mod html;
mod junit;
mod list;
mod record;
mod replay;
mod stands;
mod style;
mod summary;
mod timings;

use std::{
    collections::BTreeSet,
    io::IsTerminal,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use adapters::replay::{Engine, Report, compare::Difference};
use comfy_table::Table;
use contracts::case::Found;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use self::style::Style;
use super::{DONE, FAILED, WRONG_USE, complain, say};

/// The folder where it is when the hub is built from this project.
pub(super) const FOLDER: &str = "contracts/systems";

/// What to do with the cases.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// What cases there are.
    List(list::List),
    /// Replay cases against the adapters: requests, answers, outcomes, schemas.
    Check(Check),
    /// Send the requests of cases to a live system, and report where its answers have drifted.
    Replay(Box<replay::Replay>),
    /// Make a case of a real exchange, without the person in it.
    Record(Box<record::Record>),
}

/// Which cases.
#[derive(Debug, clap::Args)]
struct Which {
    /// Only this system: gbdfl.
    #[arg(long)]
    system: Option<String>,
    /// Only cases of this name, or whose name begins so and ends with `*`.
    #[arg(long)]
    case: Option<String>,
    /// The folder of the systems.
    #[arg(long, default_value = FOLDER)]
    cases: PathBuf,
}

/// Which cases, and how to tell.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    which: Which,
    /// Tell as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(path: Option<&Path>, command: Command) -> u8 {
    let done = match command {
        Command::List(list) => list::run(&list),
        Command::Check(check) => run_check(check).await,
        Command::Replay(replay) => replay::run(*replay).await,
        Command::Record(record) => Ok(record::run(path, *record).await),
    };
    done.unwrap_or_else(|code| code)
}

async fn run_check(check: Check) -> Result<u8, u8> {
    let engine = check.which.open()?;
    let chosen = check.which.choose(&engine)?;
    let bar = progress(chosen.len(), check.json);
    let started = Instant::now();
    let reports = engine.check_all(chosen, |_| bar.inc(1)).await;
    bar.finish_and_clear();
    let took = started.elapsed();
    if check.json {
        say(&as_json(&reports, took));
    } else {
        say(&as_text(&reports, took, &Style::of_stdout()));
    }
    Ok(if reports.iter().all(Report::holds) { DONE } else { FAILED })
}

impl Which {
    /// The folder's cases and schemas; or the exit code, after a complaint.
    fn open(&self) -> Result<Engine, u8> {
        Engine::open(&self.cases).map_err(|error| {
            complain(&error);
            let is_there = self.cases.is_dir();
            if !is_there {
                complain(&"run it in the project's folder, or name the folder with --cases");
            }
            if is_there { FAILED } else { WRONG_USE }
        })
    }

    /// The cases that are meant; there is at least one.
    fn choose<'e>(&self, engine: &'e Engine) -> Result<Vec<&'e Found>, u8> {
        let chosen: Vec<&Found> = engine.cases().iter().filter(|found| self.wants(found)).collect();
        if chosen.is_empty() {
            complain(&self.nothing(engine.cases()));
            return Err(WRONG_USE);
        }
        Ok(chosen)
    }

    fn wants(&self, found: &Found) -> bool {
        let is_named = |wanted: &str| match wanted.strip_suffix('*') {
            Some(start) => found.name.starts_with(start),
            None => found.name == wanted,
        };
        self.system.as_ref().is_none_or(|system| *system == found.system)
            && self.case.as_deref().is_none_or(is_named)
    }

    /// Why no case was chosen, with what there is.
    fn nothing(&self, all: &[Found]) -> String {
        let systems: BTreeSet<&str> = all.iter().map(|found| found.system.as_str()).collect();
        match &self.system {
            Some(system) if !systems.contains(system.as_str()) => {
                let known = systems.into_iter().collect::<Vec<_>>().join(", ");
                format!("there is no system {system} with cases; there are: {known}")
            }
            _ => format!("no such case below {}", self.cases.display()),
        }
    }
}

fn progress(count: usize, is_quiet: bool) -> ProgressBar {
    if is_quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} cases");
    let bar = ProgressBar::new(u64::try_from(count).unwrap_or(u64::MAX));
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn as_text(reports: &[Report], took: Duration, style: &Style) -> String {
    let mut out = String::new();
    for report in reports {
        if !report.holds() {
            out.push_str(&failed(report, style));
        }
        for warning in &report.warnings {
            let of = format!("{}/{}", report.system, report.case);
            out.push_str(&format!("{} {of}: {warning}\n\n", style.note("LOOK ")));
        }
    }
    let mut table = Table::new();
    table.set_header(["system", "cases", "hold", "fail"]);
    let systems: BTreeSet<&str> = reports.iter().map(|one| one.system.as_str()).collect();
    for system in systems {
        let own = reports.iter().filter(|report| report.system == system);
        let (hold, fail): (Vec<_>, Vec<_>) = own.partition(|report| report.holds());
        let (hold, fail) = (hold.len(), fail.len());
        table.add_row([system, &(hold + fail).to_string(), &hold.to_string(), &fail.to_string()]);
    }
    let failed = reports.iter().filter(|report| !report.holds()).count();
    let verdict = if failed == 0 {
        style.good("every case holds")
    } else {
        style.bad(&format!("{failed} of {} cases fail", reports.len()))
    };
    format!("{out}{table}\n\n{verdict}, {:.1} s", took.as_secs_f64())
}

/// A case that fails, in the words of [`Report`], with what was expected and what came apart in colour.
fn failed(report: &Report, style: &Style) -> String {
    let name = format!("{}/{}", report.system, report.case);
    let mut out = format!("{} {}: {}\n", style.bad("FAILS"), style.strong(&name), report.title);
    out.push_str(&format!("  {}\n", style.quiet(&shown(&report.folder))));
    for finding in &report.findings {
        let what = style.note(finding.what.name());
        out.push_str(&format!("  {what} ({})", finding.file));
        if !finding.text.is_empty() {
            out.push_str(&format!(": {}", finding.text));
        }
        for Difference { path, expected, got } in &finding.differences {
            let (expected, got) = (style.good(expected), style.bad(got));
            out.push_str(&format!("\n    {path}: expected {expected}, got {got}"));
        }
        out.push('\n');
    }
    if let Some(closest) = &report.closest {
        out.push_str(&format!("  that is what the case {} expects\n", style.strong(closest)));
    }
    out + "\n"
}

fn as_json(reports: &[Report], took: Duration) -> serde_json::Value {
    let case = |report: &Report| {
        let findings: Vec<_> =
            report
                .findings
                .iter()
                .map(|finding| {
                    let differences: Vec<_> = finding.differences.iter().map(|one| {
                json!({ "path": one.path, "expected": one.expected, "got": one.got })
            }).collect();
                    json!({
                        "what": finding.what.name(),
                        "file": finding.file,
                        "text": finding.text,
                        "differences": differences,
                    })
                })
                .collect();
        json!({
            "system": report.system,
            "case": report.case,
            "title": report.title,
            "folder": shown(&report.folder),
            "holds": report.holds(),
            "findings": findings,
            "warnings": report.warnings,
            "closest": report.closest,
        })
    };
    let failed = reports.iter().filter(|report| !report.holds()).count();
    json!({
        "checked": reports.len(),
        "failed": failed,
        "seconds": took.as_secs_f64(),
        "cases": reports.iter().map(case).collect::<Vec<_>>(),
    })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FOLDER)
    }

    fn check(system: Option<&str>, case: Option<&str>, cases: PathBuf) -> Check {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let which = Which { system: owned(system), case: owned(case), cases };
        Check { which, json: true }
    }

    async fn code(system: Option<&str>, case: Option<&str>, cases: PathBuf) -> u8 {
        run(None, Command::Check(check(system, case, cases))).await
    }

    #[tokio::test]
    async fn the_exit_code_tells_a_good_case_from_a_bad_one_and_from_wrong_use() {
        assert_eq!(code(Some("gbdfl"), Some("not_found*"), repository()).await, DONE);
        assert_eq!(code(Some("nobody"), None, repository()).await, WRONG_USE);
        assert_eq!(code(None, Some("no_such_case"), repository()).await, WRONG_USE);
        assert_eq!(code(None, None, "no/such/folder".into()).await, WRONG_USE);
        let folder = tempfile::tempdir().expect("a folder");
        let case = folder.path().join("gbdfl/cases/broken");
        std::fs::create_dir_all(&case).expect("a folder");
        std::fs::write(case.join("case.toml"), "title = 1").expect("a file");
        assert_eq!(code(None, None, folder.path().to_owned()).await, FAILED);
        std::fs::write(folder.path().join("gbdfl/bad.xsd"), "<x/>").expect("a file");
        assert_eq!(code(None, None, folder.path().to_owned()).await, FAILED);
    }

    #[tokio::test]
    async fn a_failed_case_is_told_with_its_file_and_colours_stay_on_terminals() {
        let folder = tempfile::tempdir().expect("a folder");
        let case = folder.path().join("gbdfl/cases/broken");
        std::fs::create_dir_all(&case).expect("a folder");
        std::fs::write(case.join("case.toml"), "title = 1").expect("a file");
        let engine = Engine::open(folder.path()).expect("readable");
        let reports = engine.check_all(engine.cases(), |_| ()).await;
        let text = |has_colours| as_text(&reports, Duration::ZERO, &Style::new(has_colours));
        let plain = text(false);
        for part in
            ["FAILS gbdfl/broken", "case.toml:1:9: title: invalid type", "1 of 1 cases fail"]
        {
            assert!(plain.contains(part), "{part}: {plain}");
        }
        assert!(!plain.contains('\u{1b}') && text(true).contains("\u{1b}[31mFAILS"));
        let json = as_json(&reports, Duration::ZERO);
        assert_eq!((&json["checked"], &json["failed"]), (&json!(1), &json!(1)));
        assert_eq!(json["cases"][0]["findings"][0]["what"], "case");
    }

    #[test]
    fn a_star_chooses_by_the_beginning_of_a_name() {
        let found = |name: &str| Found {
            system: "gbdfl".to_owned(),
            name: name.to_owned(),
            folder: PathBuf::new(),
            case: contracts::case::Case::load(Path::new("nowhere")),
        };
        let which = check(None, Some("not_*"), PathBuf::new()).which;
        assert!(which.wants(&found("not_found")) && !which.wants(&found("found")));
    }
}
