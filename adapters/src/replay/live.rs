//! Sends the requests of cases to a live system, and tells where its answers have drifted.
//!
//! ```text
//! case.toml ─ job, with a number of its own ─→ Adapter ─ request ─→ a stand, or `hub simulate`
//!                                                 │ ←── answer ──────────┘ (ordered, at a simulator)
//!  recorded answer ─→ drift ←─ answer             └─→ what was learned ─ [expected]: the same?
//! ```
//!
//! The request is what the hub would send: written by the adapter, with a fresh number and date.
//! [`Options::as_recorded`] sends the file of the case instead.
//!
//! *What can be asked*: a stand gives the answers that follow from the person or organisation alone.
//! A case whose `behaviour` says that the other side must be made to do something is skipped at a
//! stand, with that reason; a simulator is ordered to do it.
//!
//! *Guarantee*: each request is sent at most once. A command is sent only where
//! [`Options::allows_commands`].
//!
//! *What this does not do*: wait for messages that come later. Of an asynchronous conversation the
//! acknowledgement is compared.

mod orders;
mod pace;
mod recorded;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use contracts::{
    case::{Answer, Ask, Case, Expected, Found, Out, Outcome as Wanted, Part, Transport},
    class::Class,
    operation::Effect,
};
use jiff::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

pub use self::orders::{OrderError, Orders};
use self::{pace::Pace, recorded::Letter};
use super::{
    Engine, Report,
    compare::{Difference, Form},
    drift::{self, Codes, Drift, Kind},
    learned::Learned,
    stage::Stage,
    story::{self, Replay},
};
use crate::{
    attempt::{Attempt, Call, Exchange, Outcome},
    settings::{Form as OptionForm, OptionSpec, Settings},
    system::{Adapter, System},
};

/// `behaviour` of a case whose own answer must be ordered.
pub const RECORDED: &str = "recorded";

/// How cases are asked.
pub struct Options {
    /// This run; the number of each request follows from it and from the case's name.
    pub run: Uuid,
    /// The date in requests.
    pub now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// Commands are sent too.
    pub allows_commands: bool,
    /// The files of the cases are sent, with a fresh number and date, instead of what the adapter
    /// writes.
    pub as_recorded: bool,
    /// Time limit of one call; the operation's own where absent.
    pub time_limit: Option<Duration>,
}

/// Where a system is asked.
pub struct Peer {
    /// Its address.
    pub address: Address,
    /// Requests in a second, at most; absent: no limit.
    pub rate: Option<f64>,
    /// The simulator's control API, where it is one.
    pub orders: Option<Arc<Orders>>,
}

/// The address of a system.
pub enum Address {
    /// Every system below one address: `http://127.0.0.1:8090` has `/gbdfl/`.
    Below(String),
    /// As the hub's own settings say it.
    Settings(Box<Settings>),
}

/// What came of a case. Closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As recorded.
    Passed,
    /// Something changed.
    Drift,
    /// Not asked, for a reason.
    Skipped,
    /// There was no answer, or our credentials were refused.
    Unreached,
}

/// What a replay of one case showed.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// The system's folder.
    pub system: String,
    /// The case's folder.
    pub case: String,
    /// What it shows.
    pub title: String,
    /// The operation.
    pub operation: String,
    /// What came of it.
    pub verdict: Verdict,
    /// Why it was skipped or not reached, or what was not compared.
    pub note: String,
    /// What was ordered from a simulator.
    pub ordered: Option<String>,
    /// What changed.
    pub drifts: Vec<Drift>,
    /// Time from the request to the end of the answer.
    pub took: Option<Duration>,
    /// What was sent and what came.
    pub seen: Vec<Seen>,
}

/// One request, its recorded answer, and its live one. Personal: shown as
/// [`drift::outline`] allows.
#[derive(Clone)]
pub struct Seen {
    /// What the answers are.
    pub form: Form,
    /// As sent, credentials masked.
    pub request: Vec<u8>,
    /// The recorded answer.
    pub recorded: Vec<u8>,
    /// The live one.
    pub live: Vec<u8>,
    /// Its HTTP status.
    pub status: Option<u16>,
    /// Which values are codes.
    pub codes: Codes,
}

/// Cases and where to send them.
pub struct Live<'e> {
    engine: &'e Engine,
    options: Options,
    peers: BTreeMap<String, (Peer, Pace)>,
    /// A case whose requests do not carry its number is asked alone.
    turns: tokio::sync::RwLock<()>,
}

/// A case that is not asked, or was asked in vain.
enum Not {
    Asked(String),
    Reached(String),
}

/// One call of a case, ready to be made.
struct Question<'c> {
    ask: Ask,
    exchanges: Vec<(Out, Option<Answer>)>,
    expected: Option<&'c Expected>,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Passed, Self::Drift, Self::Skipped, Self::Unreached];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Drift => "drift",
            Self::Skipped => "skipped",
            Self::Unreached => "unreached",
        }
    }
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen")
            .field("live_bytes", &self.live.len())
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl<'e> Live<'e> {
    /// Cases of this engine, sent to these systems.
    pub fn new(engine: &'e Engine, options: Options, peers: BTreeMap<String, Peer>) -> Self {
        let with_pace = |(name, peer): (String, Peer)| {
            let pace = Pace::new(peer.rate);
            (name, (peer, pace))
        };
        let peers = peers.into_iter().map(with_pace).collect();
        Self { engine, options, peers, turns: tokio::sync::RwLock::new(()) }
    }

    /// Replays one case.
    pub async fn replay(&self, found: &Found) -> Replayed {
        let mut replayed = Replayed {
            system: found.system.clone(),
            case: found.name.clone(),
            title: String::new(),
            operation: String::new(),
            verdict: Verdict::Skipped,
            note: String::new(),
            ordered: None,
            drifts: Vec::new(),
            took: None,
            seen: Vec::new(),
        };
        let asked = match &found.case {
            Ok(case) => {
                replayed.title.clone_from(&case.title);
                replayed.operation.clone_from(&case.operation);
                self.case(found, case, &mut replayed).await
            }
            Err(error) => Err(Not::Asked(format!("the case cannot be read: {error}"))),
        };
        replayed.verdict = match asked {
            Ok(()) if replayed.drifts.is_empty() => Verdict::Passed,
            Ok(()) => Verdict::Drift,
            Err(Not::Asked(why)) => {
                replayed.note = why;
                Verdict::Skipped
            }
            Err(Not::Reached(why)) => {
                replayed.note = why;
                Verdict::Unreached
            }
        };
        replayed
    }

    async fn case(&self, found: &Found, case: &Case, seen: &mut Replayed) -> Result<(), Not> {
        let not = |text: &str| Err(Not::Asked(text.to_owned()));
        let Some((peer, pace)) = self.peers.get(&found.system) else {
            return not("the stands file does not name this system");
        };
        let mut systems = self.engine.systems.iter();
        let Some(system) = systems.find(|one| one.spec().name == found.system) else {
            return not("there is no such system");
        };
        let operations = system.spec().operations.iter().copied();
        let Some(operation) = operations.into_iter().find(|one| one.name == case.operation) else {
            return not("they begin this conversation: there is nothing to ask");
        };
        if operation.effect == Effect::Command && !self.options.allows_commands {
            return not("a command; --allow-commands sends it");
        }
        let (questions, note) = self.questions(found, case, peer)?;
        let settings = Self::settings(system.as_ref(), peer, case)?;
        let adapter = system.connect(&settings).map_err(|error| Not::Reached(error.to_string()))?;
        let fresh = self.fresh(found, case, peer);
        let mut scratch = Report::default();
        let replay = Replay::new(self.engine, found, &fresh, &mut scratch);
        let mut call = replay.call(operation).map_err(|(_, text)| Not::Asked(text))?;
        call.time_limit = self.options.time_limit.unwrap_or(call.time_limit);
        let number = case.job.as_ref().map(|job| job.id.hyphenated().to_string());
        let has_number = |(out, _): &(Out, Option<Answer>)| {
            out.file.as_deref().is_some_and(|file| recorded::holds(found, file, number.as_deref()))
        };
        let is_alone = !questions.iter().all(|one| one.exchanges.iter().all(has_number));
        let (_alone, _together) = if is_alone {
            (Some(self.turns.write().await), None)
        } else {
            (None, Some(self.turns.read().await))
        };
        let question =
            Asking { live: self, found, case, system: system.as_ref(), settings: &settings };
        for one in &questions {
            seen.ordered = question.order(peer, one, &call).await?;
            pace.wait().await;
            question.ask(one, &adapter, &call, seen).await?;
        }
        seen.note = note;
        Ok(())
    }

    /// The calls that can be made now, and what is left out.
    fn questions<'c>(
        &self,
        found: &Found,
        case: &'c Case,
        peer: &Peer,
    ) -> Result<(Vec<Question<'c>>, String), Not> {
        let not = |text: String| Err(Not::Asked(text));
        if let (Some(behaviour), None) = (&case.behaviour, &peer.orders) {
            return not(match behaviour.as_str() {
                RECORDED => "needs an answer that cannot be ordered from a stand".to_owned(),
                name => format!("needs the behaviour {name}, which cannot be ordered from a stand"),
            });
        }
        let story = case.story(&found.folder, recorded::is_push);
        let story = story.map_err(|error| Not::Asked(error.to_string()))?;
        let (mut questions, mut note) = (Vec::new(), String::new());
        for part in story {
            match part {
                Part::Call { ask, exchanges, expected } => {
                    let transports = exchanges.iter().filter_map(|(_, one)| one.as_ref());
                    if transports.into_iter().any(|one| one.transport == Transport::Refused) {
                        return not("needs an address where nobody listens".to_owned());
                    }
                    // What was expected lives as long as the case.
                    let own = case.steps.iter().filter_map(|step| step.expected.as_ref());
                    let all = own.chain([&case.expected]);
                    let expected = all.into_iter().find(|one| Some(*one) == expected.as_ref());
                    questions.push(Question { ask, exchanges, expected });
                }
                Part::Push(_) => {
                    note = "only the acknowledgement: the answer comes later, as a message".into();
                    break;
                }
                Part::Wait(time) => {
                    note = format!("only up to a wait of {} s", time.as_secs());
                    break;
                }
                Part::Pull(_) => return not("they begin this conversation".to_owned()),
            }
        }
        if questions.is_empty() {
            return not("they begin this conversation: there is nothing to ask".to_owned());
        }
        if self.options.as_recorded && (questions.len() > 1 || questions[0].exchanges.len() > 1) {
            return not("several requests follow from each other: not as recorded".to_owned());
        }
        Ok((questions, note))
    }

    fn settings(system: &dyn System, peer: &Peer, case: &Case) -> Result<Settings, Not> {
        match &peer.address {
            Address::Below(url) => {
                let url = url.trim_end_matches('/');
                let settings = story::settings_at(system, url, &case.settings);
                let mut settings = settings.map_err(Not::Asked)?;
                // Further addresses follow from the first one.
                let follows = |key: &str| {
                    let is_address = |one: &&OptionSpec| one.form == OptionForm::Url;
                    let mut addresses = system.options().iter().filter(is_address);
                    addresses.any(|one| one.name == key && one.default.is_none())
                        && !case.settings.contains_key(key)
                };
                settings.options.retain(|key, _| !follows(key));
                Ok(settings)
            }
            Address::Settings(settings) => Ok(settings.as_ref().clone()),
        }
    }

    /// The case with a number of this run, and today's date: but a recorded answer keeps its own.
    fn fresh(&self, found: &Found, case: &Case, peer: &Peer) -> Case {
        let mut fresh = case.clone();
        if let Some(job) = &mut fresh.job {
            let name = format!("{}/{}", found.system, found.name);
            job.id = Uuid::new_v5(&self.options.run, name.as_bytes());
        }
        let is_recorded = case.behaviour.as_deref() == Some(RECORDED) && peer.orders.is_some();
        if !is_recorded {
            fresh.now = Some((self.options.now)());
        }
        fresh
    }
}

/// What stays the same while a case is asked.
struct Asking<'a> {
    live: &'a Live<'a>,
    found: &'a Found,
    case: &'a Case,
    system: &'a dyn System,
    settings: &'a Settings,
}

impl Asking<'_> {
    /// Orders what the case needs from a simulator; says what.
    async fn order(
        &self,
        peer: &Peer,
        question: &Question<'_>,
        call: &Call,
    ) -> Result<Option<String>, Not> {
        let (Some(behaviour), Some(orders)) = (&self.case.behaviour, &peer.orders) else {
            return Ok(None);
        };
        let failed = |error: OrderError| Not::Reached(error.to_string());
        let number = call.job_id.hyphenated().to_string();
        let system = self.found.system.as_str();
        if behaviour != RECORDED {
            orders.behaviour(system, behaviour, &number).await.map_err(failed)?;
            return Ok(Some(behaviour.clone()));
        }
        for (out, answer) in &question.exchanges {
            let Some(answer) = answer else { continue };
            let letter = Letter::of(self.found, self.case, answer, call).map_err(Not::Asked)?;
            let old = self.case.job.as_ref().map(|job| job.id.hyphenated().to_string());
            let containing = match (&out.file, &out.path) {
                (None, Some(path)) => path.split('?').next().unwrap_or_default(),
                (Some(file), _) if recorded::holds(self.found, file, old.as_deref()) => &number,
                // It is asked alone: its next request is meant.
                (Some(_) | None, _) => "",
            };
            orders.answer(system, containing, &letter).await.map_err(failed)?;
        }
        Ok(Some(RECORDED.to_owned()))
    }

    async fn ask(
        &self,
        question: &Question<'_>,
        adapter: &Arc<dyn Adapter>,
        call: &Call,
        seen: &mut Replayed,
    ) -> Result<(), Not> {
        let started = Instant::now();
        let attempt = if self.live.options.as_recorded {
            self.as_recorded(question, call, &mut seen.took).await?
        } else {
            let attempt = attempt(adapter, question.ask, call).await;
            seen.took = Some(started.elapsed());
            attempt
        };
        let learned = Learned::of_attempt(&attempt);
        if let Some(why) = unreached(&attempt, question.expected) {
            return Err(Not::Reached(why));
        }
        self.compare(question, &attempt.exchange, seen)?;
        self.outcome(question, &learned, call, seen);
        Ok(())
    }

    /// Sends the file of the case, and lets the adapter read what came from a stage.
    async fn as_recorded(
        &self,
        question: &Question<'_>,
        call: &Call,
        took: &mut Option<Duration>,
    ) -> Result<Attempt, Not> {
        let not = |text: &str| Not::Asked(text.to_owned());
        let Some((Out { file: Some(file), .. }, _)) = question.exchanges.first() else {
            return Err(not("has no request file: not as recorded"));
        };
        let has_addresses = self.system.options().iter().any(|one| one.form == OptionForm::Url);
        if Form::of(file) != Form::Xml || has_addresses {
            return Err(not("its adapter chooses the address: not as recorded"));
        }
        let request = recorded::request(self.found, self.case, file, call).map_err(Not::Asked)?;
        let name = self.system.spec().name;
        let started = Instant::now();
        let sent = recorded::send(name, self.settings, request.clone(), call.time_limit).await;
        *took = Some(started.elapsed());
        let answer = sent.map_err(Not::Reached)?;
        let stage = Stage::open().await.map_err(|error| Not::Asked(error.to_string()))?;
        let url = stage.url().map_err(|error| Not::Asked(error.to_string()))?;
        let settings = story::settings_at(self.system, &url, &self.case.settings);
        let adapter = self.system.connect(&settings.map_err(Not::Asked)?);
        let adapter = adapter.map_err(|error| Not::Asked(error.to_string()))?;
        let (status, body) = (answer.status, answer.body.to_vec());
        let give = recorded::give(answer);
        let (mut read, _) = stage.play(vec![give], attempt(&adapter, question.ask, call)).await;
        let status = Some(status);
        let (request, response) = (request.into(), body.into());
        read.exchange = Exchange { request, response, status, retry_after: None };
        Ok(read)
    }

    /// Structure, codes, status and schema.
    fn compare(
        &self,
        question: &Question<'_>,
        exchange: &Exchange,
        seen: &mut Replayed,
    ) -> Result<(), Not> {
        // An attempt keeps its last exchange.
        let mut answers = question.exchanges.iter().filter_map(|(_, answer)| answer.as_ref());
        let Some(answer) = answers.next_back() else { return Ok(()) };
        let Some(file) = answer.file.as_deref().filter(|_| answer.transport == Transport::Answer)
        else {
            return Ok(());
        };
        let recorded = recorded::read(self.found, file).map_err(Not::Asked)?;
        let (form, live) = (Form::of(file), exchange.response.as_ref());
        let schemas = &self.live.engine.schemas;
        let enumerated = match form {
            Form::Xml => schemas.enumerated(&self.found.system),
            Form::Json | Form::Text => BTreeSet::new(),
        };
        let codes = Codes::new(&self.case.compared, enumerated);
        if exchange.status != Some(answer.status) {
            let got = exchange.status.map_or_else(|| "none".to_owned(), |one| one.to_string());
            let drift = Drift::new(Kind::HttpStatus, "status", &answer.status.to_string(), &got);
            seen.drifts.push(drift);
        }
        if form != Form::Text {
            seen.drifts.extend(drift::drift(form, &recorded, live, &codes));
        }
        if let (Form::Xml, Some(is_valid)) = (form, answer.schema_valid)
            && drift::carriage(&recorded) == drift::carriage(live)
        {
            let faults = schemas.faults(&self.found.system, live);
            if is_valid != faults.is_empty() {
                let told = |is_valid| if is_valid { "fits the schemas" } else { "does not fit" };
                let got = if faults.is_empty() { told(true).to_owned() } else { hidden(&faults) };
                seen.drifts.push(Drift::new(Kind::Schema, file, told(is_valid), &got));
            }
        }
        seen.seen.push(Seen {
            form,
            request: exchange.request.to_vec(),
            recorded,
            live: live.to_vec(),
            status: exchange.status,
            codes,
        });
        Ok(())
    }

    /// Whether two values differ by the number of the request alone.
    fn is_number(&self, difference: &Difference, call: &Call) -> bool {
        self.case.job.as_ref().is_some_and(|job| {
            let (old, new) = (job.id.to_string(), call.job_id.to_string());
            difference.expected.replace(&old, &new) == difference.got
        })
    }

    fn outcome(
        &self,
        question: &Question<'_>,
        learned: &Learned,
        call: &Call,
        seen: &mut Replayed,
    ) {
        let differences = match question.expected {
            Some(expected) if seen.ordered.as_deref() == Some(RECORDED) => {
                learned.against(expected)
            }
            Some(expected) => learned.drift(expected),
            None if matches!(learned.outcome, Wanted::Acknowledged | Wanted::Interim) => Vec::new(),
            None => learned.drift(&acknowledged(&self.case.expected)),
        };
        let drifts = differences.into_iter().filter(|one| !self.is_number(one, call));
        seen.drifts.extend(
            drifts.map(|one| Drift::new(Kind::Outcome, &one.path, &one.expected, &one.got)),
        );
    }
}

async fn attempt(adapter: &Arc<dyn Adapter>, ask: Ask, call: &Call) -> Attempt {
    match ask {
        Ask::Attempt => adapter.attempt(call).await,
        Ask::Reconcile => adapter.reconcile(call).await,
    }
}

/// Why there was no answer, unless the case expects that.
fn unreached(attempt: &Attempt, expected: Option<&Expected>) -> Option<String> {
    let Outcome::Failed(failure) = &attempt.outcome else { return None };
    let is_expected = expected.and_then(|one| one.class.as_deref()) == Some(failure.class.name());
    match failure.class {
        _ if is_expected => None,
        Class::Unreachable | Class::NotNow | Class::Denied => {
            let words = failure.class.name();
            let status = attempt.exchange.status.map(|status| format!(", HTTP {status}"));
            Some(format!("{words} ({}{})", failure.code, status.unwrap_or_default()))
        }
        // A command whose answer was lost.
        Class::Indeterminate if attempt.exchange.status.is_none() => {
            Some(format!("no answer ({})", failure.code))
        }
        Class::Indeterminate
        | Class::Refused
        | Class::BadRequest
        | Class::Malformed
        | Class::Contract
        | Class::Defect => None,
    }
}

fn acknowledged(like: &Expected) -> Expected {
    Expected {
        outcome: Wanted::Acknowledged,
        summary: None,
        class: None,
        code: None,
        remote_code: None,
        mismatch: None,
        follow_up: None,
        files: None,
        ..like.clone()
    }
}

/// What a schema says, without the values that it quotes.
fn hidden(faults: &[String]) -> String {
    let mut told = String::new();
    for (at, part) in faults.join("; ").split('"').enumerate() {
        told.push_str(if at % 2 == 0 { part } else { drift::HIDDEN });
    }
    told
}
