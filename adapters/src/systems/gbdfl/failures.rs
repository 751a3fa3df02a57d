//! Their code, or our cause → class, for a query.
//!
//! A lost answer means what it means for every query ([`classify::query`]). What breaks the
//! contract is `Contract`, never "not found": an unknown code must not read as an absent person.

use contracts::{
    class::{Class, Failure},
    code,
};

use crate::{
    classify,
    transport::{trouble::Trouble, xml::Repeated},
};

/// Why an attempt gave no answer. Closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// The job's input does not read, although it was admitted.
    Input,
    /// No readable answer came.
    Trouble(Trouble),
    /// `responseInfo/status/code` is not one that we know for this service.
    UnknownStatus,
    /// "Nobody found" in the status, but data beside it.
    NotFoundWithData,
    /// The payload does not read.
    Payload,
    /// An element that may stand once stands twice.
    Repeated,
    /// `requestId` is not our message id.
    OtherRequest,
    /// `messageResult/code` is not one that we know.
    UnknownResult,
    /// Success without `persons`, or `persons` without a person.
    NoPerson,
    /// "Not found", and yet `persons`.
    NotFoundWithPersons,
    /// More persons than asked for.
    SeveralPersons,
    /// A person without an IIN.
    NoIin,
    /// The answer is about somebody else.
    OtherPerson,
    /// A date that is none.
    Date,
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

/// What a cause means for the job.
pub(super) fn failure(cause: &Cause) -> Failure {
    match cause {
        Cause::Trouble(trouble) => classify::query(trouble, classify::query_fault),
        Cause::Input => Failure::new(Class::Defect, code!("input_unreadable")),
        Cause::UnknownStatus => Failure::new(Class::Contract, code!("unknown_status")),
        Cause::NotFoundWithData => Failure::new(Class::Contract, code!("not_found_with_data")),
        Cause::Payload => Failure::new(Class::Contract, code!("payload_unreadable")),
        Cause::Repeated => Failure::new(Class::Contract, code!("element_repeated")),
        Cause::OtherRequest => Failure::new(Class::Contract, code!("other_request")),
        Cause::UnknownResult => Failure::new(Class::Contract, code!("unknown_result")),
        Cause::NoPerson => Failure::new(Class::Contract, code!("no_person")),
        Cause::NotFoundWithPersons => {
            Failure::new(Class::Contract, code!("not_found_with_persons"))
        }
        Cause::SeveralPersons => Failure::new(Class::Contract, code!("several_persons")),
        Cause::NoIin => Failure::new(Class::Contract, code!("person_without_iin")),
        Cause::OtherPerson => Failure::new(Class::Contract, code!("other_person")),
        Cause::Date => Failure::new(Class::Contract, code!("date_unreadable")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::class_rows;

    class_rows! {
        failure;
        lost_answer_of_a_query_is_unreachable:
            Cause::Trouble(Trouble::TimedOut) => Unreachable "timed_out";
        broken_input_is_a_defect: Cause::Input => Defect "input_unreadable";
        unknown_status_is_contract: Cause::UnknownStatus => Contract "unknown_status";
        not_found_with_data_is_contract:
            Cause::NotFoundWithData => Contract "not_found_with_data";
        broken_payload_is_contract: Cause::Payload => Contract "payload_unreadable";
        repeated_element_is_contract: Cause::Repeated => Contract "element_repeated";
        answer_to_another_request_is_contract: Cause::OtherRequest => Contract "other_request";
        unknown_result_is_contract: Cause::UnknownResult => Contract "unknown_result";
        success_without_a_person_is_contract: Cause::NoPerson => Contract "no_person";
        not_found_with_persons_is_contract:
            Cause::NotFoundWithPersons => Contract "not_found_with_persons";
        several_persons_are_contract: Cause::SeveralPersons => Contract "several_persons";
        person_without_iin_is_contract: Cause::NoIin => Contract "person_without_iin";
        answer_about_another_person_is_contract: Cause::OtherPerson => Contract "other_person";
        broken_date_is_contract: Cause::Date => Contract "date_unreadable";
    }
}
