//! The SOAP service: labels, questions, cancellations.
//!
//! A request that the contract forbids gets a fault that says what is wrong, so that a mistake of the
//! adapter does not pass for an answer.

use axum::{extract::State, response::Response};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    COUNTER, Contour,
    behaviour::{Counter as Act, No, Text, Treatment, Way},
    ledger::{Issue, spoilt},
    letter::{self, Elements, NAMESPACE, info, leaf},
};
use crate::simulation::{
    behaviour::Choice,
    chance::Chance,
    reply::{self, Reply, SLOW},
    xml::{self, Node},
};

/// `AddrInfo`, in the order of the schema (kazpost §3).
const ADDR_INFO: &[&str] = &[
    "RcpnIIN", "RcpnName", "RcpnPhone", "RcpnEmail", "RcpnCountry", "RcpnDistrict", "RcpnIndex",
    "RcpnCity", "RcpnStreet", "RcpnHouse", "SndrBIN", "SndrName", "SndrPhone", "SndrEmail",
    "SndrCountry", "SndrIndex", "SndrCity", "SndrDistrict", "SndrStreet", "SndrHouse", "SndrCtg",
    "Weight", "DeclaredValue", "CashOnDelivery", "DeliverySum", "ProductCode", "Marks", "AddInfo",
    "EnvelopeSize", "SendMethod", "MailCtg", "Barcode", "OrderNum", "MailCount", "Pickup", "NPI",
    "DEA_NUMBER", "DEA_DEPCODE",
];
const REQUIRED: &[&str] = &[
    "RcpnName", "RcpnPhone", "RcpnIndex", "RcpnCity", "RcpnStreet", "RcpnHouse", "SndrBIN",
    "ProductCode", "SendMethod", "MailCtg", "OrderNum",
];
const KEY_CHARS: usize = 32;

/// What was asked.
enum Asked {
    Label { order_number: String, iin: String },
    LabelAgain { number: String },
    Number { order_number: String },
    Info { number: String },
    Cancel { order_number: String, number: String },
}

/// What was done, and what is answered: the name of the response and its content.
struct Done {
    response: &'static str,
    content: String,
    changed: bool,
}

/// Serves one request.
pub(super) async fn serve(
    State(contour): State<Contour>,
    request: axum::extract::Request,
) -> Response {
    let answering = contour.kazpost.simulation.answering();
    let (bytes, line) = match reply::read(request).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    contour.kazpost.pause().await;
    let reply = match read(&bytes) {
        Ok(asked) => contour.treat(&asked).await,
        Err(words) => Reply::Xml(500, letter::fault(&words)),
    };
    drop(answering);
    reply.into_response(&line)
}

impl Asked {
    /// What the journal knows a request by. A question has the number of what it asks about.
    fn number(&self) -> String {
        match self {
            Self::Label { order_number, .. } | Self::Number { order_number } => {
                order_number.clone()
            }
            Self::LabelAgain { number } | Self::Info { number } => number.clone(),
            Self::Cancel { order_number, .. } => format!("cancel {order_number}"),
        }
    }
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
                self.kazpost.write_down(COUNTER, &number, act.name(), false, false);
                return self.refuse(no, asked, &mut chance).await;
            }
        };
        let done = self.execute(text, asked, &mut chance);
        let is_clear =
            !matches!(text, Text::Spoilt | Text::NoNumber | Text::Several | Text::BesideCode);
        let acknowledged = is_clear && way == Way::AtOnce;
        self.kazpost.write_down(COUNTER, &number, act.name(), done.changed, acknowledged);
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
            Reply::Xml(200, letter::answer(response(asked), &content, chance))
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
        let mut changed = false;
        let content = match asked {
            Asked::Label { order_number, .. } => match ledger.issue(order_number, now) {
                Issue::New(number) => {
                    changed = true;
                    numbered(text, &done, &number, true, chance)
                }
                Issue::Known(number) => {
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
            Asked::Number { order_number } => match ledger.of_order(order_number) {
                Some(number) => done + &leaf("Barcode", &number),
                None => unknown,
            },
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
                        changed = was_valid;
                        done
                    }
                    None => unknown,
                }
            }
        };
        Done { response: response(asked), content, changed }
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

const fn response(asked: &Asked) -> &'static str {
    match asked {
        Asked::Label { .. } => "GetAddrLetterResponse",
        Asked::LabelAgain { .. } => "GetAddrLetterUsingBarcodeResponse",
        Asked::Number { .. } => "GetBarCodeFromOrderNumResponse",
        Asked::Info { .. } => "GetBarcodeInfoResponse",
        Asked::Cancel { .. } => "PunDoInsertResponse",
    }
}

/// Reads a request as strictly as the contract allows (kazpost §2, §3).
fn read(bytes: &[u8]) -> Result<Asked, String> {
    let root = xml::parse(bytes).map_err(|error| error.0)?;
    let operation = root
        .child("Body")
        .and_then(|body| body.children.first())
        .filter(|operation| operation.namespace.as_deref() == Some(NAMESPACE))
        .ok_or("SIM: the body is nothing of postratesws")?;
    let filled = |name: &str| match operation.text_at(&[name]) {
        "" => Err(format!("SIM: {name} is missing in {}", operation.name)),
        text => Ok(text.to_owned()),
    };
    match operation.name.as_str() {
        "GetAddrLetterRequest" => {
            key(&filled("Key")?)?;
            read_label(operation)
        }
        "GetAddrLetterUsingBarcodeRequest" => {
            Ok(Asked::LabelAgain { number: filled("barcode")? })
        }
        "GetBarCodeFromOrderNumRequest" => Ok(Asked::Number { order_number: filled("ordernum")? }),
        "GetBarcodeInfoRequest" => Ok(Asked::Info { number: filled("Barcode")? }),
        "PunDoInsertRequest" => {
            key(&filled("key")?)?;
            let inner = STANDARD.decode(filled("barCode")?).map_err(|error| error.to_string())?;
            let mails = xml::parse(&inner).map_err(|error| error.0)?;
            let number = mails.text_at(&["MAIL", "BARCODE"]).to_owned();
            if mails.name != "MAILS" || number.is_empty() {
                return Err("SIM: barCode holds no MAILS/MAIL/BARCODE".to_owned());
            }
            Ok(Asked::Cancel { order_number: filled("ordernum")?, number })
        }
        other => Err(format!("SIM: unknown operation {other}")),
    }
}

fn read_label(operation: &Node) -> Result<Asked, String> {
    let info = operation.child("AddrInfo").ok_or("SIM: no AddrInfo")?;
    let mut from = 0;
    for child in &info.children {
        match ADDR_INFO[from..].iter().position(|name| *name == child.name) {
            Some(steps) => from += steps,
            None => return Err(format!("SIM: {} is not allowed here", child.name)),
        }
    }
    let text = |name: &str| info.text_at(&[name]);
    if let Some(missing) = REQUIRED.iter().find(|name| text(name).is_empty()) {
        return Err(format!("SIM: {missing} is missing"));
    }
    // What a trailing space in a setting looks like (kazpost §4).
    let is_untidy = |name| info.child(name).is_some_and(|node| node.text.trim() != node.text);
    if is_untidy("ProductCode") || is_untidy("OrderNum") {
        return Err("ORA-06512: на \"SIM.POSTRATES\", line 7".to_owned());
    }
    let digits = |name: &str, count: usize| {
        text(name).len() == count && text(name).bytes().all(|byte| byte.is_ascii_digit())
    };
    if !digits("RcpnIndex", 6) || !digits("RcpnPhone", 10) || !digits("SndrBIN", 12) {
        return Err("SIM: RcpnIndex, RcpnPhone and SndrBIN take 6, 10 and 12 digits".to_owned());
    }
    let weight = text("Weight");
    if !weight.is_empty() && !weight.parse::<f64>().is_ok_and(|kg| kg > 0.0 && kg < 100.0) {
        return Err("SIM: Weight takes kilograms".to_owned());
    }
    let (order_number, iin) = (text("OrderNum").to_owned(), text("RcpnIIN").to_owned());
    Ok(Asked::Label { order_number, iin })
}

fn key(key: &str) -> Result<(), String> {
    if key.chars().count() == KEY_CHARS { Ok(()) } else { Err("SIM: the key has 32 characters".into()) }
}
