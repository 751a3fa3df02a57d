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
