//! Their code, or our cause → class, for a query.
//!
//! A query may be asked again, so a lost answer is `Unreachable`. What breaks the contract is
//! `Contract`, never "not found": an unknown code must not read as an absent person.
//!
//! `SCE004` ("no such service, or the service is off") is `NotNow`: nothing was executed and an
//! announced pause ends by itself; a wrong service id shows as a job that waits with this code.
//! `SCE001` says that *our* message is broken: a `Defect`. `SCE909` is a provider's internal error,
//! which a query may wait out.

use contracts::class::{Class, Failure};

use crate::transport::{trouble::Trouble, xml::Repeated};

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
        Cause::Trouble(Trouble::Fault(code)) => {
            Failure::new(of_fault(code.expose()), "fault").with_remote(code.expose())
        }
        Cause::Trouble(trouble) => Failure::new(of_trouble(trouble), trouble.name()),
        Cause::Input => Failure::new(Class::Defect, "input_unreadable"),
        Cause::UnknownStatus => Failure::new(Class::Contract, "unknown_status"),
        Cause::NotFoundWithData => Failure::new(Class::Contract, "not_found_with_data"),
        Cause::Payload => Failure::new(Class::Contract, "payload_unreadable"),
        Cause::Repeated => Failure::new(Class::Contract, "element_repeated"),
        Cause::OtherRequest => Failure::new(Class::Contract, "other_request"),
        Cause::UnknownResult => Failure::new(Class::Contract, "unknown_result"),
        Cause::NoPerson => Failure::new(Class::Contract, "no_person"),
        Cause::NotFoundWithPersons => Failure::new(Class::Contract, "not_found_with_persons"),
        Cause::SeveralPersons => Failure::new(Class::Contract, "several_persons"),
        Cause::NoIin => Failure::new(Class::Contract, "person_without_iin"),
        Cause::OtherPerson => Failure::new(Class::Contract, "other_person"),
        Cause::Date => Failure::new(Class::Contract, "date_unreadable"),
    }
}

const fn of_trouble(trouble: &Trouble) -> Class {
    match trouble {
        Trouble::NotSent
        | Trouble::TimedOut
        | Trouble::Cut
        | Trouble::Broken
        | Trouble::ServerError => Class::Unreachable,
        Trouble::Throttled | Trouble::ComeLater => Class::NotNow,
        Trouble::Unauthorized => Class::Denied,
        Trouble::TooLarge
        | Trouble::Redirect
        | Trouble::ClientError
        | Trouble::Unreadable
        | Trouble::Fault(_) => Class::Contract,
        Trouble::Unwritable => Class::Defect,
    }
}

/// Fault codes, exactly as they come (shep §1.5).
fn of_fault(code: &str) -> Class {
    match code {
        "SIM-UNAVAILABLE" | "SCE909" => Class::Unreachable,
        "SCE004" => Class::NotNow,
        "SCE005" | "SCE006" | "SCE007" => Class::Denied,
        "SCE001" => Class::Defect,
        _ => Class::Contract, // the list of codes is open, the class of an unknown one is not
    }
}

#[cfg(test)]
mod tests {
    use contracts::personal::Personal;

    use super::*;

    fn fault(code: &str) -> Cause {
        Cause::Trouble(Trouble::Fault(Personal::new(code.to_owned())))
    }

    macro_rules! rows {
        ($($name:ident: $cause:expr => $class:ident $code:literal;)+) => {
            $(#[test]
            fn $name() {
                let failure = failure(&$cause);
                assert_eq!((failure.class, failure.code), (Class::$class, $code));
            })+
        };
    }

    rows! {
        refused_connection_is_unreachable:
            Cause::Trouble(Trouble::NotSent) => Unreachable "not_sent";
        timeout_of_a_query_is_unreachable:
            Cause::Trouble(Trouble::TimedOut) => Unreachable "timed_out";
        cut_connection_is_unreachable: Cause::Trouble(Trouble::Cut) => Unreachable "connection_cut";
        broken_request_is_unreachable:
            Cause::Trouble(Trouble::Broken) => Unreachable "request_broken";
        server_error_without_a_fault_is_unreachable:
            Cause::Trouble(Trouble::ServerError) => Unreachable "server_error";
        too_many_requests_is_not_now: Cause::Trouble(Trouble::Throttled) => NotNow "throttled";
        announced_pause_is_not_now: Cause::Trouble(Trouble::ComeLater) => NotNow "come_later";
        unauthorized_is_denied: Cause::Trouble(Trouble::Unauthorized) => Denied "unauthorized";
        oversize_is_contract: Cause::Trouble(Trouble::TooLarge) => Contract "answer_too_large";
        redirect_is_contract: Cause::Trouble(Trouble::Redirect) => Contract "redirected";
        other_client_error_is_contract:
            Cause::Trouble(Trouble::ClientError) => Contract "http_status";
        html_with_success_is_contract:
            Cause::Trouble(Trouble::Unreadable) => Contract "answer_unreadable";
        unwritable_request_is_a_defect:
            Cause::Trouble(Trouble::Unwritable) => Defect "request_unwritable";
        sim_unavailable_is_unreachable: fault("SIM-UNAVAILABLE") => Unreachable "fault";
        sce909_internal_error_is_unreachable: fault("SCE909") => Unreachable "fault";
        sce004_service_off_is_not_now: fault("SCE004") => NotNow "fault";
        sce005_certificate_is_denied: fault("SCE005") => Denied "fault";
        sce006_signature_is_denied: fault("SCE006") => Denied "fault";
        sce007_not_signed_is_denied: fault("SCE007") => Denied "fault";
        sce001_our_format_is_a_defect: fault("SCE001") => Defect "fault";
        unknown_fault_is_contract: fault("SCE00") => Contract "fault";
        fault_without_a_code_is_contract: fault("") => Contract "fault";
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

    #[test]
    fn their_code_goes_along_cleaned() {
        let remote = |code| failure(&fault(code)).remote_code.map(|c| c.as_str().to_owned());
        assert_eq!(remote("SCE006").as_deref(), Some("SCE006"));
        assert_eq!(remote("850100300012").as_deref(), Some("masked"));
    }
}
