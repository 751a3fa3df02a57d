//! Their code, or our cause → class, for a query.
//!
//! A lost answer means what it means for every query ([`classify::query`]). What breaks the
//! contract is `Contract`, never "not found": an unknown code must not read as an absent
//! organisation.
//!
//! Without a signature nothing leaves for them. A signer that is down is waited for; one that
//! refuses our key stops the system until somebody looks, as a refused certificate does.

use contracts::{
    class::{Class, Failure},
    code,
    personal::Personal,
};

use crate::{
    classify,
    transport::{signing::SigningError, trouble::Trouble, xml::Repeated},
};

/// Why an attempt gave no answer. Closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// The job's input does not read, although it was admitted.
    Input,
    /// The request was not signed, and not sent.
    Signing(SigningError),
    /// No readable answer came.
    Trouble(Trouble),
    /// `responseInfo/status/code` is not success. `404` is no "not found" of this service.
    UnknownResponseStatus(Personal<String>),
    /// The payload does not read.
    Payload,
    /// An element that may stand once stands twice.
    Repeated,
    /// `Status/Code` is not one that we know, or is not there.
    UnknownStatus(Personal<String>),
    /// "Not found", and yet an organisation.
    NotFoundWithData,
    /// Success without an organisation.
    NoOrganization,
    /// A resident and a non-resident at once.
    BothKinds,
    /// An organisation without a BIN.
    NoBin,
    /// The answer is about another organisation.
    OtherOrganization,
    /// A date that is none.
    Date,
}

impl From<Trouble> for Cause {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<SigningError> for Cause {
    fn from(error: SigningError) -> Self {
        Self::Signing(error)
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
        Cause::Trouble(trouble) => classify::query(trouble, fault),
        Cause::Signing(error) => signing(*error),
        Cause::Input => Failure::new(Class::Defect, code!("input_unreadable")),
        Cause::UnknownResponseStatus(code) => {
            contract(code!("unknown_response_status")).with_remote(code.expose())
        }
        Cause::Payload => contract(code!("payload_unreadable")),
        Cause::Repeated => contract(code!("element_repeated")),
        Cause::UnknownStatus(code) => contract(code!("unknown_status")).with_remote(code.expose()),
        Cause::NotFoundWithData => contract(code!("not_found_with_data")),
        Cause::NoOrganization => contract(code!("no_organization")),
        Cause::BothKinds => contract(code!("both_kinds")),
        Cause::NoBin => contract(code!("organization_without_bin")),
        Cause::OtherOrganization => contract(code!("other_organization")),
        Cause::Date => contract(code!("date_unreadable")),
    }
}

fn signing(error: SigningError) -> Failure {
    match error {
        SigningError::Unreachable => Failure::new(Class::Unreachable, code!("signer_unreachable")),
        SigningError::Refused => Failure::new(Class::Denied, code!("signer_refused")),
        SigningError::Unreadable => Failure::new(Class::Contract, code!("signer_unreadable")),
        SigningError::Unsignable => Failure::new(Class::Defect, code!("request_unsignable")),
    }
}

/// Beside the gateway's codes, those about the signature of the payload (shep §1.5): its
/// certificate, its value, its absence.
fn fault(code: &str) -> Class {
    match code {
        "SCE015" | "SCE016" | "SCE017" => Class::Denied,
        _ => classify::query_fault(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::class_rows;

    fn text(code: &str) -> Personal<String> {
        Personal::new(code.to_owned())
    }

    class_rows! {
        failure;
        lost_answer_of_a_query_is_unreachable:
            Cause::Trouble(Trouble::TimedOut) => Unreachable "timed_out";
        refused_signing_certificate_is_denied:
            Cause::Trouble(Trouble::Fault(text("SCE015"))) => Denied "fault";
        wrong_business_signature_is_denied:
            Cause::Trouble(Trouble::Fault(text("SCE016"))) => Denied "fault";
        missing_business_signature_is_denied:
            Cause::Trouble(Trouble::Fault(text("SCE017"))) => Denied "fault";
        other_faults_mean_what_they_mean_at_the_gateway:
            Cause::Trouble(Trouble::Fault(text("SCE004"))) => NotNow "fault";
        an_unknown_fault_is_contract:
            Cause::Trouble(Trouble::Fault(text("SCE018"))) => Contract "fault";
        a_signer_that_is_down_is_waited_for:
            Cause::Signing(SigningError::Unreachable) => Unreachable "signer_unreachable";
        a_signer_that_refuses_our_key_is_denied:
            Cause::Signing(SigningError::Refused) => Denied "signer_refused";
        a_signer_that_returns_something_else_is_contract:
            Cause::Signing(SigningError::Unreadable) => Contract "signer_unreadable";
        a_request_that_cannot_be_signed_is_a_defect:
            Cause::Signing(SigningError::Unsignable) => Defect "request_unsignable";
        broken_input_is_a_defect: Cause::Input => Defect "input_unreadable";
        unknown_response_status_is_contract:
            Cause::UnknownResponseStatus(text("404")) => Contract "unknown_response_status";
        broken_payload_is_contract: Cause::Payload => Contract "payload_unreadable";
        repeated_element_is_contract: Cause::Repeated => Contract "element_repeated";
        unknown_status_is_contract: Cause::UnknownStatus(text("000")) => Contract "unknown_status";
        not_found_with_data_is_contract:
            Cause::NotFoundWithData => Contract "not_found_with_data";
        success_without_an_organisation_is_contract:
            Cause::NoOrganization => Contract "no_organization";
        both_kinds_at_once_are_contract: Cause::BothKinds => Contract "both_kinds";
        organisation_without_bin_is_contract: Cause::NoBin => Contract "organization_without_bin";
        answer_about_another_organisation_is_contract:
            Cause::OtherOrganization => Contract "other_organization";
        broken_date_is_contract: Cause::Date => Contract "date_unreadable";
    }

    #[test]
    fn their_code_goes_along_cleaned() {
        let remote = |code: &str| failure(&Cause::UnknownStatus(text(code))).remote_code;
        assert_eq!(remote("777").map(|code| code.as_str().to_owned()).as_deref(), Some("777"));
        let number = remote("100540000008").map(|code| code.as_str().to_owned());
        assert_eq!(number.as_deref(), Some("masked"));
    }
}
