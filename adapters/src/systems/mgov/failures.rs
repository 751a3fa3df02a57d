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
mod tests {
    use super::*;
    use crate::classify::class_rows;

    mod of_a_query {
        use super::*;

        class_rows! {
            query;
            lost_answer_is_unreachable: Cause::Trouble(Trouble::TimedOut) => Unreachable "timed_out";
            broken_input_is_a_defect: Cause::Input => Defect "input_unreadable";
            unknown_status_is_contract: Cause::UnknownStatus => Contract "unknown_status";
            broken_payload_is_contract: Cause::Payload => Contract "payload_unreadable";
            repeated_element_is_contract: Cause::Repeated => Contract "element_repeated";
            answer_to_another_request_is_contract:
                Cause::OtherRequest => Contract "other_request";
            unknown_result_is_contract: Cause::UnknownResult => Contract "unknown_result";
            result_of_another_operation_is_contract:
                Cause::OutOfPlace => Contract "result_out_of_place";
            contradiction_is_contract: Cause::Contradiction => Contract "contradiction";
        }
    }

    mod of_a_command {
        use super::*;

        class_rows! {
            command;
            d6_lost_answer_after_sending_is_indeterminate:
                Cause::Trouble(Trouble::TimedOut) => Indeterminate "timed_out";
            no_connection_is_unreachable:
                Cause::Trouble(Trouble::NotSent) => Unreachable "not_sent";
            broken_input_is_a_defect: Cause::Input => Defect "input_unreadable";
            missing_code_is_a_defect: Cause::NoCode => Defect "code_missing";
            code_of_another_sending_is_a_defect:
                Cause::OtherCode => Defect "code_of_another_sending";
            code_that_is_none_is_a_defect: Cause::CodeForm => Defect "code_malformed";
            unknown_status_is_indeterminate:
                Cause::UnknownStatus => Indeterminate "unknown_status";
            broken_payload_is_indeterminate: Cause::Payload => Indeterminate "payload_unreadable";
            repeated_element_is_indeterminate: Cause::Repeated => Indeterminate "element_repeated";
            answer_to_another_request_is_indeterminate:
                Cause::OtherRequest => Indeterminate "other_request";
            unknown_result_is_indeterminate:
                Cause::UnknownResult => Indeterminate "unknown_result";
            result_of_another_operation_is_indeterminate:
                Cause::OutOfPlace => Indeterminate "result_out_of_place";
            contradiction_is_indeterminate: Cause::Contradiction => Indeterminate "contradiction";
            sent_without_an_id_is_indeterminate: Cause::NoOtp => Indeterminate "code_id_missing";
            sent_without_an_end_is_indeterminate: Cause::Expiry => Indeterminate "expiry_unusable";
            wrong_code_is_refused: Cause::Refused(Refusal::Wrong) => Refused "code_wrong";
            expired_code_is_refused: Cause::Refused(Refusal::Expired) => Refused "code_expired";
            too_many_attempts_are_refused:
                Cause::Refused(Refusal::AttemptsUsedUp) => Refused "code_attempts_used_up";
            used_code_is_refused: Cause::Refused(Refusal::Used) => Refused "code_used";
            unknown_code_is_refused: Cause::Refused(Refusal::Unknown) => Refused "code_unknown";
            person_without_a_phone_is_refused:
                Cause::Refused(Refusal::NotRegistered) => Refused "not_registered";
        }
    }
}
