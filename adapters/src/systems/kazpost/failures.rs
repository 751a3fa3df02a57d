//! Their code, or our cause → class, for commands and queries.
//!
//! Asking, fetching a label again and tracking are queries: [`classify::query`]. Issuing, calling
//! and cancelling are commands: [`classify::command`]. A fault with an Oracle error (`ORA-…`) is what
//! a broken setting of ours looks like (kazpost §4): a defect, and not something that passes by
//! itself. Any other fault leaves a command open.

use contracts::{
    class::{Class, Failure, Localised},
    code,
};

use crate::{
    classify,
    transport::{trouble::Trouble, xml::Repeated},
};

const REFUSED: Localised = Localised {
    ru: "Казпочта не приняла данные отправления. Проверьте адреса и параметры и повторите запрос.",
    kk: "Қазпошта жөнелтілім деректерін қабылдамады. Мекенжайлар мен параметрлерді тексеріп, \
         сұрауды қайталаңыз.",
};
const COURIER_REFUSED: Localised = Localised {
    ru: "Казпочта не приняла вызов курьера. Проверьте данные и повторите запрос.",
    kk: "Қазпошта курьер шақыртуын қабылдамады. Деректерді тексеріп, сұрауды қайталаңыз.",
};
const COURIER_LATE: Localised = Localised {
    ru: "Курьера на сегодня можно вызвать только до 17:00. Выберите другой день.",
    kk: "Бүгінге курьерді тек сағат 17:00-ге дейін шақыруға болады. Басқа күнді таңдаңыз.",
};
const CANCEL_REFUSED: Localised = Localised {
    ru: "Казпочта не отменила трек-номер.",
    kk: "Қазпошта трек-нөмірдің күшін жоймады.",
};

/// Why an attempt gave no answer. Closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// The job's input does not read, although it was admitted: nothing was sent.
    Input,
    /// A command may have lost its answer.
    Command(Trouble),
    /// A query, a sign-in included, has no answer.
    Query(Trouble),
    /// Our key was not taken.
    Key,
    /// The range of numbers is used up; Kazpost allocates by hand.
    RangeExhausted,
    /// A code that we do not know, and no number: their code.
    Refused(String),
    /// A code that we do not know beside a number.
    NumberBesideCode,
    /// Success without a number.
    NumberMissing,
    /// More than one number for one piece.
    SeveralNumbers,
    /// What came as a number is no S10 number, or has a wrong check digit (D23).
    NumberBroken,
    /// Their answer has another form than the operation's.
    Form,
    /// The answer is about another number.
    OtherParcel,
    /// More events than a parcel can have.
    TooManyEvents,
    /// A fresh token was not taken.
    TokenRefused,
    /// The courier was refused.
    CourierRefused,
    /// The day is over, or today after 17:00; nothing was sent.
    CourierLate,
    /// The same in doubt: sending again could not be told from a first call.
    CourierOpen,
    /// A number was not given back: their code.
    CancelRefused(String),
}

impl From<Repeated> for Cause {
    fn from(Repeated: Repeated) -> Self {
        Self::Form
    }
}

/// What a cause means for the job.
pub(super) fn failure(cause: &Cause) -> Failure {
    match cause {
        Cause::Input => Failure::new(Class::Defect, code!("input_unreadable")),
        Cause::Command(trouble) => classify::command(trouble, command_fault),
        Cause::Query(trouble) => classify::query(trouble, query_fault),
        Cause::Key => Failure::new(Class::Denied, code!("key_refused")),
        Cause::RangeExhausted => Failure::new(Class::NotNow, code!("number_range_exhausted")),
        Cause::Refused(code) => Failure::new(Class::Refused, code!("refused_by_kazpost"))
            .with_remote(code)
            .with_reason(REFUSED),
        // A number may have been issued: the order number tells (kazpost §4).
        Cause::NumberBesideCode => Failure::new(Class::Contract, code!("number_beside_code")),
        Cause::NumberMissing => Failure::new(Class::Indeterminate, code!("number_missing")),
        Cause::SeveralNumbers => Failure::new(Class::Contract, code!("several_numbers")),
        Cause::NumberBroken => Failure::new(Class::Contract, code!("number_check_digit")),
        Cause::Form => Failure::new(Class::Contract, code!("answer_malformed")),
        Cause::OtherParcel => Failure::new(Class::Contract, code!("other_parcel")),
        Cause::TooManyEvents => Failure::new(Class::Contract, code!("too_many_events")),
        Cause::TokenRefused => Failure::new(Class::Denied, code!("token_refused")),
        Cause::CourierRefused => {
            Failure::new(Class::Refused, code!("courier_refused")).with_reason(COURIER_REFUSED)
        }
        Cause::CourierLate => {
            Failure::new(Class::BadRequest, code!("courier_date_past")).with_reason(COURIER_LATE)
        }
        Cause::CourierOpen => Failure::new(Class::Indeterminate, code!("courier_date_past")),
        Cause::CancelRefused(code) => Failure::new(Class::Refused, code!("cancel_refused"))
            .with_remote(code)
            .with_reason(CANCEL_REFUSED),
    }
}

fn command_fault(code: &str) -> Class {
    if code.starts_with("ORA-") { Class::Defect } else { Class::Indeterminate }
}

fn query_fault(code: &str) -> Class {
    if code.starts_with("ORA-") { Class::Defect } else { Class::Contract }
}

#[cfg(test)]
mod tests;
