use contracts::personal::Personal;

use super::*;
use crate::classify::class_rows;

fn fault(code: &str) -> Trouble {
    Trouble::Fault(Personal::new(code.to_owned()))
}

class_rows! {
    failure;
    broken_input_is_a_defect: Cause::Input => Defect "input_unreadable";
    lost_answer_of_a_command_is_indeterminate:
        Cause::Command(Trouble::TimedOut) => Indeterminate "timed_out";
    lost_answer_of_a_query_is_unreachable:
        Cause::Query(Trouble::TimedOut) => Unreachable "timed_out";
    oracle_fault_of_a_command_is_a_defect_of_our_settings:
        Cause::Command(fault("ORA-06512")) => Defect "fault";
    oracle_fault_of_a_query_is_a_defect_of_our_settings:
        Cause::Query(fault("ORA-06512")) => Defect "fault";
    another_fault_leaves_a_command_open:
        Cause::Command(fault("SOAP-ENV:Server")) => Indeterminate "fault";
    another_fault_of_a_query_is_contract:
        Cause::Query(fault("SOAP-ENV:Server")) => Contract "fault";
    refused_key_is_denied: Cause::Key => Denied "key_refused";
    exhausted_range_waits: Cause::RangeExhausted => NotNow "number_range_exhausted";
    unknown_code_without_a_number_is_refused:
        Cause::Refused("20099".to_owned()) => Refused "refused_by_kazpost";
    number_beside_an_unknown_code_is_contract:
        Cause::NumberBesideCode => Contract "number_beside_code";
    success_without_a_number_is_indeterminate:
        Cause::NumberMissing => Indeterminate "number_missing";
    several_numbers_are_contract: Cause::SeveralNumbers => Contract "several_numbers";
    d23_wrong_check_digit_is_contract: Cause::NumberBroken => Contract "number_check_digit";
    another_form_is_contract: Cause::Form => Contract "answer_malformed";
    answer_about_another_parcel_is_contract: Cause::OtherParcel => Contract "other_parcel";
    endless_history_is_contract: Cause::TooManyEvents => Contract "too_many_events";
    fresh_token_refused_is_denied: Cause::TokenRefused => Denied "token_refused";
    courier_refused_is_refused: Cause::CourierRefused => Refused "courier_refused";
    past_day_of_a_courier_is_a_bad_request: Cause::CourierLate => BadRequest "courier_date_past";
    past_day_of_a_lost_courier_call_stays_open:
        Cause::CourierOpen => Indeterminate "courier_date_past";
    refused_cancellation_is_refused:
        Cause::CancelRefused("20013".to_owned()) => Refused "cancel_refused";
}

#[test]
fn what_a_person_may_see_has_words_in_both_languages() {
    for cause in [
        Cause::Refused(String::new()),
        Cause::CourierRefused,
        Cause::CourierLate,
        Cause::CancelRefused(String::new()),
    ] {
        let reason = failure(&cause).reason.expect("words");
        assert!(!reason.ru.is_empty() && !reason.kk.is_empty(), "{cause:?}");
    }
}

#[test]
fn their_code_goes_along() {
    let code = failure(&Cause::Refused("20099".to_owned())).remote_code.expect("a code");
    assert_eq!(code.as_str(), "20099");
}
