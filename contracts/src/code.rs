//! The closed list of codes: what the portal, a person or an operator may read in `code`.
//!
//! *Guarantee*: a [`Code`] is made by the macro [`code!`](crate::code!) alone, and a name that is not
//! listed here does not compile. `workers/tests/tidy/codes.rs` holds the list against
//! `contracts/CODES.md`, where each code has a row: meaning, likely cause, who acts.
//!
//! *Limits*: a code means the same wherever it stands. A name is never given another meaning, and one
//! that has been told stays listed as long as jobs that ended with it are kept.

use std::{fmt, ops::Deref};

use serde::{Serialize, Serializer};
use serde_json::Value;

/// A stable name of ours for what happened. Read it as text: `Deref<Target = str>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(&'static str);

impl Code {
    /// All of them, sorted. Told to the portal: never renamed.
    pub const ALL: &[&str] = &[
        "adapter_panicked",
        "address_not_allowed",
        "already_submitted",
        "answer_cannot_be_stored",
        "answer_malformed",
        "answer_needed",
        "answer_too_large",
        "answer_unreadable",
        "answered",
        "applied",
        "applied_before",
        "asked_later",
        "asked_now",
        "attachment_missing",
        "attachment_too_large",
        "attachments",
        "attachments_too_large",
        "before",
        "being_asked",
        "being_requeued",
        "blank",
        "both_kinds",
        "broker",
        "busy",
        "calendar_year_missing",
        "cancel_refused",
        "cancelled",
        "cancelled_before",
        "cannot_be_stored",
        "cannot_reconcile",
        "carry_unreadable",
        "certificate_bin",
        "certificate_check_digit",
        "certificate_expired",
        "certificate_mismatch",
        "certificate_not_yet_valid",
        "certificate_unreadable",
        "certificate_without_bin",
        "certificate_without_iin",
        "check_digit",
        "code_attempts_used_up",
        "code_does_not_open",
        "code_expired",
        "code_id_missing",
        "code_malformed",
        "code_missing",
        "code_needed",
        "code_of_another_sending",
        "code_other_check",
        "code_other_person",
        "code_unknown",
        "code_unverified",
        "code_used",
        "code_wrong",
        "come_later",
        "connection_cut",
        "consent_missing",
        "consent_not_proven",
        "consent_unsupported",
        "content_type",
        "contradiction",
        "control_character",
        "courier_date_past",
        "courier_refused",
        "database_unavailable",
        "date_unreadable",
        "dead_lettered",
        "decided_before",
        "disabled",
        "dropped",
        "duplicate",
        "element_repeated",
        "enabled",
        "expiry_unusable",
        "fault",
        "field_missing",
        "field_unknown",
        "files_missing",
        "gone",
        "history_gone",
        "host_disabled",
        "host_not_allowed",
        "http_status",
        "id_reused",
        "in_the_past",
        "input_unreadable",
        "invalid",
        "invalid_fields",
        "key_refused",
        "live",
        "malformed",
        "may_be_done",
        "message_not_editable",
        "message_not_found",
        "never_sent",
        "no_answer",
        "no_answer_in_time",
        "no_content",
        "no_id",
        "no_objects",
        "no_organization",
        "no_person",
        "no_response",
        "no_secret",
        "not_a_url",
        "not_allowed",
        "not_an_object",
        "not_courier_delivery",
        "not_disabled",
        "not_done",
        "not_found_with_data",
        "not_found_with_persons",
        "not_https",
        "not_identified",
        "not_in_doubt",
        "not_json",
        "not_kept",
        "not_paused",
        "not_registered",
        "not_sent",
        "nothing_to_submit",
        "nul_character",
        "number_beside_code",
        "number_check_digit",
        "number_missing",
        "number_range_exhausted",
        "object_without_id",
        "objects_differ",
        "objects_unreadable",
        "on_record_unreadable",
        "order_not_reserved",
        "organisation",
        "organization_without_bin",
        "other_build",
        "other_doubt",
        "other_key",
        "other_message",
        "other_operation",
        "other_organisation",
        "other_organization",
        "other_owner",
        "other_parcel",
        "other_person",
        "other_request",
        "other_service",
        "outcome_out_of_place",
        "outcome_unknown",
        "outside_calendar",
        "parameters_malformed",
        "paused",
        "paused_longer",
        "payload_unreadable",
        "person",
        "person_not_known",
        "person_without_iin",
        "personal_number",
        "phone",
        "press_needed",
        "queue_full",
        "redirected",
        "refused_by_kazpost",
        "register_repeated",
        "register_unavailable",
        "request_broken",
        "request_number",
        "request_unsignable",
        "request_unwritable",
        "requeued",
        "resend_too_soon",
        "reset",
        "resolved_done",
        "resolved_not_done",
        "result_out_of_place",
        "resumed",
        "retried",
        "retried_before",
        "retries_disabled",
        "retry_budget_used_up",
        "returned",
        "right_without_owner",
        "routing_key_mismatch",
        "server_error",
        "several_numbers",
        "several_persons",
        "signature_invalid",
        "signer_refused",
        "signer_unreachable",
        "signer_unreadable",
        "status_400",
        "status_500",
        "status_501",
        "status_only",
        "succeeded",
        "superseded",
        "system_not_configured",
        "throttled",
        "time_used_up",
        "timed_out",
        "token_refused",
        "too_large",
        "too_late",
        "too_long",
        "too_many",
        "too_many_encumbrances",
        "too_many_events",
        "too_many_objects",
        "too_many_rights",
        "too_short",
        "too_small",
        "tries_used_up",
        "unauthorized",
        "unknown_error",
        "unknown_job",
        "unknown_message",
        "unknown_operation",
        "unknown_peer",
        "unknown_record",
        "unknown_register",
        "unknown_response_status",
        "unknown_result",
        "unknown_sender",
        "unknown_service",
        "unknown_status",
        "unknown_status_code",
        "unknown_system",
        "unknown_version",
        "unreadable",
        "withdrawn",
        "worker_died",
        "workers_died",
        "wrong_format",
        "wrong_type",
    ];

    /// A listed name. While the program is compiled: write `code!("…")`.
    #[doc(hidden)]
    #[expect(clippy::panic, reason = "it ends the compilation, not the program")]
    pub const fn listed(name: &'static str) -> Self {
        let mut at = 0;
        while at < Self::ALL.len() {
            if are_same(Self::ALL[at].as_bytes(), name.as_bytes()) {
                return Self(name);
            }
            at += 1;
        }
        panic!("no such code: list it in contracts/src/code.rs, explain it in contracts/CODES.md")
    }

    /// The code as it is told.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// A code, by its name: a name that is not listed does not compile.
#[macro_export]
macro_rules! code {
    ($name:literal) => {
        const { $crate::code::Code::listed($name) }
    };
}

impl Deref for Code {
    type Target = str;

    fn deref(&self) -> &str {
        self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl PartialEq<&str> for Code {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl From<Code> for Value {
    fn from(code: Code) -> Self {
        code.0.into()
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

const fn are_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_every_code_stands_once() {
        let strays: Vec<_> = Code::ALL.windows(2).filter(|two| two[0] >= two[1]).collect();
        assert!(strays.is_empty(), "{strays:?}");
    }

    #[test]
    fn a_code_is_told_as_its_name() {
        let code = code!("timed_out");
        assert_eq!(code, "timed_out");
        assert_eq!(serde_json::json!({ "code": code }), serde_json::json!({ "code": "timed_out" }));
        assert_eq!(format!("{code} {code:?}"), "timed_out \"timed_out\"");
    }

    #[test]
    #[should_panic(expected = "no such code")]
    fn a_name_that_is_not_listed_is_no_code() {
        Code::listed("timed_outt");
    }
}
