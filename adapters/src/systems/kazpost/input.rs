//! What the inputs of label and courier share: people with an address, phones, writable texts.

use contracts::{code, number::Bin, number::Iin, personal::Personal, rejection::FieldError};
use serde::Deserialize;
use serde_json::Value;

use crate::transport::xml::is_writable;

const NATIONAL_DIGITS: usize = 10;

/// Who receives.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Recipient {
    /// Number of the person, when known.
    pub(super) iin: Option<Iin>,
    /// Full name.
    #[schemars(length(min = 1, max = 256))]
    pub(super) name: Personal<String>,
    /// Phone in Kazakhstan: `+7…`, `8…` or ten digits.
    #[schemars(length(min = 10, max = 20))]
    pub(super) phone: Personal<String>,
    /// Where.
    pub(super) address: Address,
}

/// Who sends.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sender {
    /// Number of the organisation; twelve zeros are sent where it is absent.
    pub(super) bin: Option<Bin>,
    /// Name of the organisation.
    #[schemars(length(min = 1, max = 256))]
    pub(super) name: Personal<String>,
    /// Phone in Kazakhstan: `+7…`, `8…` or ten digits.
    #[schemars(length(min = 10, max = 20))]
    pub(super) phone: Personal<String>,
    /// Where from.
    pub(super) address: Address,
}

/// A postal address.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Address {
    /// Six digits.
    #[schemars(extend("pattern" = "^[0-9]{6}$"))]
    pub(super) postcode: String,
    /// Town or village.
    #[schemars(length(min = 1, max = 100))]
    pub(super) city: Personal<String>,
    /// Street.
    #[schemars(length(min = 1, max = 200))]
    pub(super) street: Personal<String>,
    /// House and flat.
    #[schemars(length(min = 1, max = 50))]
    pub(super) house: Personal<String>,
}

/// How a phone is written for Kazpost: three clients do it in three ways (kazpost §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PhoneForm {
    /// Ten digits that begin with 7: DESIGNED, our choice.
    Ten,
    /// The same with the country's 7 before it.
    Eleven,
    /// The same with `+7` before it.
    Plus,
}

impl PhoneForm {
    /// Reads the option `phone_form`.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "10" => Some(Self::Ten),
            "11" => Some(Self::Eleven),
            "plus" => Some(Self::Plus),
            _ => None,
        }
    }

    /// Writes a phone; `None` where it is none.
    pub(super) fn write(self, phone: &str) -> Option<String> {
        let national = national(phone)?;
        Some(match self {
            Self::Ten => national,
            Self::Eleven => format!("7{national}"),
            Self::Plus => format!("+7{national}"),
        })
    }
}

/// The ten digits behind the country's code: `+7 (701) 000-00-00`, `8 701 …`, `7701…`, `701…`.
fn national(phone: &str) -> Option<String> {
    let phone = phone.trim();
    let (rest, has_plus) = phone.strip_prefix('+').map_or((phone, false), |rest| (rest, true));
    if !rest.chars().all(|c| c.is_ascii_digit() || " -()".contains(c)) {
        return None;
    }
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    let national = match (digits.len(), digits.as_bytes().first()) {
        (11, Some(b'7')) => &digits[1..],
        (11, Some(b'8')) if !has_plus => &digits[1..],
        (NATIONAL_DIGITS, _) if !has_plus => &digits[..],
        _ => return None,
    };
    // Every number of Kazakhstan begins so: 70x, 77x mobile, 71x and 72x fixed.
    national.starts_with('7').then(|| national.to_owned())
}

/// Texts that cannot be written as XML, wherever they stand below `path`.
pub(super) fn check_texts(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    match value {
        Value::String(text) if !text.chars().all(is_writable) => {
            let why = "holds a control character that cannot be sent";
            errors.push(FieldError::new(path, code!("control_character"), why));
        }
        Value::String(text) if text.trim().is_empty() => {
            errors.push(FieldError::new(path, code!("blank"), "holds nothing but blanks"));
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                check_texts(field, &format!("{path}/{name}"), errors);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {}
    }
}

/// A phone at `pointer` that is none.
pub(super) fn check_phone(input: &Value, pointer: &str, errors: &mut Vec<FieldError>) {
    let phone = input.pointer(pointer).and_then(Value::as_str);
    if phone.is_some_and(|phone| national(phone).is_none()) {
        let why =
            "must be a phone in Kazakhstan: +7, 8 or nothing, then ten digits that begin with 7";
        errors.push(FieldError::new(&format!("/input{pointer}"), code!("phone"), why));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_phone_is_read_in_every_form_and_written_in_one() {
        for phone in [
            "+77000000000",
            "87000000000",
            "77000000000",
            "7000000000",
            " +7 (700) 000-00-00 ",
            "8 700 000 00 00",
        ] {
            assert_eq!(PhoneForm::Ten.write(phone).as_deref(), Some("7000000000"), "{phone}");
            assert_eq!(PhoneForm::Eleven.write(phone).as_deref(), Some("77000000000"), "{phone}");
            assert_eq!(PhoneForm::Plus.write(phone).as_deref(), Some("+77000000000"), "{phone}");
        }
    }

    #[test]
    fn what_is_no_phone_of_kazakhstan_is_refused() {
        for phone in
            ["", "+7", "700000000", "+87000000000", "9000000000", "+7000000000", "7OOOOOOOOO"]
        {
            assert_eq!(PhoneForm::Ten.write(phone), None, "{phone}");
            let mut errors = Vec::new();
            check_phone(&json!({ "phone": phone }), "/phone", &mut errors);
            assert_eq!(errors[0].path, "/input/phone", "{phone}");
        }
    }

    #[test]
    fn unwritable_and_blank_texts_are_found_wherever_they_stand() {
        let mut errors = Vec::new();
        let input = json!({ "a": { "b": "x\u{1}", "c": " ", "d": "fine" }, "n": 1 });
        check_texts(&input, "/input", &mut errors);
        let found: Vec<_> = errors.iter().map(|e| (e.path.as_str(), e.code.as_str())).collect();
        assert_eq!(found, [("/input/a/b", "control_character"), ("/input/a/c", "blank")]);
    }
}
