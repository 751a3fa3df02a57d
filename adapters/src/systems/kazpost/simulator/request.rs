//! What is asked of the SOAP service, read as strictly as the contract allows (kazpost §2, §3).
//!
//! A request that the contract forbids gets a fault that says what is wrong, so that a mistake of the
//! adapter does not pass for an answer.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::letter::NAMESPACE;
use crate::simulation::xml::{self, Node};

/// `AddrInfo`, in the order of the schema (kazpost §3).
const ADDR_INFO: &[&str] = &[
    "RcpnIIN",
    "RcpnName",
    "RcpnPhone",
    "RcpnEmail",
    "RcpnCountry",
    "RcpnDistrict",
    "RcpnIndex",
    "RcpnCity",
    "RcpnStreet",
    "RcpnHouse",
    "SndrBIN",
    "SndrName",
    "SndrPhone",
    "SndrEmail",
    "SndrCountry",
    "SndrIndex",
    "SndrCity",
    "SndrDistrict",
    "SndrStreet",
    "SndrHouse",
    "SndrCtg",
    "Weight",
    "DeclaredValue",
    "CashOnDelivery",
    "DeliverySum",
    "ProductCode",
    "Marks",
    "AddInfo",
    "EnvelopeSize",
    "SendMethod",
    "MailCtg",
    "Barcode",
    "OrderNum",
    "MailCount",
    "Pickup",
    "NPI",
    "DEA_NUMBER",
    "DEA_DEPCODE",
];
const REQUIRED: &[&str] = &[
    "RcpnName",
    "RcpnPhone",
    "RcpnIndex",
    "RcpnCity",
    "RcpnStreet",
    "RcpnHouse",
    "SndrBIN",
    "ProductCode",
    "SendMethod",
    "MailCtg",
    "OrderNum",
];
const KEY_CHARS: usize = 32;

/// What was asked.
pub(super) enum Asked {
    Label { order_number: String, iin: String },
    LabelAgain { number: String },
    Number { order_number: String },
    Info { number: String },
    Cancel { order_number: String, number: String },
}

impl Asked {
    /// What the journal knows a request by. A question has the number of what it asks about.
    pub(super) fn number(&self) -> String {
        match self {
            Self::Label { order_number, .. } | Self::Number { order_number } => {
                order_number.clone()
            }
            Self::LabelAgain { number } | Self::Info { number } => number.clone(),
            Self::Cancel { order_number, .. } => format!("cancel {order_number}"),
        }
    }

    /// The name of its response.
    pub(super) const fn response(&self) -> &'static str {
        match self {
            Asked::Label { .. } => "GetAddrLetterResponse",
            Asked::LabelAgain { .. } => "GetAddrLetterUsingBarcodeResponse",
            Asked::Number { .. } => "GetBarCodeFromOrderNumResponse",
            Asked::Info { .. } => "GetBarcodeInfoResponse",
            Asked::Cancel { .. } => "PunDoInsertResponse",
        }
    }
}

/// Reads a request; an error holds the words of the fault.
pub(super) fn read(bytes: &[u8]) -> Result<Asked, String> {
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
        "GetAddrLetterUsingBarcodeRequest" => Ok(Asked::LabelAgain { number: filled("barcode")? }),
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
    if key.chars().count() == KEY_CHARS {
        Ok(())
    } else {
        Err("SIM: the key has 32 characters".into())
    }
}
