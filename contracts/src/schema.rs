//! JSON Schema as the one description of what a publisher may send.
//!
//! *Guarantee*: the schema that is checked in for portal developers is the schema that is enforced;
//! there is no second, hand-written reader to disagree with it. A [`FieldError`] made here never
//! holds the value that was wrong.

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind as Kind};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use crate::{
    code,
    code::Code,
    number::{Bin, Iin},
    rejection::FieldError,
    s10::{TrackError, TrackNumber},
};

/// More entries than this are cut: a hostile message must not make a large event.
pub const FIELD_ERRORS_MAX: usize = 50;

/// The schema of a type, 2020-12, with everything inlined so that paths stay readable.
pub fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// A schema that is ready to check values.
#[derive(Debug)]
pub struct Checker(Validator);

/// The schema itself is wrong: found when the program starts.
#[derive(Debug, thiserror::Error)]
#[error("the schema cannot be used: {0}")]
pub struct SchemaError(String);

impl Checker {
    /// Compiles a schema, with the formats of this project.
    pub fn new(schema: &Value) -> Result<Self, SchemaError> {
        jsonschema::options()
            .should_validate_formats(true)
            .with_format("iin", |text: &str| {
                !has_twelve_digits(text) || text.parse::<Iin>().is_ok()
            })
            .with_format("bin", |text: &str| {
                !has_twelve_digits(text) || text.parse::<Bin>().is_ok()
            })
            .with_format("s10", |text: &str| {
                text.parse::<TrackNumber>() != Err(TrackError::CheckDigit)
            })
            .with_format("date-time", |text: &str| text.parse::<jiff::Timestamp>().is_ok())
            .with_format("date", |text: &str| text.parse::<jiff::civil::Date>().is_ok())
            .build(schema)
            .map(Self)
            .map_err(|error| SchemaError(error.to_string()))
    }

    /// Checks a value; one entry a fault, sorted by path.
    pub fn check(&self, value: &Value) -> Vec<FieldError> {
        let mut errors: Vec<FieldError> =
            self.0.iter_errors(value).take(FIELD_ERRORS_MAX).flat_map(|e| entries(&e)).collect();
        errors.sort();
        errors.truncate(FIELD_ERRORS_MAX);
        errors
    }
}

/// The pattern already says that twelve digits are missing; the format adds the check digit.
fn has_twelve_digits(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

fn entries(error: &ValidationError<'_>) -> Vec<FieldError> {
    let here = error.instance_path().to_string();
    if let Kind::AdditionalProperties { unexpected } = error.kind() {
        // The name comes from outside: a long or strange one is not repeated.
        let names = unexpected.iter().map(|name| if is_plain(name) { name } else { "?" });
        return names
            .map(|name| {
                FieldError::new(&format!("{here}/{name}"), code!("field_unknown"), UNKNOWN_TEXT)
            })
            .collect();
    }
    if let Kind::Required { property } = error.kind() {
        let path = format!("{here}/{}", property.as_str().unwrap_or("?"));
        return vec![FieldError::new(&path, code!("field_missing"), "this field is required")];
    }
    let (code, text) = describe(error.kind());
    vec![FieldError::new(&here, code, text)]
}

const UNKNOWN_TEXT: &str = "no such field: check the spelling, or leave it out";

fn is_plain(name: &str) -> bool {
    name.len() <= 40
        && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_' || b == b'-')
        && !name.is_empty()
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's list of keywords is open; the rest share one honest text"
)]
fn describe(kind: &Kind) -> (Code, String) {
    match kind {
        Kind::Type { .. } => {
            (code!("wrong_type"), "the value has another JSON type than the schema".into())
        }
        Kind::Enum { options } => (code!("not_allowed"), format!("must be one of {options}")),
        // A choice of words, each with a description of its own, is a choice of schemas.
        Kind::OneOfNotValid { .. } => {
            (code!("not_allowed"), "must be one of the schema's values".into())
        }
        Kind::Constant { expected_value } => {
            (code!("not_allowed"), format!("must be {expected_value}"))
        }
        Kind::Format { format } if format == "iin" || format == "bin" => (
            code!("check_digit"),
            format!("not a valid {format}: the check digit or digit 5 is wrong"),
        ),
        Kind::Format { format } if format == "s10" => {
            (code!("check_digit"), "not a valid track number: the check digit is wrong".into())
        }
        Kind::Format { format } => {
            (code!("wrong_format"), format!("must have the format {format}"))
        }
        Kind::Pattern { pattern } => (code!("wrong_format"), format!("must match {pattern}")),
        Kind::MaxLength { limit } => (code!("too_long"), format!("at most {limit} characters")),
        Kind::MinLength { limit } => (code!("too_short"), format!("at least {limit} characters")),
        Kind::Maximum { limit } => (code!("too_large"), format!("at most {limit}")),
        Kind::Minimum { limit } => (code!("too_small"), format!("at least {limit}")),
        Kind::MaxItems { limit } => (code!("too_many"), format!("at most {limit} entries")),
        other => (code!("invalid"), format!("breaks the schema's rule \"{}\"", other.keyword())),
    }
}
