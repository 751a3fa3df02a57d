//! One case, part by part: calls, delivered messages, waits.

mod rehearse;

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use contracts::{
    case::{Answer, Ask, Case, Expected, Found, Out, Outcome as Wanted, Part, Push, Transport},
    operation::OperationSpec,
    personal::Personal,
    schema::Checker,
};
use jiff::Timestamp;
use serde_json::{Map, Value};

pub(crate) use self::rehearse::Rehearsal;
use super::{
    Engine, Report, What,
    compare::{self, Form, Masks},
    learned::Learned,
    stage::{Came, Give, Stage},
};
use crate::{
    attempt::{Attachment, Call, OneTimeCode},
    channel::{Message, Mismatch},
    settings::{Form as OptionForm, Settings},
    system::{Adapter, System},
    transport::shep_async::{self, Push as Pushed},
};

/// Business time of a case that names none: the date in the recorded requests.
const NOW: &str = "2026-03-02T10:00:00+05:00";
/// Time limit of a call that nobody answers.
const SILENCE: Duration = Duration::from_millis(300);
const SECRET: &str = "replayed";
/// What a gateway says to a request whose answer comes later.
const ACKNOWLEDGEMENT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>
<t:sendMessageResponse xmlns:t="http://bip.bee.kz/AsyncChannel/v10/Types"><response>
<messageId>1772427600002</messageId><correlationId>1772427600001</correlationId>
<responseDate>2026-03-02T10:00:00.000+05:00</responseDate>
</response></t:sendMessageResponse></S:Body></S:Envelope>"#;

/// What a gateway says where no message waits.
const EMPTY_MAILBOX: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>
<t:getMessagesResponse xmlns:t="http://bip.bee.kz/AsyncChannel/v10/Types"><response>
<responseDate>2026-03-02T10:00:00.000+05:00</responseDate>
<sessionId>{0d89ff42-6fdd-49b8-a7dc-ccc2bb8de6e9}</sessionId>
</response></t:getMessagesResponse></S:Body></S:Envelope>"#;

/// The replay of one case.
pub(super) struct Replay<'a> {
    engine: &'a Engine,
    found: &'a Found,
    case: &'a Case,
    report: &'a mut Report,
    masks: Masks,
    now: Timestamp,
    /// From the last interim answer.
    carry: Option<Value>,
    again_in: Option<Duration>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        found: &'a Found,
        case: &'a Case,
        report: &'a mut Report,
    ) -> Self {
        let precious = case.job.as_ref().map(|job| leaves(&job.input)).unwrap_or_default();
        Self {
            engine,
            found,
            case,
            report,
            masks: Masks::new(&case.masks, precious),
            now: case.now.unwrap_or_else(|| NOW.parse().unwrap_or_default()),
            carry: case.job.as_ref().and_then(|job| job.carry.clone()),
            again_in: None,
        }
    }

    pub(super) async fn run(mut self) {
        if let Err((file, text)) = self.parts().await {
            self.report.add(What::Case, &file, text);
        }
        self.report.warnings.extend(self.masks.warnings());
    }

    async fn parts(&mut self) -> Result<(), (String, String)> {
        let toml = |text: String| (contracts::case::CASE_FILE.to_owned(), text);
        let name = self.found.system.as_str();
        let Some(system) = self.engine.systems.iter().find(|one| one.spec().name == name) else {
            return Err(toml(format!("there is no system {name}")));
        };
        if self.case.operation.split('.').next() != Some(name) {
            return Err(toml(format!("operation: {} is not of {name}", self.case.operation)));
        }
        let operations = system.spec().operations.iter();
        let operation = operations.copied().find(|one| one.name == self.case.operation);
        if let Some(operation) = operation {
            self.check_input(system.as_ref(), operation).map_err(toml)?;
        }
        let is_push = |file: &Path| {
            fs::read(file)
                .is_ok_and(|bytes| matches!(shep_async::read_push(&bytes), Ok(Pushed::Message(_))))
        };
        let story = self.case.story(&self.found.folder, is_push);
        let story = story.map_err(|error| toml(error.to_string()))?;
        let stage = Stage::open().await.map_err(|error| toml(error.to_string()))?;
        let url = stage.url().map_err(|error| toml(error.to_string()))?;
        let adapter = self.connect(system.as_ref(), &url).map_err(toml)?;
        for part in story {
            match part {
                Part::Call { ask, exchanges, expected } => {
                    let Some(operation) = operation else {
                        let text = format!("operation: {} cannot be called", self.case.operation);
                        return Err(toml(text));
                    };
                    let mut call = self.call(operation)?;
                    if exchanges
                        .iter()
                        .any(|(_, answer)| answer_is(answer.as_ref(), Transport::Silence))
                    {
                        call.time_limit = SILENCE;
                    }
                    self.play(system.as_ref(), (&adapter, &stage), ask, &call, exchanges, expected)
                        .await?;
                }
                Part::Pull(file) => self.pull(adapter.as_ref(), &stage, &file).await?,
                Part::Push(push) => self.deliver(adapter.as_ref(), operation, &push)?,
                Part::Wait(time) => self.wait(time),
            }
        }
        Ok(())
    }

    /// The input must be one that the hub would take.
    fn check_input(&self, system: &dyn System, operation: &OperationSpec) -> Result<(), String> {
        let Some(job) = &self.case.job else { return Ok(()) };
        let (schema, check) = system.input(operation);
        let checker = Checker::new(&schema).map_err(|error| error.to_string())?;
        let mut input = job.input.clone();
        // The hub splits the code off before the adapter sees the input.
        if let (Some(code), Some(fields)) = (&job.code, input.as_object_mut()) {
            fields.entry("code").or_insert_with(|| code.digits.clone().into());
        }
        let mut errors = checker.check(&input);
        errors.extend(check(&input));
        match errors.first() {
            Some(error) => {
                let (path, text) = (&error.path, &error.text);
                Err(format!("job.input is not one that the hub takes: {path}: {text}"))
            }
            None => Ok(()),
        }
    }

    fn connect(&self, system: &dyn System, url: &str) -> Result<Arc<dyn Adapter>, String> {
        let settings = settings_at(system, url, &self.case.settings)?;
        system.connect(&settings).map_err(|error| error.to_string())
    }

    pub(super) fn call(&self, operation: &'static OperationSpec) -> Result<Call, (String, String)> {
        let toml = |text: String| (contracts::case::CASE_FILE.to_owned(), text);
        let Some(job) = &self.case.job else { return Err(toml("job: is missing".to_owned())) };
        let code = job.code.as_ref().map(|code| OneTimeCode {
            sent_by: code.sent_by,
            otp_id: code.otp_id.clone(),
            digits: Personal::new(code.digits.clone()),
        });
        let mut files = Vec::new();
        for file in &job.files {
            let bytes = match (&file.file, &file.text) {
                (Some(name), _) => self.read(name)?,
                (None, Some(text)) => text.clone().into_bytes(),
                (None, None) => {
                    let text = file.base64.as_deref().unwrap_or_default();
                    let bytes = BASE64_STANDARD.decode(text);
                    bytes.map_err(|_| toml("job.files: is no base64".to_owned()))?
                }
            };
            files.push(Attachment {
                id: file.id,
                name: Personal::new(file.name.clone()),
                media_type: file.media_type.clone(),
                bytes: Bytes::from(bytes),
            });
        }
        let input = job.input.clone();
        let first = Call::first(operation, job.id, input, self.now, operation.call_timeout);
        let carry = Personal::new(self.carry.clone().unwrap_or(Value::Null));
        Ok(Call { subject: job.subject.clone(), carry, code, files, ..first })
    }

    fn read(&self, file: &str) -> Result<Vec<u8>, (String, String)> {
        fs::read(self.found.folder.join(file)).map_err(|error| (file.to_owned(), error.to_string()))
    }

    async fn play(
        &mut self,
        system: &dyn System,
        (adapter, stage): (&Arc<dyn Adapter>, &Stage),
        ask: Ask,
        call: &Call,
        exchanges: Vec<(Out, Option<Answer>)>,
        expected: Option<Expected>,
    ) -> Result<(), (String, String)> {
        let mut answers = Vec::new();
        for (_, answer) in &exchanges {
            answers.push(match answer {
                Some(answer) => self.give(answer)?,
                None => given(200, Form::Xml, ACKNOWLEDGEMENT.as_bytes().to_vec()),
            });
        }
        let is_refused =
            exchanges.iter().any(|(_, one)| answer_is(one.as_ref(), Transport::Refused));
        let nobody = if is_refused { Some(self.nobody(system).await?) } else { None };
        let adapter = nobody.as_ref().unwrap_or(adapter);
        let work = async {
            match ask {
                Ask::Attempt => adapter.attempt(call).await,
                Ask::Reconcile => adapter.reconcile(call).await,
            }
        };
        let (attempt, came) = stage.play(answers, work).await;
        if !is_refused {
            self.requests(&exchanges, &came)?;
        }
        for (_, answer) in &exchanges {
            if let Some((file, valid)) =
                answer.as_ref().and_then(|one| Some((one.file.as_deref()?, one.schema_valid?)))
            {
                self.schema(file, valid)?;
            }
        }
        let learned = Learned::of_attempt(&attempt);
        self.again_in = learned.again_in;
        if learned.outcome == Wanted::Interim {
            self.carry = Some(learned.carry.clone());
        }
        match &expected {
            Some(expected) => self.compare(&learned, expected),
            None if matches!(learned.outcome, Wanted::Acknowledged | Wanted::Interim) => {}
            None => {
                let text =
                    format!("the call ended as {}, before the messages", learned.outcome.name());
                self.report.add(What::Outcome, contracts::case::CASE_FILE, text);
            }
        }
        Ok(())
    }

    /// An adapter whose peer does not listen.
    async fn nobody(&self, system: &dyn System) -> Result<Arc<dyn Adapter>, (String, String)> {
        let toml = |text: String| (contracts::case::CASE_FILE.to_owned(), text);
        let gone = Stage::open().await.map_err(|error| toml(error.to_string()))?;
        let url = gone.url().map_err(|error| toml(error.to_string()))?;
        drop(gone);
        self.connect(system, &url).map_err(toml)
    }

    fn give(&self, answer: &Answer) -> Result<Give, (String, String)> {
        let Some(file) = &answer.file else {
            return Ok(Give {
                transport: answer.transport,
                ..given(answer.status, Form::Text, Vec::new())
            });
        };
        let mut give = given(answer.status, Form::of(file), self.read(file)?);
        if file.rsplit('.').next() == Some("html") {
            give.headers = vec![("Content-Type".to_owned(), "text/html".to_owned())];
        }
        let headers = answer.headers.iter();
        give.headers.extend(headers.map(|(name, value)| (name.clone(), value.clone())));
        give.transport = answer.transport;
        Ok(give)
    }

    /// Compares what the hub sent with the case's files, and with the schemas.
    fn requests(
        &mut self,
        exchanges: &[(Out, Option<Answer>)],
        came: &[Came],
    ) -> Result<(), (String, String)> {
        for (at, (out, _)) in exchanges.iter().enumerate() {
            let file = out.file.as_deref().unwrap_or(contracts::case::CASE_FILE);
            let Some(came) = came.get(at) else {
                self.report.add(What::Request, file, "nothing was sent".to_owned());
                continue;
            };
            let method = out.method.as_deref().unwrap_or(&came.method);
            if method != came.method {
                let text = format!("expected the method {method}, got {}", came.method);
                self.report.add(What::Request, file, text);
            }
            if let Some(path) = &out.path
                && !came.path.ends_with(path.as_str())
            {
                let got = &came.path;
                self.report.add(
                    What::Request,
                    file,
                    format!("expected the path {path}, got {got}"),
                );
            }
            if let Some(file) = &out.file {
                let (wanted, form) = (self.read(file)?, Form::of(file));
                let differences = compare::compare(form, &wanted, &came.body, &mut self.masks);
                self.report.differ(What::Request, file, differences);
                if form == Form::Xml {
                    self.faults(file, &came.body, "what was sent does not fit the schemas");
                    self.faults(file, &wanted, "the file does not fit the schemas");
                }
            } else if !came.body.is_empty() {
                self.report.add(
                    What::Request,
                    file,
                    "a body was sent, and no file holds it".to_owned(),
                );
            }
        }
        if came.len() > exchanges.len() {
            let text =
                format!("{} requests were sent, the case holds {}", came.len(), exchanges.len());
            self.report.add(What::Request, contracts::case::CASE_FILE, text);
        }
        Ok(())
    }

    fn faults(&mut self, file: &str, bytes: &[u8], text: &str) {
        let faults = self.engine.schemas.faults(&self.found.system, bytes);
        if !faults.is_empty() {
            self.report.add(What::Schema, file, format!("{text}: {}", faults.join("; ")));
        }
    }

    /// Whether a file fits the schemas, as the case says.
    fn schema(&mut self, file: &str, is_valid: bool) -> Result<(), (String, String)> {
        if Form::of(file) != Form::Xml {
            return Ok(());
        }
        let bytes = self.read(file)?;
        if is_valid {
            self.faults(file, &bytes, "does not fit the schemas");
        } else if self.engine.schemas.faults(&self.found.system, &bytes).is_empty() {
            let text = "fits the schemas, although `schema_valid = false`".to_owned();
            self.report.add(What::Schema, file, text);
        }
        Ok(())
    }

    /// The question that would fetch a message from the mailbox.
    async fn pull(
        &mut self,
        adapter: &dyn Adapter,
        stage: &Stage,
        file: &str,
    ) -> Result<(), (String, String)> {
        let Some(channel) = adapter.channel() else {
            return Err((file.to_owned(), "this system has no mailbox".to_owned()));
        };
        let answer = given(200, Form::Xml, EMPTY_MAILBOX.as_bytes().to_vec());
        let (page, came) = stage.play(vec![answer], channel.pull(self.now)).await;
        let out = Out { file: Some(file.to_owned()), method: None, path: None };
        self.requests(&[(out, None)], &came)?;
        if let Err(failure) = page {
            let text = format!("an empty mailbox is a failure: {}", failure.code);
            self.report.add(What::Outcome, file, text);
        }
        Ok(())
    }

    /// A message as the gateway delivers it.
    fn deliver(
        &mut self,
        adapter: &dyn Adapter,
        operation: Option<&'static OperationSpec>,
        push: &Push,
    ) -> Result<(), (String, String)> {
        let bytes = self.read(&push.file)?;
        if let Some(valid) = push.schema_valid {
            self.schema(&push.file, valid)?;
        }
        let Some(channel) = adapter.channel() else {
            return Err((push.file.clone(), "this system delivers no messages".to_owned()));
        };
        let message = match shep_async::read_push(&bytes) {
            Ok(Pushed::Message(message)) => message,
            Ok(Pushed::StatusChange(_)) => {
                return Err((push.file.clone(), "is a change of status, no message".to_owned()));
            }
            Err(error) => {
                let wanted = push.expected.as_ref().and_then(|one| one.mismatch.as_deref());
                if wanted == Some(Mismatch::Unreadable.name()) {
                    return Ok(());
                }
                return Err((push.file.clone(), format!("is no message of a gateway: {error}")));
            }
        };
        let learned = self.learn(adapter, operation, push, &message)?;
        if learned.outcome != Wanted::NotOurs
            && let Some(number) = channel.request_number(&message)
            && self.case.job.as_ref().is_some_and(|job| job.id != number)
        {
            let text = "is taken, although its request number is another job's".to_owned();
            self.report.add(What::Outcome, &push.file, text);
        }
        if let Some(expected) = &push.expected {
            self.compare(&learned, expected);
        }
        Ok(())
    }

    fn learn(
        &self,
        adapter: &dyn Adapter,
        operation: Option<&'static OperationSpec>,
        push: &Push,
        message: &Message,
    ) -> Result<Learned, (String, String)> {
        let fault = |text: &str| (push.file.clone(), text.to_owned());
        let channel = adapter.channel().ok_or_else(|| fault("this system delivers no messages"))?;
        if push.is_inbound || operation.is_none() {
            return match channel.receive(message) {
                Some(Ok(received)) => Ok(Learned::of_received(&received)),
                Some(Err(mismatch)) => Ok(Learned::of_mismatch(mismatch)),
                None => Err(fault("this system begins no conversations")),
            };
        }
        let operation = operation.ok_or_else(|| fault("needs an operation"))?;
        Ok(Learned::of_reading(&channel.judge(message, &self.call(operation)?)))
    }

    fn compare(&mut self, learned: &Learned, expected: &Expected) {
        let differences = learned.against(expected);
        if differences.is_empty() {
            return;
        }
        self.report.differ(What::Outcome, contracts::case::CASE_FILE, differences);
        self.report.closest = self.engine.closest(self.found, self.case, learned);
    }

    fn wait(&mut self, time: Duration) {
        if let Some(asked) = self.again_in.take()
            && asked != time
        {
            let text = format!("the adapter asks again after {asked:?}, the case waits {time:?}");
            self.report.add(What::Outcome, contracts::case::CASE_FILE, text);
        }
        self.now = self.now.checked_add(time).unwrap_or(self.now);
    }
}

/// Settings with which a system meets its simulator, at another address, with what a case says.
pub(super) fn settings_at(
    system: &dyn System,
    url: &str,
    of_case: &BTreeMap<String, String>,
) -> Result<Settings, String> {
    let (mut section, mut options) = (Map::new(), BTreeMap::new());
    for option in system.options() {
        let value = match (option.form, option.default) {
            (_, Some(default)) => default.to_owned(),
            (OptionForm::Url, None) => format!("{url}/{}", option.name),
            (OptionForm::Secret, None) => SECRET.to_owned(),
            (OptionForm::Text | OptionForm::Link | OptionForm::Flag | OptionForm::Number, None) => {
                continue;
            }
        };
        options.insert(option.name.to_owned(), value);
    }
    let of_case = of_case.iter();
    let of_case = of_case.map(|(key, value)| (key.as_str(), value.replace("{url}", url).into()));
    let is_option = |key: &str| system.options().iter().any(|option| option.name == key);
    // Who may push is asked by the hub, before a message is read.
    let simulated = system.simulated(url).into_iter().filter(|(key, _)| !key.starts_with("push_"));
    for (key, value) in simulated.chain(of_case) {
        if is_option(key) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            options.insert(key.to_owned(), text);
        } else {
            section.insert(key.to_owned(), value);
        }
    }
    let settings = serde_json::from_value::<Settings>(Value::Object(section));
    let mut settings = settings.map_err(|error| format!("settings: {error}"))?;
    let options = options.into_iter().map(|(key, value)| (key, value.into()));
    settings.options = options.collect();
    Ok(settings)
}

fn given(status: u16, form: Form, body: Vec<u8>) -> Give {
    let headers = vec![("Content-Type".to_owned(), form.content_type().to_owned())];
    Give { status, headers, body, transport: Transport::Answer }
}

fn answer_is(answer: Option<&Answer>, transport: Transport) -> bool {
    answer.is_some_and(|answer| answer.transport == transport)
}

/// The values in a job's input that a mask should not hide.
fn leaves(value: &Value) -> Vec<String> {
    match value {
        Value::Object(all) => all.values().flat_map(leaves).collect(),
        Value::Array(all) => all.iter().flat_map(leaves).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}
