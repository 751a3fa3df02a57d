//! Whose certificate it is (D20): the IIN, and for an organisation the BIN, in the subject of an
//! X.509 certificate as the national certification authority writes it.
//!
//! ```text
//! subject: serialNumber (2.5.4.5) = IIN850100300012, OU (2.5.4.11) = BIN990140000007
//! ```
//!
//! *Guarantee*: one certificate, nothing behind it; exactly one IIN of twelve digits. An error
//! never holds what was read.
//!
//! Check digits (D22) are a question of their own, [`Holder::has_right_numbers`]: the test keys
//! that the authority publishes (`IIN123456789011`, `BIN123456789021`) have wrong ones, and a test
//! stand must be able to take them.
//!
//! *What this does not do*: verify the signature or the chain. ИИС «Е-қызмет» does, with the keys
//! of the authority; here the two certificates are only held against each other, before anything is
//! sent.

use base64::{Engine, engine::general_purpose::STANDARD};
use contracts::{
    code,
    code::Code,
    number::{Bin, Iin, NUMBER_DIGITS},
    personal::Personal,
};
use jiff::Timestamp;
use x509_parser::{
    certificate::X509Certificate,
    der_parser::Oid,
    oid_registry::{OID_X509_ORGANIZATIONAL_UNIT, OID_X509_SERIALNUMBER},
    prelude::FromDer,
    x509::X509Name,
};

const IIN_PREFIX: &str = "IIN";
const BIN_PREFIX: &str = "BIN";

/// What a certificate says of its holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    /// The person.
    pub(super) iin: Personal<String>,
    /// The organisation that the person signs for, where it is an organisation's certificate.
    pub(super) bin: Option<Personal<String>>,
    not_before: Timestamp,
    not_after: Timestamp,
}

/// Why a certificate cannot be used. Holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    /// Not base64, not DER, not X.509, or with something behind it.
    #[error("not one X.509 certificate in DER, base64 without line breaks")]
    Unreadable,
    /// No IIN, or more than one.
    #[error("its subject does not hold exactly one serialNumber of the form IIN…")]
    Iin,
    /// A BIN that is none, or several.
    #[error("its subject holds more than one OU of the form BIN…, or one without twelve digits")]
    Bin,
}

impl Broken {
    /// The stable code of a field error.
    pub(super) const fn code(self) -> Code {
        match self {
            Self::Unreadable => code!("certificate_unreadable"),
            Self::Iin => code!("certificate_without_iin"),
            Self::Bin => code!("certificate_bin"),
        }
    }
}

/// Where a moment lies relative to a certificate's validity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Validity {
    /// Before it.
    NotYet,
    /// Within it.
    Valid,
    /// After it.
    Expired,
}

impl Holder {
    /// Reads a certificate: DER in base64.
    pub(super) fn read(base64: &str) -> Result<Self, Broken> {
        let der = STANDARD.decode(base64).map_err(|_| Broken::Unreadable)?;
        let (rest, certificate) =
            X509Certificate::from_der(&der).map_err(|_| Broken::Unreadable)?;
        if !rest.is_empty() {
            return Err(Broken::Unreadable);
        }
        let subject = certificate.subject();
        let iin = match numbers(subject, &OID_X509_SERIALNUMBER, IIN_PREFIX).as_slice() {
            [one] => digits(one).ok_or(Broken::Iin)?,
            [] | [_, _, ..] => return Err(Broken::Iin),
        };
        let bin = match numbers(subject, &OID_X509_ORGANIZATIONAL_UNIT, BIN_PREFIX).as_slice() {
            [] => None,
            [one] => Some(digits(one).ok_or(Broken::Bin)?),
            [_, _, ..] => return Err(Broken::Bin),
        };
        let validity = certificate.validity();
        let moment = |seconds| Timestamp::from_second(seconds).map_err(|_| Broken::Unreadable);
        Ok(Self {
            iin,
            bin,
            not_before: moment(validity.not_before.timestamp())?,
            not_after: moment(validity.not_after.timestamp())?,
        })
    }

    /// Whether its numbers could be somebody's (D22).
    pub(super) fn has_right_numbers(&self) -> bool {
        let bin = self.bin.as_ref();
        self.iin.expose().parse::<Iin>().is_ok()
            && bin.is_none_or(|bin| bin.expose().parse::<Bin>().is_ok())
    }

    /// Whether it is valid at `moment`; both ends are inclusive (RFC 5280 §4.1.2.5).
    pub(super) fn validity_at(&self, moment: Timestamp) -> Validity {
        // Whole seconds are all that a certificate knows: the last one counts to its end.
        let seconds = moment.as_second();
        if seconds < self.not_before.as_second() {
            Validity::NotYet
        } else if seconds > self.not_after.as_second() {
            Validity::Expired
        } else {
            Validity::Valid
        }
    }
}

fn digits(text: &str) -> Option<Personal<String>> {
    let is_number = text.len() == NUMBER_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Personal::new(text.to_owned()))
}

/// What follows the prefix in the attributes of this kind; attributes without it are not ours.
fn numbers<'n>(subject: &'n X509Name<'_>, oid: &'n Oid<'_>, prefix: &str) -> Vec<&'n str> {
    let attributes = subject.iter_by_oid(oid).filter_map(|one| one.as_str().ok());
    attributes.filter_map(|text| text.trim().strip_prefix(prefix)).collect()
}
