//! How a submission can be treated.

use jiff::SignedDuration;

use super::answer::Twist;
use crate::simulation::behaviour::{self, behaviours};

behaviours! {
    /// How a submission is treated.
    Behaviour {
        Accepted = "accepted": "taken; the reviewer accepts it after 3 hours",
        Returned = "returned": "taken; the reviewer returns it after 2 hours",
        Silent = "silent": "taken, and no word after",
        EarlyReturn = "returned_first": "taken; the reviewer's return is pushed before the answer",
        NotFound = "not_found": "refused: no such message",
        NotEditable = "not_editable": "refused: a notice",
        AlreadySubmitted = "already_submitted": "refused: somebody else was first",
        BadSignature = "signature_invalid": "refused: the signature",
        OtherOrganisation = "other_organisation": "refused: a message of another organisation",
        UnknownResult = "unknown_result": "taken; a resultCode that no document lists",
        UnknownStatus = "unknown_status": "taken; responseInfo has an unknown status code",
        OtherMessage = "other_message": "taken; the answer names another message",
        OtherRequest = "other_request": "taken; the answer names another request",
        OtherService = "other_service": "taken; the answer of another service",
        KeyTwice = "key_twice": "taken; resultCode stands twice",
        NoValues = "no_values": "taken; a param without values",
        LengthsDiffer = "lengths_differ": "taken; resultCode with two values",
        NoServiceName = "no_service_name": "taken; no serviceName",
        NoRevision = "no_revision": "taken; the answer tells no revision",
        Lost = "lost": "taken, connection reset instead of the answer",
        LostDeaf = "lost_deaf": "the same, and the first question about it gets a 503",
        Cut = "cut": "taken, connection ends within the answer",
        Html = "html_ok": "taken, a proxy's error page instead of the answer",
        Garbage = "garbage": "taken, garbage instead of the answer",
        Slow = "slow": "taken, the answer comes after five minutes",
        Unavailable = "unavailable": "not taken: 500 with the fault SIM-UNAVAILABLE",
        UnknownFault = "unknown_fault": "not taken: 500 with a fault that no document lists",
        ServerError = "server_error": "not taken: 503 without a body",
        HtmlBadGateway = "html_bad_gateway": "not taken: a proxy's error page with status 502",
        ResetBefore = "reset_before": "not taken: the connection is reset",
        SlowBefore = "slow_before": "not taken: nothing is answered for five minutes",
    }
}

/// What a submission gets at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// It takes effect if their rules allow; this becomes of the answer.
    Taken(Sent, Twist),
    /// An answer that says no, with this code.
    Refused(&'static str),
    /// It takes no effect.
    Not(No),
}

/// What becomes of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    AtOnce,
    AfterPush,
    Reset,
    Cut,
    Html,
    Garbage,
    BadStatus,
    Slow,
}

/// What comes instead of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum No {
    Unavailable,
    UnknownFault,
    Empty,
    Html,
    Reset,
    Slow,
}

impl Behaviour {
    /// What the submission gets at once.
    pub(super) fn treatment(self) -> Treatment {
        let told = |twist| Treatment::Taken(Sent::AtOnce, twist);
        let taken = |sent| Treatment::Taken(sent, Twist::Nothing);
        match self {
            Self::Accepted | Self::Returned | Self::Silent => {
                Treatment::Taken(Sent::AtOnce, Twist::Nothing)
            }
            Self::EarlyReturn => Treatment::Taken(Sent::AfterPush, Twist::Nothing),
            Self::NotFound => Treatment::Refused("SIM-NOT-FOUND"),
            Self::NotEditable => Treatment::Refused("SIM-NOT-EDITABLE"),
            Self::AlreadySubmitted => Treatment::Refused("SIM-ALREADY-SUBMITTED"),
            Self::BadSignature => Treatment::Refused("SIM-SIGNATURE-INVALID"),
            Self::OtherOrganisation => Treatment::Refused("SIM-OTHER-ORGANISATION"),
            Self::UnknownResult => told(Twist::UnknownResult),
            Self::OtherMessage => told(Twist::OtherMessage),
            Self::OtherRequest => told(Twist::OtherRequest),
            Self::OtherService => told(Twist::OtherService),
            Self::KeyTwice => told(Twist::KeyTwice),
            Self::NoValues => told(Twist::NoValues),
            Self::LengthsDiffer => told(Twist::LengthsDiffer),
            Self::NoServiceName => told(Twist::NoServiceName),
            Self::NoRevision => told(Twist::NoRevision),
            Self::UnknownStatus => taken(Sent::BadStatus),
            Self::Lost | Self::LostDeaf => taken(Sent::Reset),
            Self::Cut => taken(Sent::Cut),
            Self::Html => taken(Sent::Html),
            Self::Garbage => taken(Sent::Garbage),
            Self::Slow => taken(Sent::Slow),
            Self::Unavailable => Treatment::Not(No::Unavailable),
            Self::UnknownFault => Treatment::Not(No::UnknownFault),
            Self::ServerError => Treatment::Not(No::Empty),
            Self::HtmlBadGateway => Treatment::Not(No::Html),
            Self::ResetBefore => Treatment::Not(No::Reset),
            Self::SlowBefore => Treatment::Not(No::Slow),
        }
    }

    /// What the reviewer decides, and how long after the submission.
    pub(super) fn decision(self) -> Option<(&'static str, SignedDuration)> {
        if self == Self::Silent {
            None
        } else if self == Self::EarlyReturn {
            Some(("SIM-RETURNED", SignedDuration::ZERO))
        } else if self == Self::Returned {
            Some(("SIM-RETURNED", SignedDuration::from_hours(2)))
        } else {
            Some(("SIM-ACCEPTED", SignedDuration::from_hours(3)))
        }
    }

    /// The first question about the submission is not answered.
    pub(super) const fn is_deaf(self) -> bool {
        matches!(self, Self::LostDeaf)
    }
}

impl behaviour::Behaviour for Behaviour {
    const LISTED: &'static [(&'static str, &'static str)] = Self::ALL;

    const FAULTS: &'static [Self] = &[
        Self::Unavailable,
        Self::ServerError,
        Self::HtmlBadGateway,
        Self::ResetBefore,
        Self::Lost,
        Self::LostDeaf,
        Self::Cut,
    ];

    /// By the organisation: a person's number does not travel here.
    const OTHERS: &'static [(u16, Self)] =
        &[(700, Self::Accepted), (200, Self::Returned), (100, Self::Silent)];

    fn parse(name: &str) -> Option<Self> {
        Self::named(name)
    }

    fn of_synthetic(organisation: &str) -> Option<Self> {
        match organisation {
            "990140000007" => Some(Self::Accepted),
            "100540000008" => Some(Self::Returned),
            _ => None,
        }
    }
}
