//! Their code, or our cause → class: once for the submission (a command), once for the question
//! what became of it (harmless).
//!
//! A submission whose answer cannot be understood, or is about something else, may have been
//! executed: `Indeterminate`, and the question decides. The same flaw in the answer to the
//! *question* is `Contract`: the doubt stays. Codes that they list as refusals are refusals, with
//! words for the person; any other code is none of them.

use contracts::{
    class::{Class, Failure, Localised},
    code,
    code::Code,
};

use super::wire::Malformed;
use crate::{classify, transport::trouble::Trouble};

/// Why a submission, or the question about it, gave no success. Closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// The job's input does not read, although it was admitted: nothing was sent.
    Input,
    /// The files at hand are not those that the input names: nothing was sent.
    Files,
    /// One file is larger than allowed: nothing was sent.
    FileTooLarge,
    /// All files together are larger than one request may be: nothing was sent.
    FilesTooLarge,
    /// A certificate is not valid yet: nothing was sent.
    CertificateNotYetValid,
    /// A certificate is not valid any more: nothing was sent.
    CertificateExpired,
    /// A number in a certificate has a wrong check digit: nothing was sent.
    CertificateNumber,
    /// No readable answer came.
    Trouble(Trouble),
    /// `responseInfo/status/code` is not one that we know for this service.
    UnknownStatus,
    /// The payload is no XML, or missing.
    Payload,
    /// The payload's parameters break their rules.
    Malformed(Malformed),
    /// An answer of another service.
    OtherService,
    /// An answer about another message.
    OtherMessage,
    /// An answer to another request.
    OtherRequest,
    /// `resultCode` is not one that we know.
    UnknownResult,
    /// They know no such message.
    NotFound,
    /// The message is a notice, or closed for editing.
    NotEditable,
    /// Another submission came first.
    AlreadySubmitted,
    /// They do not take the signature.
    Signature,
    /// The message belongs to another organisation.
    Organisation,
}

impl From<Trouble> for Cause {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<Malformed> for Cause {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// What a cause means for the submission.
pub(super) fn failure(cause: &Cause) -> Failure {
    let failure = |class| Failure::new(class, code(cause));
    match cause {
        Cause::Trouble(trouble) => classify::command(trouble, classify::command_fault),
        Cause::Input | Cause::Files => failure(Class::Defect),
        Cause::FileTooLarge => failure(Class::BadRequest).with_reason(FILE_TOO_LARGE),
        Cause::FilesTooLarge => failure(Class::BadRequest).with_reason(FILES_TOO_LARGE),
        Cause::CertificateNotYetValid => failure(Class::BadRequest).with_reason(NOT_YET_VALID),
        Cause::CertificateExpired => failure(Class::BadRequest).with_reason(EXPIRED),
        Cause::CertificateNumber => failure(Class::BadRequest).with_reason(NUMBER),
        Cause::UnknownStatus
        | Cause::Payload
        | Cause::Malformed(_)
        | Cause::OtherService
        | Cause::OtherMessage
        | Cause::OtherRequest
        | Cause::UnknownResult => failure(Class::Indeterminate),
        Cause::NotFound => failure(Class::Refused).with_reason(NOT_FOUND),
        Cause::NotEditable => failure(Class::Refused).with_reason(NOT_EDITABLE),
        Cause::AlreadySubmitted => failure(Class::Refused).with_reason(ALREADY_SUBMITTED),
        Cause::Signature => failure(Class::Refused).with_reason(SIGNATURE),
        Cause::Organisation => failure(Class::Refused).with_reason(ORGANISATION),
    }
}

/// What a cause means for the question about a submission, or for a look into the mailbox: it says
/// nothing about the submission itself.
pub(super) fn of_question(cause: &Cause) -> Failure {
    match cause {
        Cause::Trouble(trouble) => classify::query(trouble, classify::query_fault),
        Cause::Input => Failure::new(Class::Defect, code(cause)),
        Cause::Files
        | Cause::FileTooLarge
        | Cause::FilesTooLarge
        | Cause::CertificateNotYetValid
        | Cause::CertificateExpired
        | Cause::CertificateNumber
        | Cause::UnknownStatus
        | Cause::Payload
        | Cause::Malformed(_)
        | Cause::OtherService
        | Cause::OtherMessage
        | Cause::OtherRequest
        | Cause::UnknownResult
        | Cause::NotFound
        | Cause::NotEditable
        | Cause::AlreadySubmitted
        | Cause::Signature
        | Cause::Organisation => Failure::new(Class::Contract, code(cause)),
    }
}

const fn code(cause: &Cause) -> Code {
    match cause {
        Cause::Input => code!("input_unreadable"),
        Cause::Files => code!("files_missing"),
        Cause::FileTooLarge => code!("attachment_too_large"),
        Cause::FilesTooLarge => code!("attachments_too_large"),
        Cause::CertificateNotYetValid => code!("certificate_not_yet_valid"),
        Cause::CertificateExpired => code!("certificate_expired"),
        Cause::CertificateNumber => code!("certificate_check_digit"),
        Cause::Trouble(trouble) => trouble.code(),
        Cause::UnknownStatus => code!("unknown_status"),
        Cause::Payload => code!("payload_unreadable"),
        Cause::Malformed(_) => code!("parameters_malformed"),
        Cause::OtherService => code!("other_service"),
        Cause::OtherMessage => code!("other_message"),
        Cause::OtherRequest => code!("other_request"),
        Cause::UnknownResult => code!("unknown_result"),
        Cause::NotFound => code!("message_not_found"),
        Cause::NotEditable => code!("message_not_editable"),
        Cause::AlreadySubmitted => code!("already_submitted"),
        Cause::Signature => code!("signature_invalid"),
        Cause::Organisation => code!("other_organisation"),
    }
}

const FILE_TOO_LARGE: Localised = Localised {
    ru: "Размер каждого прикрепляемого файла должен быть до 3 Мб.",
    kk: "Әрбір тіркелетін файлдың көлемі 3 Мб-қа дейін болуы тиіс.",
};
const FILES_TOO_LARGE: Localised = Localised {
    ru: "Общий размер прикреплённых файлов должен быть до 9 Мб. Уменьшите файлы или их количество.",
    kk: "Тіркелген файлдардың жалпы көлемі 9 Мб-қа дейін болуы тиіс. Файлдарды \
        немесе олардың санын азайтыңыз.",
};
const NOT_YET_VALID: Localised = Localised {
    ru: "Срок действия сертификата ЭЦП ещё не наступил.",
    kk: "ЭЦҚ сертификатының қолданылу мерзімі әлі басталған жоқ.",
};
const EXPIRED: Localised = Localised {
    ru: "Срок действия сертификата ЭЦП истёк. Получите новый сертификат и подпишите сообщение \
        снова.",
    kk: "ЭЦҚ сертификатының қолданылу мерзімі аяқталды. Жаңа сертификат алып, хабарламаға \
        қайта қол қойыңыз.",
};
const NUMBER: Localised = Localised {
    ru: "ИИН или БИН в сертификате ЭЦП неверен. Используйте действующий сертификат.",
    kk: "ЭЦҚ сертификатындағы ЖСН немесе БСН қате. Жарамды сертификатты пайдаланыңыз.",
};
const NOT_FOUND: Localised = Localised {
    ru: "Сообщение не найдено в ИИС «Е-қызмет». Возможно, проверяющий его отозвал.",
    kk: "Хабарлама «Е-қызмет» ИАЖ-да табылмады. Тексеруші оны кері қайтарып алған болуы мүмкін.",
};
const NOT_EDITABLE: Localised = Localised {
    ru: "Сообщение предназначено только для просмотра.",
    kk: "Хабарлама тек қарауға арналған.",
};
const ALREADY_SUBMITTED: Localised = Localised {
    ru: "Сообщение уже отправлено проверяющему.",
    kk: "Хабарлама тексерушіге жіберіліп қойған.",
};
const SIGNATURE: Localised = Localised {
    ru: "Подпись ЭЦП не принята. Подпишите сообщение снова.",
    kk: "ЭЦҚ қолтаңбасы қабылданбады. Хабарламаға қайта қол қойыңыз.",
};
const ORGANISATION: Localised = Localised {
    ru: "Сообщение адресовано другой организации. Подпишите его ключом своей организации.",
    kk: "Хабарлама басқа ұйымға арналған. Оған өз ұйымыңыздың кілтімен қол қойыңыз.",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::class_rows;

    class_rows! {
        failure;
        lost_answer_is_indeterminate:
            Cause::Trouble(Trouble::TimedOut) => Indeterminate "timed_out";
        broken_input_is_a_defect: Cause::Input => Defect "input_unreadable";
        other_files_are_a_defect: Cause::Files => Defect "files_missing";
        d19_a_large_file_is_a_bad_request:
            Cause::FileTooLarge => BadRequest "attachment_too_large";
        d19_large_files_together_are_a_bad_request:
            Cause::FilesTooLarge => BadRequest "attachments_too_large";
        early_certificate_is_a_bad_request:
            Cause::CertificateNotYetValid => BadRequest "certificate_not_yet_valid";
        expired_certificate_is_a_bad_request:
            Cause::CertificateExpired => BadRequest "certificate_expired";
        d22_wrong_check_digit_is_a_bad_request:
            Cause::CertificateNumber => BadRequest "certificate_check_digit";
        unknown_status_is_indeterminate: Cause::UnknownStatus => Indeterminate "unknown_status";
        broken_payload_is_indeterminate: Cause::Payload => Indeterminate "payload_unreadable";
        malformed_parameters_are_indeterminate:
            Cause::Malformed(Malformed::KeyTwice) => Indeterminate "parameters_malformed";
        other_service_is_indeterminate: Cause::OtherService => Indeterminate "other_service";
        other_message_is_indeterminate: Cause::OtherMessage => Indeterminate "other_message";
        other_request_is_indeterminate: Cause::OtherRequest => Indeterminate "other_request";
        unknown_result_is_indeterminate: Cause::UnknownResult => Indeterminate "unknown_result";
        unknown_message_is_refused: Cause::NotFound => Refused "message_not_found";
        d19_a_notice_is_read_only: Cause::NotEditable => Refused "message_not_editable";
        second_submission_is_refused: Cause::AlreadySubmitted => Refused "already_submitted";
        bad_signature_is_refused: Cause::Signature => Refused "signature_invalid";
        other_organisation_is_refused: Cause::Organisation => Refused "other_organisation";
    }

    mod question {
        use super::*;

        class_rows! {
            of_question;
            lost_answer_is_unreachable:
                Cause::Trouble(Trouble::Cut) => Unreachable "connection_cut";
            unknown_result_leaves_the_doubt: Cause::UnknownResult => Contract "unknown_result";
            other_message_leaves_the_doubt: Cause::OtherMessage => Contract "other_message";
            broken_input_is_a_defect: Cause::Input => Defect "input_unreadable";
        }
    }

    #[test]
    fn whatever_a_person_can_mend_has_words_in_both_languages() {
        for cause in [
            Cause::FileTooLarge,
            Cause::FilesTooLarge,
            Cause::CertificateNotYetValid,
            Cause::CertificateExpired,
            Cause::CertificateNumber,
            Cause::NotFound,
            Cause::NotEditable,
            Cause::AlreadySubmitted,
            Cause::Signature,
            Cause::Organisation,
        ] {
            let reason = failure(&cause).reason.expect("words");
            assert!(!reason.ru.is_empty() && !reason.kk.is_empty() && reason.ru != reason.kk);
        }
    }
}
