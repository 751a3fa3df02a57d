//! Their code, or our cause → class, for a query.
//!
//! A lost answer means what it means for every query ([`classify::query`]). What breaks the
//! contract is `Contract`, never "no property": an outage must not read as an empty list.

use contracts::{
    class::{Class, Failure},
    code,
    personal::Personal,
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
    /// `responseInfo/status/code` is not success. Exact, so not to be printed before it is cleaned.
    UnknownStatus(Personal<String>),
    /// The payload does not read.
    Payload,
    /// An element that may stand once stands twice.
    Repeated,
    /// `RequestNumber` is not ours.
    OtherRequest,
    /// `ResultCode` is not success, or not there. Exact, as above.
    UnknownResult(Personal<String>),
    /// Success without a list of objects.
    NoObjects,
    /// The list holds something, but not objects.
    ObjectsUnreadable,
    /// More objects than [`super::wire::OBJECTS_MAX`].
    TooManyObjects,
    /// More rights in an object than [`super::wire::RIGHTS_MAX`].
    TooManyRights,
    /// More encumbrances on an object than [`super::wire::ENCUMBRANCES_MAX`].
    TooManyEncumbrances,
    /// An object without an id, or with one that is too long to be one.
    ObjectWithoutId,
    /// Two objects with one id, which differ.
    ObjectsDiffer,
    /// A right that belongs to nobody.
    RightWithoutOwner,
    /// An object in which the owner asked for has no right.
    OtherOwner,
    /// A date of registration that is none.
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
    let contract = |code| Failure::new(Class::Contract, code);
    match cause {
        Cause::Trouble(trouble) => classify::query(trouble, classify::query_fault),
        Cause::Input => Failure::new(Class::Defect, code!("input_unreadable")),
        Cause::UnknownStatus(code) => contract(code!("unknown_status")).with_remote(code.expose()),
        Cause::Payload => contract(code!("payload_unreadable")),
        Cause::Repeated => contract(code!("element_repeated")),
        Cause::OtherRequest => contract(code!("other_request")),
        Cause::UnknownResult(code) => contract(code!("unknown_result")).with_remote(code.expose()),
        Cause::NoObjects => contract(code!("no_objects")),
        Cause::ObjectsUnreadable => contract(code!("objects_unreadable")),
        Cause::TooManyObjects => contract(code!("too_many_objects")),
        Cause::TooManyRights => contract(code!("too_many_rights")),
        Cause::TooManyEncumbrances => contract(code!("too_many_encumbrances")),
        Cause::ObjectWithoutId => contract(code!("object_without_id")),
        Cause::ObjectsDiffer => contract(code!("objects_differ")),
        Cause::RightWithoutOwner => contract(code!("right_without_owner")),
        Cause::OtherOwner => contract(code!("other_owner")),
        Cause::Date => contract(code!("date_unreadable")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::class_rows;

    fn code(text: &str) -> Personal<String> {
        Personal::new(text.to_owned())
    }

    class_rows! {
        failure;
        lost_answer_of_a_query_is_unreachable:
            Cause::Trouble(Trouble::TimedOut) => Unreachable "timed_out";
        broken_input_is_a_defect: Cause::Input => Defect "input_unreadable";
        unknown_status_is_contract: Cause::UnknownStatus(code("404")) => Contract "unknown_status";
        broken_payload_is_contract: Cause::Payload => Contract "payload_unreadable";
        repeated_element_is_contract: Cause::Repeated => Contract "element_repeated";
        answer_to_another_request_is_contract: Cause::OtherRequest => Contract "other_request";
        unknown_result_is_contract: Cause::UnknownResult(code("001")) => Contract "unknown_result";
        success_without_a_list_is_contract: Cause::NoObjects => Contract "no_objects";
        a_list_of_something_else_is_contract:
            Cause::ObjectsUnreadable => Contract "objects_unreadable";
        too_many_objects_are_contract: Cause::TooManyObjects => Contract "too_many_objects";
        too_many_rights_are_contract: Cause::TooManyRights => Contract "too_many_rights";
        too_many_encumbrances_are_contract:
            Cause::TooManyEncumbrances => Contract "too_many_encumbrances";
        object_without_id_is_contract: Cause::ObjectWithoutId => Contract "object_without_id";
        two_objects_of_one_id_are_contract: Cause::ObjectsDiffer => Contract "objects_differ";
        right_without_owner_is_contract:
            Cause::RightWithoutOwner => Contract "right_without_owner";
        object_of_another_owner_is_contract: Cause::OtherOwner => Contract "other_owner";
        broken_date_is_contract: Cause::Date => Contract "date_unreadable";
    }

    #[test]
    fn their_code_goes_along_cleaned() {
        let remote = |cause| failure(&cause).remote_code.map(|code| code.as_str().to_owned());
        assert_eq!(remote(Cause::UnknownResult(code("001"))).as_deref(), Some("001"));
        assert_eq!(remote(Cause::UnknownResult(code(""))).as_deref(), Some("none"));
        let number = Cause::UnknownStatus(code("850100300012"));
        assert!(!format!("{number:?}").contains("8501"));
        assert_eq!(remote(number).as_deref(), Some("masked"));
    }
}
