//! Their code, or our cause → class.
//!
//! A lost answer means what it means for every query ([`query`], for a lookup) and every command
//! ([`command`], for an SMS and an attempt at a code): D6, a lost answer after sending is never a
//! second SMS. What breaks the contract is `Contract` for a lookup; for a command it leaves open what
//! was done.

use contracts::{
    class::{Class, Failure},
    code,
};

use super::refusals::Refusal;
use crate::{
    classify,
    transport::{trouble::Trouble, xml::Repeated},
};

/// Why an attempt gave no answer. Closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// The job's input does not read, although it was admitted.
    Input,
    /// The hub gave no code to verify.
    NoCode,
    /// The hub gave the code of another sending.
    OtherCode,
    /// The hub gave a code that is not four digits.
    CodeForm,
    /// No readable answer came.
    Trouble(Trouble),
    /// `responseInfo/status/code` is not success.
    UnknownStatus,
    /// The payload does not read.
    Payload,
    /// An element that may stand once stands twice.
    Repeated,
    /// `requestId` is not our request's.
    OtherRequest,
    /// `status` is not one that we know.
    UnknownResult,
    /// `status` is one of another operation.
    OutOfPlace,
    /// Not registered, and yet a number; or a number compared that was not given.
    Contradiction,
    /// Sent, but without an id to verify by.
    NoOtp,
    /// Sent, but when the code ends is missing, unreadable or over.
    Expiry,
    /// They understood and said no.
    Refused(Refusal),
}

impl From<Trouble> for Cause {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<Repeated> for Cause {
    fn from(Repeated: Repeated) -> Self {
        Self::Repeated
    }
}

/// What a cause means for a lookup.
pub(super) fn query(cause: &Cause) -> Failure {
    failure(cause, Class::Contract, |lost| classify::query(lost, classify::query_fault))
}

/// What a cause means for sending and for verifying.
pub(super) fn command(cause: &Cause) -> Failure {
    failure(cause, Class::Indeterminate, |lost| classify::command(lost, classify::command_fault))
}

/// `broken` is the class of an answer that cannot be understood.
fn failure(cause: &Cause, broken: Class, of_trouble: fn(&Trouble) -> Failure) -> Failure {
    match cause {
        Cause::Trouble(trouble) => of_trouble(trouble),
        Cause::Input => Failure::new(Class::Defect, code!("input_unreadable")),
        Cause::NoCode => Failure::new(Class::Defect, code!("code_missing")),
        Cause::OtherCode => Failure::new(Class::Defect, code!("code_of_another_sending")),
        Cause::CodeForm => Failure::new(Class::Defect, code!("code_malformed")),
        Cause::UnknownStatus => Failure::new(broken, code!("unknown_status")),
        Cause::Payload => Failure::new(broken, code!("payload_unreadable")),
        Cause::Repeated => Failure::new(broken, code!("element_repeated")),
        Cause::OtherRequest => Failure::new(broken, code!("other_request")),
        Cause::UnknownResult => Failure::new(broken, code!("unknown_result")),
        Cause::OutOfPlace => Failure::new(broken, code!("result_out_of_place")),
        Cause::Contradiction => Failure::new(broken, code!("contradiction")),
        Cause::NoOtp => Failure::new(broken, code!("code_id_missing")),
        Cause::Expiry => Failure::new(broken, code!("expiry_unusable")),
        Cause::Refused(refusal) => refusal.failure(),
    }
}

#[cfg(test)]
mod tests;
