//! A pretended ИИС «Е-қызмет» behind both channels: `POST /eqyzmet/`.
//!
//! ```text
//! POST /control/begin ─→ message kept, push due later ─→ hub
//! SIM_submitMessage ─→ known? editable? open? ours? ─→ done ─→ reviewer decides in hours ─→ UPDATE
//!        └ the same requestNumber again ─→ the first answer again, not executed again
//! SIM_messageStatus ─→ by requestNumber: SIM-DONE │ SIM-UNKNOWN
//! ```
//!
//! *Guarantee*: a submission takes effect once a request number, and the journal says so.
//!
//! *Limits*: [`MESSAGES_MAX`] messages, [`SUBMISSIONS_MAX`] submissions, [`REQUEST_BYTES_MAX`].

mod answer;
mod begin;
mod behaviour;
mod ledger;
mod letter;
mod request;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};

use self::{
    answer::{Twist, answer},
    behaviour::{Behaviour as Act, No, Sent, Treatment},
    ledger::{Ledger, Verdict},
    request::{Asked, Question},
};
use crate::simulation::{
    Simulation,
    behaviour::{Behaviour, Profile},
    envelope::{self, Fault},
    gateway::{self, Refusal, format_error},
    journal::{Entry, Kind},
    misread::Misread,
    post::Sender,
    reply::{self, Reply, SLOW},
    wsdl::{Data, Speaks},
    xml,
};

const SYSTEM: &str = "eqyzmet";
/// The interaction in the gateway's registry (gov-services §8, FOUND).
const SERVICE_ID: &str = "EKyzmetUniversalService";
/// Who sends the messages: the hub must be configured to believe it.
pub(super) const SENDER: Sender = Sender {
    id: "eqyzmet",
    // SHA-256 of the word "simulated".
    password: "daeb30e06dcf80565ac935eca8ec3e87a2cd7194440c14842b470d3cb7fed353",
};
/// The organisation that messages are for, where an order names none (gov-services §9.4).
const ORGANISATION: &str = "990140000007";
/// Three files of three mebibytes in base64, and what stands around them.
const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What the journal calls a question about a submission.
const QUESTION: &str = "question";
/// Messages that are remembered.
const MESSAGES_MAX: usize = 10_000;
/// Submissions that are remembered.
const SUBMISSIONS_MAX: usize = 100_000;
/// A push that comes before its answer holds the answer at most this long.
const EARLY_WAIT: Duration = Duration::from_secs(5);

struct Office {
    simulation: Arc<Simulation>,
    ledger: Mutex<Ledger>,
}

/// For its WSDL.
const SPEAKS: &[Speaks] = &[
    Speaks::Synchronous(Data::Bare("eqyzmet/data.xsd", "Params", ["Request", "Response"])),
    Speaks::Asynchronous(Data::Bare("eqyzmet/data.xsd", "Params", ["Request", "Response"])),
];

/// The routes below `/eqyzmet/`.
pub(super) fn router(simulation: Arc<Simulation>) -> Router {
    let office = Arc::new(Office { simulation, ledger: Mutex::default() });
    office.simulation.register(Profile {
        system: SYSTEM,
        behaviours: Act::LISTED,
        forge: Some(Arc::clone(&office) as _),
        speaks: SPEAKS,
    });
    Router::new().route("/", post(serve)).with_state(office)
}

async fn serve(State(office): State<Arc<Office>>, request: axum::extract::Request) -> Response {
    let (bytes, line) = match reply::read_up_to(request, REQUEST_BYTES_MAX).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    match office.dispatch(&bytes).await {
        Ok(reply) => reply.into_response(&line),
        Err(misread) => misread.into_response(),
    }
}

impl Office {
    async fn dispatch(&self, bytes: &[u8]) -> Result<Reply, Misread> {
        let now = self.simulation.now();
        let wrong = |code: &str, text: &str| Misread::synchronous(code, text, now);
        let root = xml::parse(bytes).map_err(|error| wrong("SCE001", &error.0))?;
        let operation = root.child("Body").and_then(|body| body.children.first());
        let operation = operation.ok_or_else(|| wrong("SCE001", "the body is empty"))?;
        if operation.namespace.as_deref() == Some(envelope::ASYNC) {
            let answered = match operation.name.as_str() {
                // Messages begin here; nobody sends any to this service.
                "sendMessage" => Err(format_error("this service takes no messages")),
                _ => gateway::answer(&self.simulation, operation),
            };
            let wrong = |Refusal(code, text): Refusal| {
                Misread::asynchronous(&operation.name, code, &text, now)
            };
            return answered.map(|body| Reply::Xml(200, body)).map_err(wrong);
        }
        match request::read(operation) {
            Ok(Asked::Submit(asked)) => Ok(self.submit(&asked).await),
            Ok(Asked::Status(asked)) => Ok(self.status(&asked)),
            Err(Refusal(code, text)) => Err(wrong(code, &text)),
        }
    }

    async fn submit(&self, asked: &Question) -> Reply {
        let choice = self.simulation.choose::<Act>(SYSTEM, &asked.number, &asked.organisation);
        let act = choice.behaviour;
        match act.treatment() {
            Treatment::Not(no) => {
                self.write_down(act, asked, false, false);
                self.refuse(no).await
            }
            Treatment::Refused(code) => {
                self.write_down(act, asked, false, true);
                self.say(&answer(asked, &Verdict::No(code, None), Twist::Nothing))
            }
            Treatment::Taken(sent, twist) => self.take(act, asked, sent, twist).await,
        }
    }

    async fn take(&self, act: Act, asked: &Question, sent: Sent, twist: Twist) -> Reply {
        let now = self.simulation.now();
        let (verdict, is_new) = self.ledger().submit(asked, now, act.is_deaf());
        let told = matches!(sent, Sent::AtOnce | Sent::AfterPush);
        let entry = self.write_down(act, asked, is_new, told);
        let pushed = if is_new { self.decide(act, asked, entry) } else { None };
        let text = answer(asked, &verdict, twist);
        match sent {
            Sent::AtOnce => self.say(&text),
            Sent::AfterPush => {
                if let Some(id) = pushed {
                    let settled = self.simulation.post().wait_until_settled(id);
                    if tokio::time::timeout(EARLY_WAIT, settled).await.is_err() {
                        tracing::debug!(system = SYSTEM, "the answer overtakes the decision");
                    }
                }
                self.say(&text)
            }
            Sent::Reset => Reply::Reset,
            Sent::Cut => Reply::Cut(self.bytes(&text)),
            Sent::Html => Reply::Html(502),
            Sent::Garbage => Reply::Garbage,
            Sent::BadStatus => Reply::Xml(200, self.written(&text, "SCSE003")),
            Sent::Slow => {
                tokio::time::sleep(SLOW).await;
                self.say(&text)
            }
        }
    }

    fn status(&self, asked: &Question) -> Reply {
        self.simulation.journal().arrive(SYSTEM, &asked.number);
        let verdict = self.ledger().question(asked);
        let kind = match verdict {
            Some(Verdict::Unknown) => Kind::Unknown,
            Some(Verdict::Done { .. } | Verdict::No(..)) | None => Kind::Query,
        };
        self.note(kind, QUESTION, asked, (false, verdict.is_some()));
        match verdict {
            Some(verdict) => self.say(&answer(asked, &verdict, Twist::Nothing)),
            None => Reply::Empty(503),
        }
    }

    /// What a request gets that was not executed.
    async fn refuse(&self, no: No) -> Reply {
        match no {
            No::Unavailable => self.fault(500, "SIM-UNAVAILABLE", "Сервис получателя недоступен"),
            No::UnknownFault => self.fault(500, "SIM-9999", "Неизвестная ошибка"),
            No::Empty => Reply::Empty(503),
            No::Html => Reply::Html(502),
            No::Reset => Reply::Reset,
            No::Slow => {
                tokio::time::sleep(SLOW).await;
                Reply::Empty(504)
            }
        }
    }

    fn write_down(&self, act: Act, asked: &Question, executed: bool, acknowledged: bool) -> u64 {
        let kind = match act.treatment() {
            Treatment::Refused(_) | Treatment::Not(No::Unavailable) => Kind::Declined,
            Treatment::Taken(..) | Treatment::Not(_) => Kind::Command,
        };
        self.note(kind, act.name(), asked, (executed, acknowledged))
    }

    fn note(
        &self,
        kind: Kind,
        outcome: &'static str,
        asked: &Question,
        (executed, acknowledged): (bool, bool),
    ) -> u64 {
        self.simulation.write_down(Entry {
            system: SYSTEM,
            request_number: asked.number.clone(),
            received_at: self.simulation.now(),
            kind,
            outcome,
            given: None,
            executed,
            acknowledged,
            correlation_id: None,
            answered: u32::from(acknowledged),
            pushes: 0,
            delivered: 0,
        })
    }

    fn say(&self, payload: &str) -> Reply {
        Reply::Xml(200, self.bytes(payload))
    }

    fn bytes(&self, payload: &str) -> Vec<u8> {
        self.written(payload, "SCSS001")
    }

    fn written(&self, payload: &str, status: &str) -> Vec<u8> {
        let serial = self.simulation.post().next_id().to_string();
        let mut chance = self.simulation.chance(&[SYSTEM, "answer", &serial]);
        answer::envelope(payload, status, self.simulation.now(), &mut chance)
    }

    fn fault(&self, status: u16, code: &str, message: &str) -> Reply {
        let fault = Fault {
            namespace: envelope::SYNC,
            element: "SendMessageFault1_SendMessageFault",
            code,
            message,
            at: self.simulation.now(),
        };
        Reply::Xml(status, fault.bytes())
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
