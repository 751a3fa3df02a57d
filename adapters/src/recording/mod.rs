//! A real exchange becomes a contract case without the person in it.
//!
//! ```text
//! job ─────→ sanitised job ─→ adapter ─→ what the hub would send ─┐
//! request ──────────────────────────────── its form, those values ┴→ request.xml
//! response ─→ rules (stay) and stand-ins (everything else) ────────→ response.xml ─→ adapter ─→ [expected]
//!                         all files ─→ guard ─→ replay of the case ─→ written
//! ```
//!
//! *Guarantee*: nothing is written before the guard has found no value of the original in any byte
//! ([`guard`]) and the new case holds in a replay. One mapping for the whole case: a number that
//! stands in the job, the request and a document packed inside the response gets one stand-in.
//!
//! *Limits*: one request and one answer, of [`BYTES_MAX`] each; a sign-in before it is added.
//!
//! *What this does not do*: no DOCTYPE; what is neither XML nor JSON becomes an empty page.

mod case;
pub mod guard;
mod markup;
mod overlay;
mod rewrite;
mod rules;
mod stand_in;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use contracts::case::{Case, Found};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use self::{
    case::Draft,
    guard::{Guard, Hit},
    rewrite::{Original, Rewriter},
    rules::Rules,
    stand_in::StandIns,
};
use crate::replay::{Engine, Report};

/// Longer messages are not recorded.
pub const BYTES_MAX: usize = 16 * 1024 * 1024;
/// Seeds tried where a stand-in happens to be a value of the original.
const SEEDS_MAX: u64 = 8;
/// The job of a recorded case.
const JOB: Uuid = Uuid::from_u128(0x3f0c_2a52_6f0e_4d0e_9a7b_0000_0000_0001);

/// What was kept of a real exchange. Personal.
#[derive(Clone, Default)]
pub struct Raw {
    /// For example `gbdfl.person`; for a message that nobody asked for `eqyzmet.inbound`.
    pub operation: String,
    /// What was asked, where somebody asked.
    pub job: Option<RawJob>,
    /// As it was sent; empty where it had no body.
    pub request: Vec<u8>,
    /// As it came; empty where it had no body.
    pub response: Vec<u8>,
    /// HTTP status.
    pub status: Option<u16>,
    /// When.
    pub captured: Timestamp,
}

/// What was asked. Personal.
#[derive(Clone, Default)]
pub struct RawJob {
    /// Its id.
    pub id: Uuid,
    /// The portal's record.
    pub subject: String,
    /// Its input.
    pub input: Value,
    /// What an earlier attempt left for this one.
    pub carry: Option<Value>,
    /// It asked what became of a lost command.
    pub is_question: bool,
}

/// How the case shall be.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Its folder's name.
    pub name: String,
    /// What it shows; a sentence is made where it is absent.
    pub title: Option<String>,
    /// The folder of the systems: `contracts/systems`.
    pub systems: PathBuf,
    /// An empty folder to work in.
    pub scratch: PathBuf,
    /// Where the stand-ins begin; kept nowhere.
    pub seed: u64,
    /// Values that must not survive, besides those that are found.
    pub also: Vec<String>,
    /// A case of this name is replaced.
    pub replaces: bool,
    /// Nothing is written.
    pub is_trial: bool,
}

/// A case that was made.
#[derive(Debug)]
pub struct Recorded {
    /// Where it lies.
    pub folder: PathBuf,
    /// Its files.
    pub files: Vec<(String, Vec<u8>)>,
    /// Values that got a stand-in.
    pub replaced: usize,
    /// What its replay showed.
    pub report: Report,
}

/// Why nothing was written. Holds no value of the original.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The request makes no sense.
    #[error("{0}")]
    Use(String),
    /// What was kept cannot become a case.
    #[error("{0}")]
    Unusable(String),
    /// A value of the original is still there.
    #[error("a personal value survived, so nothing was written:\n{}", lines(.0))]
    Survived(Vec<Hit>),
    /// The new case does not hold.
    #[error("the case does not hold, so nothing was written:\n{0}")]
    DoesNotHold(Box<Report>),
    /// The file system.
    #[error("{}: {source}", path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

fn lines(hits: &[Hit]) -> String {
    hits.iter().map(|hit| format!("  {hit}")).collect::<Vec<_>>().join("\n")
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Raw").field("operation", &self.operation).finish_non_exhaustive()
    }
}

/// Records a case. `engine` holds the systems of the wish.
pub async fn record(engine: &Engine, raw: &Raw, wish: &Wish) -> Result<Recorded, Refusal> {
    check_use(raw, wish)?;
    let system = raw.operation.split('.').next().unwrap_or_default();
    let registered = engine.systems().iter().find(|one| one.spec().name == system);
    let registered = registered
        .ok_or_else(|| Refusal::Use(format!("{}: there is no such system", raw.operation)))?;
    let operation = registered.spec().operations.iter().find(|one| one.name == raw.operation);
    let choices = operation.map(|one| choices(&registered.input(one).0)).unwrap_or_default();
    let rules = Rules::load(&wish.systems, system, &choices).map_err(Refusal::Use)?;
    let recording = Recording { raw, wish, engine, rules, system };
    let mut hits = Vec::new();
    for seed in 0..SEEDS_MAX {
        match recording.once(wish.seed.wrapping_add(seed)).await {
            // A stand-in may happen to be a value of the original: another seed has others.
            Err(Refusal::Survived(found)) => hits = found,
            other => return other,
        }
    }
    Err(Refusal::Survived(hits))
}

fn check_use(raw: &Raw, wish: &Wish) -> Result<(), Refusal> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if wish.name.is_empty() || !wish.name.chars().all(is_name) {
        let text = "a case's name holds small letters, digits and underscores alone";
        return Err(Refusal::Use(text.to_owned()));
    }
    if raw.request.len() > BYTES_MAX || raw.response.len() > BYTES_MAX {
        return Err(Refusal::Unusable("the message is too long".to_owned()));
    }
    if raw.response.is_empty() && raw.status.is_none() {
        let text = "no answer was kept, so there is nothing to record; write the case by hand, \
                    with `transport`";
        return Err(Refusal::Unusable(text.to_owned()));
    }
    Ok(())
}

/// The values that a schema of an input lists.
fn choices(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(all) => {
            let listed = all.get("enum").and_then(Value::as_array).into_iter().flatten();
            let own = listed.chain(all.get("const")).filter_map(Value::as_str).map(str::to_owned);
            own.chain(all.values().flat_map(choices)).collect()
        }
        Value::Array(all) => all.iter().flat_map(choices).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

struct Recording<'r> {
    raw: &'r Raw,
    wish: &'r Wish,
    engine: &'r Engine,
    rules: Rules,
    system: &'r str,
}

impl Recording<'_> {
    async fn once(&self, seed: u64) -> Result<Recorded, Refusal> {
        let originals = self.originals();
        let guard = self.guard(&originals);
        let mut draft = Draft::new(self.raw, self.wish, seed);
        let mut stand_ins = self.stand_ins(seed, draft.now, &originals);
        let mut rewriter =
            Rewriter { rules: &self.rules, stand_ins: &mut stand_ins, guard: &guard };
        draft.job(self.raw, &mut rewriter);
        // What the hub sends does not depend on the answer.
        draft.response = rewriter.message(&self.raw.response);
        let first = self.rehearse(&mut draft).await?;
        let mut stand_ins = self.stand_ins(seed, draft.now, &originals);
        let mut rewriter =
            Rewriter { rules: &self.rules, stand_ins: &mut stand_ins, guard: &guard };
        draft.job(self.raw, &mut rewriter);
        if let Some((method, path, body)) = first.sent.last() {
            draft.path = Some((method.clone(), path.clone()));
            draft.request = overlay::overlay(&self.raw.request, body, &mut rewriter);
        } else {
            draft.request = rewriter.message(&self.raw.request);
        }
        draft.response = rewriter.message(&self.raw.response);
        let seen = self.rehearse(&mut draft).await?;
        let is_valid = self.engine.schemas().faults(self.system, &draft.response).is_empty();
        let files = draft.files(Some((&seen, is_valid)));
        let hits = self.hits(guard, &originals, &stand_ins, &files);
        if !hits.is_empty() {
            return Err(Refusal::Survived(hits));
        }
        let report = self.engine.check(&self.put(&files)?).await;
        if !report.holds() {
            return Err(Refusal::DoesNotHold(Box::new(report)));
        }
        let folder = self.wish.systems.join(self.system).join("cases").join(&self.wish.name);
        if !self.wish.is_trial {
            write(&folder, &files, self.wish.replaces)?;
        }
        Ok(Recorded { folder, files, replaced: originals.len(), report })
    }

    fn stand_ins(&self, seed: u64, now: Timestamp, originals: &[Original]) -> StandIns {
        let mut stand_ins = StandIns::new(seed, self.raw.captured, now);
        for one in originals {
            stand_ins.forbid(&one.value);
        }
        if let Some(job) = &self.raw.job {
            stand_ins.set(&job.id.to_string(), &JOB.to_string());
        }
        stand_ins
    }

    /// Plays the draft; where the hub signs in first, that comes before.
    async fn rehearse(&self, draft: &mut Draft) -> Result<crate::replay::Rehearsal, Refusal> {
        loop {
            let found = self.put(&draft.files(None))?;
            let seen = self.engine.rehearse(&found).await.map_err(Refusal::Unusable)?;
            let is_sign_in = seen.sent.first().is_some_and(|(_, _, body)| case::is_sign_in(body));
            if is_sign_in && draft.sign_in.is_none() && !case::is_sign_in(&self.raw.request) {
                draft.sign_in = seen.sent.into_iter().next();
            } else {
                return Ok(seen);
            }
        }
    }

    /// Writes a draft where it can be replayed.
    fn put(&self, files: &[(String, Vec<u8>)]) -> Result<Found, Refusal> {
        let folder = self.wish.scratch.join(&self.wish.name);
        write(&folder, files, true)?;
        let case = Case::load(&folder);
        if let Err(error) = &case {
            return Err(Refusal::Unusable(error.to_string()));
        }
        Ok(Found { system: self.system.to_owned(), name: self.wish.name.clone(), folder, case })
    }

    /// Every value that must not stay, with its place.
    fn originals(&self) -> Vec<Original> {
        let mut all = rewrite::originals(&self.raw.request, &self.rules);
        all.extend(rewrite::originals(&self.raw.response, &self.rules));
        if let Some(job) = &self.raw.job {
            let path = &mut vec!["job".to_owned()];
            rewrite::originals_of_json(&job.input, &self.rules, path, &mut all);
            if let Some(carry) = &job.carry {
                rewrite::originals_of_json(carry, &self.rules, path, &mut all);
            }
            all.push(Original { path: "job/subject".to_owned(), value: job.subject.clone() });
        }
        all
    }

    fn guard(&self, originals: &[Original]) -> Guard {
        let messages = [&self.raw.request[..], &self.raw.response[..]];
        let mut guard = Guard::of_form(&self.raw.operation, messages);
        if let Some(job) = &self.raw.job {
            [Some(&job.input), job.carry.as_ref()]
                .into_iter()
                .flatten()
                .for_each(|value| guard.add_keys(value));
        }
        for one in originals {
            guard.add_original(one);
        }
        guard.add_numbers(&self.raw.request);
        guard.add_numbers(&self.raw.response);
        guard
    }

    fn hits(
        &self,
        mut guard: Guard,
        originals: &[Original],
        stand_ins: &StandIns,
        files: &[(String, Vec<u8>)],
    ) -> Vec<Hit> {
        let of_job = || originals.iter().filter(|one| one.path.starts_with("job"));
        let is_of_job = |value: &str| of_job().any(|one| one.value == value);
        let of_settings = stand_ins.same().filter(|value| !is_of_job(value));
        self.rules.constants().chain(of_settings).for_each(|value| guard.allow(value));
        guard.allow(&JOB.to_string());
        self.wish.also.iter().for_each(|value| guard.add("your list", value));
        let named = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        let folder = [(self.wish.name.as_str(), &b""[..])];
        named.chain(folder).flat_map(|(name, bytes)| guard.search(name, bytes)).collect()
    }
}

fn write(folder: &Path, files: &[(String, Vec<u8>)], replaces: bool) -> Result<(), Refusal> {
    let wrong = |path: &Path| {
        let path = path.to_owned();
        move |source| Refusal::File { path, source }
    };
    if folder.exists() {
        if !replaces {
            let text = format!("{}: there is such a case; --force replaces it", folder.display());
            return Err(Refusal::Use(text));
        }
        std::fs::remove_dir_all(folder).map_err(wrong(folder))?;
    }
    std::fs::create_dir_all(folder).map_err(wrong(folder))?;
    for (name, bytes) in files {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(wrong(&path))?;
    }
    Ok(())
}
