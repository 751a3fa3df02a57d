//! A pretended BMG behind the synchronous channel: `POST /mgov/`.
//!
//! It keeps codes, sends them to the pretended phones (`/control/phone/<iin>`), counts attempts and
//! lets each code open once. It does what it is told: the same SEND sends again.
//!
//! In the journal, a SEND is executed when its SMS left, a VERIFY when it used up an attempt or
//! opened a code; a CHECK changes nothing and never counts.

mod answer;
mod behaviour;
mod codes;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use jiff::SignedDuration;

use self::{
    answer::Said,
    behaviour::Behaviour as Act,
    codes::{Codes, Of, Tried},
};
use crate::simulation::{
    Simulation,
    behaviour::Profile,
    envelope::{self, Fault},
    journal::{Entry, Kind},
    misread::Misread,
    number,
    phones::Sms,
    reply::{self, Reply, SLOW},
    wsdl::{Data, Speaks},
    xml::{self, Node},
};

const SYSTEM: &str = "mgov";
const SERVICE_ID: &str = "MCDB_SERVICE";
const NAMESPACE: &str = "urn:sim:mcdb";
/// A code of [`Act::ExpiresEarly`] lives so long.
const SHORT_LIFE: SignedDuration = SignedDuration::from_mins(1);

/// For its WSDL.
const SPEAKS: &[Speaks] = &[Speaks::Synchronous(Data::Type("mgov/mcdb.xsd", NAMESPACE, "Data"))];

struct Registry {
    simulation: Arc<Simulation>,
    codes: Mutex<Codes>,
}

/// A request.
struct Asked {
    /// `requestId`: the same at every attempt of a job.
    request: String,
    iin: String,
    what: What,
}

enum What {
    Check { phone: String },
    Send { purpose: String, lang: String },
    Verify { id: String, sent_by: String, digits: String },
}

/// The routes below `/mgov/`.
pub(super) fn router(simulation: Arc<Simulation>) -> Router {
    use crate::simulation::behaviour::Behaviour;
    simulation.register(Profile {
        system: SYSTEM,
        behaviours: Act::LISTED,
        forge: None,
        speaks: SPEAKS,
    });
    let registry = Registry { simulation, codes: Mutex::default() };
    Router::new().route("/", post(serve)).with_state(Arc::new(registry))
}

async fn serve(State(registry): State<Arc<Registry>>, request: axum::extract::Request) -> Response {
    let (bytes, line) = match reply::read(request).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let reply = match read(&bytes) {
        Ok(asked) => registry.treat(&asked).await,
        Err((code, text)) => {
            let now = registry.simulation.now();
            return Misread::synchronous(code, &text, now).into_response();
        }
    };
    reply.into_response(&line)
}

impl Registry {
    async fn treat(&self, asked: &Asked) -> Reply {
        let choice = self.simulation.choose::<Act>(SYSTEM, &asked.request, &asked.iin);
        let (act, mut chance) = (choice.behaviour, choice.chance);
        let said = act.executes().then(|| self.execute(act, asked));
        let has_effect = said.as_ref().is_some_and(has_effect);
        let now = self.simulation.now();
        self.simulation.write_down(Entry {
            system: SYSTEM,
            request_number: asked.request.clone(),
            received_at: now,
            kind: kind(act, &asked.what),
            outcome: act.name(),
            given: None,
            executed: has_effect,
            acknowledged: act.answers(),
            correlation_id: None,
            answered: u32::from(act.answers()),
            pushes: 0,
            delivered: 0,
        });
        if act == Act::Slow {
            tokio::time::sleep(SLOW).await;
        }
        let said = said.unwrap_or(match asked.what {
            What::Check { .. } | What::Send { .. } => Said::NotRegistered,
            What::Verify { .. } => Said::Tried(Tried::NeverSent),
        });
        let whole = answer::write(act, &said, &asked.request, now, &mut chance);
        self.reply(act, whole)
    }

    /// Does what is asked, and says what there is to say.
    fn execute(&self, act: Act, asked: &Asked) -> Said {
        match &asked.what {
            What::Check { phone } => {
                let own = self.phone_of(&asked.iin);
                let masked = format!("{}*****{}", &own[..4], &own[9..]);
                Said::Phone { masked, is_same: phone.is_empty() || *phone == own }
            }
            What::Send { purpose, lang } => self.send(act, asked, purpose, lang),
            What::Verify { id, sent_by, digits } => {
                let of = if id.is_empty() { Of::Request(sent_by) } else { Of::Id(id) };
                let now = self.simulation.now();
                Said::Tried(self.codes().try_digits(&of, &asked.iin, digits, now))
            }
        }
    }

    fn send(&self, act: Act, asked: &Asked, purpose: &str, lang: &str) -> Said {
        let (request, now) = (&asked.request, self.simulation.now());
        let nth = self.simulation.journal().executed(SYSTEM, request).to_string();
        let mut chance = self.simulation.chance(&[SYSTEM, "code", request, &nth]);
        let (id, digits) = (chance.uuid().to_string(), format!("{:04}", chance.below(10_000)));
        let life = if act == Act::ExpiresEarly { SHORT_LIFE } else { codes::LIFETIME };
        let ends_at = now.checked_add(life).unwrap_or(now);
        self.codes().add(&id, &asked.iin, request, &digits, ends_at);
        if act != Act::NoSms {
            let words = if lang == "kk" {
                "Растау коды"
            } else {
                "Код подтверждения"
            };
            let sms = Sms {
                request_number: request.clone(),
                purpose: purpose.to_owned(),
                text: format!("{words}: {digits}"),
                code: digits,
                received_at: now,
            };
            self.simulation.phones().receive(&asked.iin, sms);
        }
        Said::Sent { id, ends_at }
    }

    /// Invented from the digits, so that one person always has the same number.
    fn phone_of(&self, iin: &str) -> String {
        if iin == "850100300012" {
            return "77000000001".to_owned(); // the one in the notes
        }
        let mut chance = self.simulation.chance(&[SYSTEM, "phone", iin]);
        format!("7700{:07}", chance.below(10_000_000))
    }

    fn reply(&self, act: Act, whole: Vec<u8>) -> Reply {
        match act {
            Act::Lost | Act::Reset => Reply::Reset,
            Act::Cut => Reply::Cut(whole),
            Act::CutByReset => Reply::CutByReset(whole),
            Act::HtmlOk => Reply::Html(200),
            Act::HtmlBadGateway => Reply::Html(502),
            Act::Garbage => Reply::Garbage,
            Act::Oversize => Reply::Oversize { announced: false },
            Act::ServerError => Reply::Empty(503),
            Act::FaultAfter => self.fault(500, "SCE909", "Внутренняя ошибка"),
            Act::Unavailable => self.fault(503, "SIM-UNAVAILABLE", "Сервис получателя недоступен"),
            Act::UnknownFault => self.fault(500, "SIM-9999", "Неизвестная ошибка"),
            Act::Known
            | Act::NotRegistered
            | Act::NoSms
            | Act::ExpiresEarly
            | Act::LongLife
            | Act::Slow
            | Act::WrongRequestId
            | Act::NoRequestId
            | Act::UnknownResult
            | Act::UnknownStatus
            | Act::OutOfPlace
            | Act::StatusTwice
            | Act::CodeIdTwice
            | Act::NoCodeId
            | Act::NoExpiry
            | Act::PastExpiry
            | Act::Contradiction
            | Act::WrongCounter
            | Act::BrokenText
            | Act::Doctype => Reply::Xml(200, whole),
        }
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

    /// Poisoning is no reason to stop a simulator.
    fn codes(&self) -> MutexGuard<'_, Codes> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody can be asked about a SEND: it goes once, unless their answer says that it was not executed. A
/// code that is typed again is told so.
const fn kind(act: Act, what: &What) -> Kind {
    match (what, act) {
        (What::Check { .. } | What::Verify { .. }, _) => Kind::Query,
        (What::Send { .. }, Act::Unavailable) => Kind::Declined,
        (What::Send { .. }, _) => Kind::Command,
    }
}

const fn has_effect(said: &Said) -> bool {
    match said {
        Said::Sent { .. } | Said::Tried(Tried::Right | Tried::Wrong { .. }) => true,
        Said::Phone { .. }
        | Said::NotRegistered
        | Said::Tried(Tried::TooOld | Tried::TooOften | Tried::Again | Tried::NeverSent) => false,
    }
}

/// Reads a request as strictly as the contract allows (shep §1.2, gov-services §7.2).
fn read(bytes: &[u8]) -> Result<Asked, (&'static str, String)> {
    let wrong = |text: &str| ("SCE001", text.to_owned());
    let root = xml::parse(bytes).map_err(|error| wrong(&error.0))?;
    let operation = root
        .child("Body")
        .and_then(|body| body.child("SendMessage"))
        .filter(|operation| operation.namespace.as_deref() == Some(envelope::SYNC))
        .ok_or_else(|| wrong("the body is no SendMessage of SyncChannel/v10/Types"))?;
    let info = operation.at(&["request", "requestInfo"]).ok_or_else(|| wrong("no requestInfo"))?;
    let filled = |path: &[&str]| !info.text_at(path).is_empty();
    if !filled(&["messageId"]) || !filled(&["messageDate"]) || !filled(&["sender", "senderId"]) {
        return Err(wrong("messageId, messageDate and sender/senderId must not be empty"));
    }
    if info.text_at(&["serviceId"]) != SERVICE_ID {
        return Err(("SCE004", "no such service".to_owned()));
    }
    let data = operation.at(&["request", "requestData", "data"]).ok_or_else(|| wrong("no data"))?;
    let document = (data.children.is_empty() && !data.text.trim().is_empty())
        .then(|| xml::parse_text(data.text.trim()))
        .transpose()
        .map_err(|error| wrong(&error.0))?;
    let data = document.as_ref().unwrap_or(data);
    if data.children.iter().any(|field| field.namespace.as_deref() != Some(NAMESPACE)) {
        return Err(wrong("the fields of data must stand in urn:sim:mcdb"));
    }
    asked(data).map_err(|text| wrong(&text))
}

fn asked(data: &Node) -> Result<Asked, String> {
    let names: Vec<&str> = data.children.iter().map(|field| field.name.as_str()).collect();
    let text = |name: &str| data.text_at(&[name]).to_owned();
    let what = match (text("operation").as_str(), names.get(3..).unwrap_or_default()) {
        ("CHECK", [] | ["phone"]) => What::Check { phone: text("phone") },
        ("SEND", ["purpose", "lang"]) if matches!(text("lang").as_str(), "ru" | "kk") => {
            What::Send { purpose: text("purpose"), lang: text("lang") }
        }
        ("VERIFY", ["otpId" | "sendRequestId", "code"]) => {
            What::Verify { id: text("otpId"), sent_by: text("sendRequestId"), digits: text("code") }
        }
        (operation, _) => return Err(format!("not the fields of {operation}, in their order")),
    };
    if names.get(..3) != Some(&["operation", "requestId", "uin"]) {
        return Err("data begins with operation, requestId, uin".to_owned());
    }
    let asked = Asked { request: text("requestId"), iin: text("uin"), what };
    if asked.request.is_empty() || asked.request.len() > 36 {
        return Err("requestId takes 1 to 36 characters".to_owned());
    }
    let has_digits =
        |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = match &asked.what {
        What::Check { phone } => phone.is_empty() || has_digits(phone, 11),
        What::Send { purpose, .. } => !purpose.is_empty(),
        What::Verify { digits, .. } => has_digits(digits, 4),
    };
    number::check(&asked.iin).map_err(|why| format!("uin {why}"))?;
    if !fits {
        return Err("phone takes 11 digits, code 4; purpose must not be empty".to_owned());
    }
    Ok(asked)
}
