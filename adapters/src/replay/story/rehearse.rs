//! A story without its expectations: what the hub sends, and what it makes of the answers. For
//! recording a case whose `[expected]` is not known yet.

use std::sync::Arc;

use contracts::{
    case::{Answer, Part, Push},
    operation::OperationSpec,
};
use serde_json::{Map, Value};

use super::{ACKNOWLEDGEMENT, Form, Learned, Pushed, Replay, Stage, given, shep_async};
use crate::{replay::stage::Came, system::Adapter};

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Rehearsal {
    /// What the hub sent: method, path, body.
    pub(crate) sent: Vec<(String, String, Vec<u8>)>,
    /// What was learned in the end, as `[expected]` says it.
    pub(crate) expected: Map<String, Value>,
    /// The response is a message as a gateway delivers it.
    pub(crate) is_push: bool,
    /// The system answers asynchronously, or begins conversations.
    pub(crate) has_channel: bool,
}

impl Replay<'_> {
    /// Plays every part, and compares nothing.
    pub(in crate::replay) async fn rehearse(mut self) -> Result<Rehearsal, String> {
        let name = self.found.system.as_str();
        let system = self.engine.systems.iter().find(|one| one.spec().name == name);
        let system = system.ok_or_else(|| format!("there is no system {name}"))?;
        let operations = system.spec().operations.iter();
        let operation = operations.copied().find(|one| one.name == self.case.operation);
        if let Some(operation) = operation {
            self.check_input(system.as_ref(), operation)?;
        }
        let is_push = |file: &std::path::Path| {
            std::fs::read(file)
                .is_ok_and(|bytes| matches!(shep_async::read_push(&bytes), Ok(Pushed::Message(_))))
        };
        let story = self.case.story(&self.found.folder, is_push);
        let story = story.map_err(|error| error.to_string())?;
        let stage = Stage::open().await.map_err(|error| error.to_string())?;
        let url = stage.url().map_err(|error| error.to_string())?;
        let adapter = self.connect(system.as_ref(), &url)?;
        let mut seen =
            Rehearsal { has_channel: adapter.channel().is_some(), ..Rehearsal::default() };
        for part in story {
            match part {
                Part::Call { ask, exchanges, .. } => {
                    let operation = operation.ok_or("this operation cannot be called")?;
                    let answers: Vec<_> = exchanges.into_iter().map(|(_, answer)| answer).collect();
                    self.rehearse_call((&adapter, &stage), ask, operation, answers, &mut seen)
                        .await?;
                }
                Part::Push(push) => {
                    seen.is_push = true;
                    seen.expected = self.rehearse_push(adapter.as_ref(), operation, &push)?;
                }
                Part::Pull(_) => {}
                Part::Wait(time) => self.wait(time),
            }
        }
        Ok(seen)
    }

    async fn rehearse_call(
        &self,
        (adapter, stage): (&Arc<dyn Adapter>, &Stage),
        ask: contracts::case::Ask,
        operation: &'static OperationSpec,
        answers: Vec<Option<Answer>>,
        seen: &mut Rehearsal,
    ) -> Result<(), String> {
        let in_words = |(file, text): (String, String)| format!("{file}: {text}");
        let call = self.call(operation).map_err(in_words)?;
        let mut gives = Vec::new();
        for answer in &answers {
            gives.push(match answer {
                Some(answer) => self.give(answer).map_err(in_words)?,
                None => given(200, Form::Xml, ACKNOWLEDGEMENT.as_bytes().to_vec()),
            });
        }
        let work = async {
            match ask {
                contracts::case::Ask::Attempt => adapter.attempt(&call).await,
                contracts::case::Ask::Reconcile => adapter.reconcile(&call).await,
            }
        };
        let (attempt, came) = stage.play(gives, work).await;
        let sent = |came: Came| (came.method, came.path, came.body);
        seen.sent.extend(came.into_iter().map(sent));
        seen.expected = Learned::of_attempt(&attempt).in_toml();
        Ok(())
    }

    fn rehearse_push(
        &self,
        adapter: &dyn Adapter,
        operation: Option<&'static OperationSpec>,
        push: &Push,
    ) -> Result<Map<String, Value>, String> {
        let in_words = |(file, text): (String, String)| format!("{file}: {text}");
        let bytes = self.read(&push.file).map_err(in_words)?;
        let Ok(Pushed::Message(message)) = shep_async::read_push(&bytes) else {
            return Err(format!("{}: is no message of a gateway", push.file));
        };
        let learned = self.learn(adapter, operation, push, &message).map_err(in_words)?;
        Ok(learned.in_toml())
    }
}
