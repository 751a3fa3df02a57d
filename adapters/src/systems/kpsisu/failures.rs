//! Their code, or our cause → class, for a command.
//!
//! Starting a check is a command: a lost answer means what [`classify::command`] says. Pulling and
//! confirming may be repeated: [`classify::query`]. The causes below are of the later answer; a
//! contradiction is `Contract` and never a verdict (D9).

use contracts::{
    class::{Class, Failure, Localised},
    code,
};

use crate::{
    classify,
    transport::{trouble::Trouble, xml::Repeated},
};

const NOT_IDENTIFIED: Localised = Localised {
    ru: "Лицо не идентифицировано по ИИН. Проверьте данные и подайте запрос повторно.",
    kk: "Тұлға ЖСН бойынша сәйкестендірілмеді. Деректерді тексеріп, сұрауды қайта жіберіңіз.",
};

/// Why there is no verdict. Closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// The job's input does not read, although it was admitted: nothing was sent.
    Input,
    /// The check could not be started, or its acknowledgement was lost.
    Start(Trouble),
    /// Messages could not be pulled or confirmed.
    Pull(Trouble),
    /// They could not tell who it is.
    NotIdentified,
    /// `CurrentStatus` of a final answer is missing or not one that ends a check.
    UnknownStatus,
    /// `RecordStatus/Code` is missing or not one that we know.
    UnknownRecord,
    /// "No record" with convictions, or "not identified" with a record.
    Contradiction,
    /// An element that may stand once stands twice.
    Repeated,
    /// The certificate's number or date cannot be one.
    Certificate,
}

impl From<Repeated> for Cause {
    fn from(Repeated: Repeated) -> Self {
        Self::Repeated
    }
}

/// What a cause means for the job.
pub(super) fn failure(cause: &Cause) -> Failure {
    match cause {
        Cause::Start(trouble) => classify::command(trouble, classify::command_fault),
        Cause::Pull(trouble) => classify::query(trouble, classify::query_fault),
        Cause::Input => Failure::new(Class::Defect, code!("input_unreadable")),
        Cause::NotIdentified => {
            Failure::new(Class::Refused, code!("not_identified")).with_reason(NOT_IDENTIFIED)
        }
        Cause::UnknownStatus => Failure::new(Class::Contract, code!("unknown_status")),
        Cause::UnknownRecord => Failure::new(Class::Contract, code!("unknown_record")),
        Cause::Contradiction => Failure::new(Class::Contract, code!("contradiction")),
        Cause::Repeated => Failure::new(Class::Contract, code!("element_repeated")),
        Cause::Certificate => Failure::new(Class::Contract, code!("certificate_unreadable")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::class_rows;

    class_rows! {
        failure;
        lost_acknowledgement_is_indeterminate:
            Cause::Start(Trouble::TimedOut) => Indeterminate "timed_out";
        lost_page_is_unreachable: Cause::Pull(Trouble::TimedOut) => Unreachable "timed_out";
        broken_input_is_a_defect: Cause::Input => Defect "input_unreadable";
        person_not_identified_is_refused: Cause::NotIdentified => Refused "not_identified";
        unknown_status_is_contract: Cause::UnknownStatus => Contract "unknown_status";
        unknown_record_is_contract: Cause::UnknownRecord => Contract "unknown_record";
        clear_with_convictions_is_contract: Cause::Contradiction => Contract "contradiction";
        repeated_element_is_contract: Cause::Repeated => Contract "element_repeated";
        broken_certificate_is_contract: Cause::Certificate => Contract "certificate_unreadable";
    }

    #[test]
    fn a_refusal_has_words_in_both_languages() {
        let reason = failure(&Cause::NotIdentified).reason.expect("words");
        assert!(!reason.ru.is_empty() && !reason.kk.is_empty());
    }
}
