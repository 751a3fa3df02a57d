use contracts::personal::Personal;

use super::*;

macro_rules! rows {
    ($($name:ident: $trouble:ident => $query:ident $command:ident;)+) => {
        $(#[test]
        fn $name() {
            let trouble = Trouble::$trouble;
            assert_eq!(query(&trouble, query_fault).class, Class::$query);
            assert_eq!(command(&trouble, command_fault).class, Class::$command);
        })+
    };
}

macro_rules! fault_rows {
    ($($name:ident: $code:literal => $query:ident $command:ident;)+) => {
        $(#[test]
        fn $name() {
            let trouble = Trouble::Fault(Personal::new($code.to_owned()));
            assert_eq!(query(&trouble, query_fault).class, Class::$query);
            assert_eq!(command(&trouble, command_fault).class, Class::$command);
        })+
    };
}

rows! {
    no_connection_is_unreachable: NotSent => Unreachable Unreachable;
    timeout_after_send_is_indeterminate_for_a_command: TimedOut => Unreachable Indeterminate;
    a_cut_connection_leaves_a_command_open: Cut => Unreachable Indeterminate;
    a_broken_request_leaves_a_command_open: Broken => Unreachable Indeterminate;
    a_server_error_without_a_fault_is_no_answer: ServerError => Unreachable Indeterminate;
    an_oversize_answer_cannot_be_understood: TooLarge => Contract Indeterminate;
    a_redirect_is_not_followed: Redirect => Contract Indeterminate;
    another_client_error_is_no_answer: ClientError => Contract Indeterminate;
    html_with_success_cannot_be_understood: Unreadable => Contract Indeterminate;
    too_many_requests_is_refused_at_the_door: Throttled => NotNow NotNow;
    a_pause_may_come_after_a_command_was_passed_on: ComeLater => NotNow Indeterminate;
    a_refused_credential_is_denied: Unauthorized => Denied Denied;
    a_request_that_cannot_be_written_is_our_defect: Unwritable => Defect Defect;
}

fault_rows! {
    sim_unavailable_is_unreachable: "SIM-UNAVAILABLE" => Unreachable Unreachable;
    sce001_our_format_is_a_defect: "SCE001" => Defect Defect;
    sce004_service_off_is_not_now: "SCE004" => NotNow NotNow;
    sce005_certificate_is_denied: "SCE005" => Denied Denied;
    sce006_signature_is_denied: "SCE006" => Denied Denied;
    sce007_not_signed_is_denied: "SCE007" => Denied Denied;
    sce909_internal_error_leaves_a_command_open: "SCE909" => Unreachable Indeterminate;
    an_unknown_fault_leaves_a_command_open: "SCE00" => Contract Indeterminate;
    a_code_is_compared_exactly: "sce001" => Contract Indeterminate;
    a_fault_without_a_code_leaves_a_command_open: "" => Contract Indeterminate;
}

#[test]
fn their_code_goes_along_cleaned() {
    let remote = |code: &str| {
        let trouble = Trouble::Fault(Personal::new(code.to_owned()));
        query(&trouble, query_fault).remote_code.map(|c| c.as_str().to_owned())
    };
    assert_eq!(remote("SCE006").as_deref(), Some("SCE006"));
    assert_eq!(remote("850100300012").as_deref(), Some("masked"));
}
