//! Their code, or our cause → class, for a query.
//!
//! A lost answer means what it means for every query ([`classify::query`]). An outage, of the
//! ministry or of one register, is `Unreachable`. Whatever breaks the contract is `Contract` and
//! never a verdict (D9).

use contracts::{
    class::{Class, Failure, Localised, RemoteCode},
    code,
    code::Code,
};

use crate::{
    classify,
    transport::{trouble::Trouble, xml::Repeated},
};

const NOT_KNOWN: Localised = Localised {
    ru: "ИИН не найден в Регистре прикрепленного населения. Проверьте ИИН; если он верен, \
         обратитесь в поликлинику.",
    kk: "ЖСН Бекітілген халық тіркелімінде табылмады. ЖСН-ді тексеріңіз; ол дұрыс болса, \
         емханаға жүгініңіз.",
};

const UNAVAILABLE: Localised = Localised {
    ru: "Регистр Министерства здравоохранения не отвечает. Проверка не завершена, подайте запрос \
         позже.",
    kk: "Денсаулық сақтау министрлігінің тіркелімі жауап бермейді. Тексеру аяқталмады, сұрауды \
         кейінірек жіберіңіз.",
};

/// Why there is no verdict. Closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// The job's input does not read, although it was admitted.
    Input,
    /// What an earlier attempt left does not read, or leaves nothing to ask.
    Carry,
    /// No readable answer came.
    Trouble(Trouble),
    /// `responseInfo/status/code` is not one that we know for this service.
    UnknownStatus(RemoteCode),
    /// The payload does not read.
    Payload,
    /// An element that may stand once stands twice.
    Repeated,
    /// `RequestType` is another operation's.
    OtherOperation,
    /// `StatusCode` 400 with the text of an unknown person.
    NotKnown,
    /// `StatusCode` 400 with any other text: they find our request wrong.
    Status400,
    /// `StatusCode` 500: an error of theirs.
    Status500,
    /// `StatusCode` 501: "not implemented, or the sender is not mapped". Either way every job of
    /// ours meets it, and only people can change it.
    Status501,
    /// `StatusCode` is missing or not one that we know.
    UnknownStatusCode(RemoteCode),
    /// Success without a response.
    NoResponse,
    /// `RequestId` is not our request's, or is missing.
    OtherRequest,
    /// The answer is about somebody else, or about nobody.
    OtherPerson,
    /// A register that we do not know, or none is named.
    UnknownRegister,
    /// A register is told of twice.
    RegisterTwice,
    /// `OnRecord` is missing or no boolean.
    OnRecord,
    /// A register's error is missing its code, or has one that we do not know.
    UnknownError(RemoteCode),
    /// Flag and text differ, an error stands beside an answer, or an answer beside an earlier one.
    Contradiction,
    /// A register did not answer.
    RegisterUnavailable,
}

impl Cause {
    /// A status of the gateway that we do not know.
    pub(super) fn unknown_status(code: &str) -> Self {
        Self::UnknownStatus(RemoteCode::new(code))
    }

    /// A status of the ministry that we do not know.
    pub(super) fn unknown_status_code(code: &str) -> Self {
        Self::UnknownStatusCode(RemoteCode::new(code))
    }

    /// An error of a register that we do not know.
    pub(super) fn unknown_error(code: &str) -> Self {
        Self::UnknownError(RemoteCode::new(code))
    }
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
        Cause::Carry => Failure::new(Class::Defect, code!("carry_unreadable")),
        Cause::UnknownStatus(code) => contract(code!("unknown_status")).with_remote(code.as_str()),
        Cause::Payload => contract(code!("payload_unreadable")),
        Cause::Repeated => contract(code!("element_repeated")),
        Cause::OtherOperation => contract(code!("other_operation")),
        Cause::NotKnown => {
            Failure::new(Class::Refused, code!("person_not_known")).with_reason(NOT_KNOWN)
        }
        Cause::Status400 => contract(code!("status_400")),
        Cause::Status500 => Failure::new(Class::Unreachable, code!("status_500")),
        Cause::Status501 => Failure::new(Class::Denied, code!("status_501")),
        Cause::UnknownStatusCode(code) => {
            contract(code!("unknown_status_code")).with_remote(code.as_str())
        }
        Cause::NoResponse => contract(code!("no_response")),
        Cause::OtherRequest => contract(code!("other_request")),
        Cause::OtherPerson => contract(code!("other_person")),
        Cause::UnknownRegister => contract(code!("unknown_register")),
        Cause::RegisterTwice => contract(code!("register_repeated")),
        Cause::OnRecord => contract(code!("on_record_unreadable")),
        Cause::UnknownError(code) => contract(code!("unknown_error")).with_remote(code.as_str()),
        Cause::Contradiction => contract(code!("contradiction")),
        Cause::RegisterUnavailable => {
            Failure::new(Class::Unreachable, code!("register_unavailable")).with_reason(UNAVAILABLE)
        }
    }
}

const fn contract(code: Code) -> Failure {
    Failure::new(Class::Contract, code)
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
        broken_carry_is_a_defect: Cause::Carry => Defect "carry_unreadable";
        unknown_status_is_contract: Cause::unknown_status("1") => Contract "unknown_status";
        broken_payload_is_contract: Cause::Payload => Contract "payload_unreadable";
        repeated_element_is_contract: Cause::Repeated => Contract "element_repeated";
        answer_of_another_operation_is_contract:
            Cause::OtherOperation => Contract "other_operation";
        person_not_known_is_refused: Cause::NotKnown => Refused "person_not_known";
        status_400_with_another_text_is_contract: Cause::Status400 => Contract "status_400";
        status_500_is_unreachable: Cause::Status500 => Unreachable "status_500";
        status_501_is_denied: Cause::Status501 => Denied "status_501";
        unknown_status_code_is_contract:
            Cause::unknown_status_code("202") => Contract "unknown_status_code";
        success_without_a_response_is_contract: Cause::NoResponse => Contract "no_response";
        answer_to_another_request_is_contract: Cause::OtherRequest => Contract "other_request";
        answer_about_another_person_is_contract: Cause::OtherPerson => Contract "other_person";
        unknown_register_is_contract: Cause::UnknownRegister => Contract "unknown_register";
        register_told_of_twice_is_contract: Cause::RegisterTwice => Contract "register_repeated";
        unreadable_flag_is_contract: Cause::OnRecord => Contract "on_record_unreadable";
        unknown_error_is_contract: Cause::unknown_error("E") => Contract "unknown_error";
        contradiction_is_contract: Cause::Contradiction => Contract "contradiction";
        register_without_an_answer_is_unreachable:
            Cause::RegisterUnavailable => Unreachable "register_unavailable";
    }

    #[test]
    fn what_a_person_may_read_is_in_both_languages() {
        for cause in [Cause::NotKnown, Cause::RegisterUnavailable] {
            let reason = failure(&cause).reason.expect("words");
            assert!(!reason.ru.is_empty() && !reason.kk.is_empty());
        }
    }

    #[test]
    fn their_unknown_code_goes_along_cleaned() {
        let remote = |cause| failure(&cause).remote_code.map(|code| code.as_str().to_owned());
        assert_eq!(remote(Cause::unknown_status_code("202")).as_deref(), Some("202"));
        assert_eq!(remote(Cause::unknown_error("")).as_deref(), Some("none"));
        assert_eq!(remote(Cause::unknown_status("850100300012")).as_deref(), Some("masked"));
    }
}
