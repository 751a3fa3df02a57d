//! The SOAP service: labels, questions, cancellations.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    COUNTER, Contour, Effect,
    behaviour::Counter as Act,
    ledger::{Issue, spoilt},
    letter::{self, Elements, info, leaf},
    request::{Asked, read},
    treatment::{No, Text, Treatment, Way},
};
use crate::simulation::{
    behaviour::Choice,
    chance::Chance,
    journal::Kind,
    misread::Misread,
    reply::{self, Reply, SLOW},
};

/// What was done, and what is answered: the name of the response and its content.
struct Done {
    response: &'static str,
    content: String,
    effect: Effect,
}

/// Serves one request.
pub(super) async fn serve(
    State(contour): State<Contour>,
    request: axum::extract::Request,
) -> Response {
    let (bytes, line) = match reply::read(request).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let reply = match read(&bytes) {
        Ok(asked) => contour.treat(&asked).await,
        // What their database says is theirs, word for word.
        Err(words) if words.starts_with("ORA-") => Reply::Xml(500, letter::fault(&words)),
        Err(words) => {
            return Misread::plain(&words, contour.kazpost.simulation.now()).into_response();
        }
    };
    reply.into_response(&line)
}

impl Contour {
    async fn treat(&self, asked: &Asked) -> Reply {
        let number = asked.number();
        let person = match asked {
            Asked::Label { iin, .. } if !iin.is_empty() => iin,
            Asked::Label { .. }
            | Asked::LabelAgain { .. }
            | Asked::Number { .. }
            | Asked::Info { .. }
            | Asked::Cancel { .. } => &number,
        };
        let choice = self.kazpost.simulation.choose::<Act>(COUNTER, &number, person);
        let Choice { behaviour: act, mut chance } = choice;
        let (text, way) = match act.treatment() {
            Treatment::Done(text, way) => (text, way),
            Treatment::Not(no) => {
                let effect = Effect { kind: refused(asked, no), executed: false, given: None };
                self.kazpost.write_down(COUNTER, &number, act.name(), &effect, false);
                return self.refuse(no, asked, &mut chance).await;
            }
        };
        let mut done = self.execute(text, asked, &mut chance);
        let is_clear =
            !matches!(text, Text::Spoilt | Text::NoNumber | Text::Several | Text::BesideCode);
        let acknowledged = is_clear && way == Way::AtOnce;
        if done.effect.kind == Kind::Unknown && !acknowledged {
            done.effect.kind = Kind::Query;
        }
        self.kazpost.write_down(COUNTER, &number, act.name(), &done.effect, acknowledged);
        let text = letter::answer(done.response, &done.content, &mut chance);
        match way {
            Way::AtOnce => Reply::Xml(200, text),
            Way::Reset => Reply::Reset,
            Way::Cut => Reply::Cut(text),
            Way::Html => Reply::Html(502),
            Way::Garbage => Reply::Garbage,
            Way::Slow => {
                tokio::time::sleep(SLOW).await;
                Reply::Xml(200, text)
            }
        }
    }

    async fn refuse(&self, no: No, asked: &Asked, chance: &mut Chance) -> Reply {
        let mut code = |code: &str, words: &str| {
            let content = info(code, words, self.kazpost.simulation.now());
            Reply::Xml(200, letter::answer(asked.response(), &content, chance))
        };
        match no {
            No::Oracle => {
                let words = "ORA-06512: на \"SIM.POSTRATES\", line 42";
                Reply::Xml(500, letter::fault(words))
            }
            No::UnknownFault => Reply::Xml(500, letter::fault("SIM: unknown error")),
            No::Product => code("SIM-20999", "Продукт не разрешен по договору"),
            No::Key => code("SIM-KEY", "Неизвестный ключ"),
            No::Range => code("SIM-RANGE", "Диапазон ШПИ исчерпан"),
            No::Empty => Reply::Empty(503),
            No::Html => Reply::Html(502),
            No::Reset => Reply::Reset,
            No::Slow => {
                tokio::time::sleep(SLOW).await;
                Reply::Empty(504)
            }
        }
    }

    fn execute(&self, text: Text, asked: &Asked, chance: &mut Chance) -> Done {
        let now = self.kazpost.simulation.now();
        let mut ledger = self.kazpost.ledger(self.index);
        let done = info("0", "success", now);
        let unknown = info("SIM-UNKNOWN", "Не найдено", now);
        let kind = if matches!(asked, Asked::Label { .. }) { Kind::Command } else { Kind::Query };
        let mut effect = Effect { kind, executed: false, given: None };
        let content = match asked {
            Asked::Label { order_number, .. } => match ledger.issue(order_number, now) {
                Issue::New(number) => {
                    effect.executed = true;
                    effect.given = Some(number.clone());
                    numbered(text, &done, &number, true, chance)
                }
                Issue::Known(number) => {
                    effect.given = Some(number.clone());
                    let known = info("20012", "OrderNum уже использован", now);
                    let with_label = text == Text::Plain && chance.permille() < 500;
                    numbered(text, &known, &number, with_label, chance)
                }
                Issue::Exhausted => info("SIM-RANGE", "Диапазон ШПИ исчерпан", now),
            },
            Asked::LabelAgain { number } => match ledger.parcel(number) {
                Some(_) if text == Text::PdfNever => done,
                Some(_) => done + &Elements::draw(chance).label(&letter::label(number)),
                None => unknown,
            },
            Asked::Number { order_number } => {
                effect.given = ledger.of_order(order_number);
                if let Some(number) = &effect.given {
                    done + &leaf("Barcode", number)
                } else {
                    effect.kind = Kind::Unknown;
                    unknown
                }
            }
            Asked::Info { number } => match ledger.parcel(number) {
                Some(parcel) => {
                    let status = if parcel.is_cancelled { "SIM-CANCELLED" } else { "SIM-ISSUED" };
                    done + &leaf("Status", status) + &leaf("OrderNum", &parcel.order_number)
                }
                None => unknown,
            },
            Asked::Cancel { order_number, number } => {
                let is_theirs = ledger.of_order(order_number).as_ref() == Some(number);
                match ledger.cancel(number).filter(|_| is_theirs) {
                    Some(was_valid) => {
                        effect.executed = was_valid;
                        done
                    }
                    None => unknown,
                }
            }
        };
        Done { response: asked.response(), content, effect }
    }
}

/// What a request that had no effect is, by what is said of it: only a question, a fault of theirs or a
/// code says that nothing was executed.
const fn refused(asked: &Asked, no: No) -> Kind {
    match (asked, no) {
        (Asked::Label { .. }, No::Oracle | No::Product | No::Key | No::Range) => Kind::Declined,
        (Asked::Label { .. }, No::UnknownFault | No::Empty | No::Html | No::Reset | No::Slow) => {
            Kind::Command
        }
        (
            Asked::LabelAgain { .. }
            | Asked::Number { .. }
            | Asked::Info { .. }
            | Asked::Cancel { .. },
            _,
        ) => Kind::Query,
    }
}

/// The answer to a request for a number.
fn numbered(text: Text, info: &str, number: &str, with_label: bool, chance: &mut Chance) -> String {
    let elements = match text {
        Text::Old => Elements::Old,
        Text::New => Elements::New,
        Text::Both => Elements::Both,
        Text::Plain
        | Text::NoPdf
        | Text::PdfNever
        | Text::NotAPdf
        | Text::BrokenBase64
        | Text::Spoilt
        | Text::NoNumber
        | Text::Several
        | Text::BesideCode => Elements::draw(chance),
    };
    let mut numbers = elements.number(number);
    let mut label = String::new();
    if with_label {
        label = elements.label(&letter::label(number));
    }
    let mut info = info.to_owned();
    match text {
        Text::Plain | Text::Old | Text::New | Text::Both => {}
        Text::NoPdf | Text::PdfNever => label.clear(),
        Text::NotAPdf => label = elements.label(&STANDARD.encode("<html>label</html>")),
        Text::BrokenBase64 => label = elements.label("JVBERi0=====&&&"),
        Text::Spoilt => numbers = elements.number(&spoilt(number)),
        Text::NoNumber => numbers.clear(),
        Text::Several => numbers = leaf("Barcodes", number) + &leaf("Barcode", "QS000000014KZ"),
        Text::BesideCode => info = info.replace("Code>0<", "Code>SIM-20777<"),
    }
    // The order of the children is not known (kazpost §4).
    if chance.permille() < 500 { info + &numbers + &label } else { numbers + &label + &info }
}
