//! How KPSiSU can treat a request, and which person meets what.

use crate::simulation::behaviour::{self, behaviours};

behaviours! {
    /// How a request is treated.
    Behaviour {
        Clear = "clear": "no conviction, after 10 minutes",
        Convicted = "convicted": "a conviction, after 10 minutes",
        AdditionalCheck = "additional_check":
            "additional check after 10 minutes, no conviction after 3 days and some hours",
        InProgress = "in_progress": "still working after 5 minutes, no conviction after 20",
        NotIdentified = "not_identified": "the person is not identified, after 10 minutes",
        Late = "late": "no conviction, after 15 days: behind any five business days",
        Never = "never": "acknowledged, then nothing",
        Twice = "twice": "the same answer in two messages, after 10 and 11 minutes",
        Early = "early": "the answer is pushed first, then the request is acknowledged",
        PullOnly = "pull_only": "no conviction, never pushed: it waits in the mailbox",
        TwoDifferent = "two_different": "no conviction after 10 minutes, a conviction after 20",
        Contradiction = "contradiction": "code 2 (no conviction) with a list of convictions",
        WrongPerson = "wrong_person": "an answer about another IIN, the right one after 20 minutes",
        WrongNumber = "wrong_request_number":
            "an answer with another RequestNumber, the right one after 20 minutes",
        UnknownChain = "unknown_correlation":
            "an answer with an unknown correlationId, the right one after 20 minutes",
        UnknownStatus = "unknown_status": "a RESPONSE whose CurrentStatus no document lists",
        Broken = "broken_answer": "a RESPONSE whose payload is no XML",
        AckLost = "ack_lost": "executed, connection reset instead of the ack; then as clear",
        AckLostNever = "ack_lost_never": "executed, connection reset instead of the ack; no answer",
        AckCut = "ack_cut": "executed, connection ends within the ack; then as clear",
        AckHtml = "ack_html": "executed, a proxy's error page instead of the ack; then as clear",
        AckGarbage = "ack_garbage": "executed, garbage instead of the ack; then as clear",
        AckSlow = "ack_slow": "executed, the ack comes after five minutes; then as clear",
        Refused = "refused": "not executed: 503 with the fault SIM-UNAVAILABLE",
        UnknownFault = "unknown_fault": "not executed: 500 with a fault that no document lists",
        ServerError = "server_error": "not executed: 503 without a body",
        HtmlBadGateway = "html_bad_gateway": "not executed: a proxy's error page with status 502",
        ResetBefore = "reset_before": "not executed: the connection is reset",
        SlowBefore = "slow_before": "not executed: nothing is answered for five minutes",
    }
}

/// What a request gets at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// It takes effect, and this becomes of the acknowledgement.
    Executed(Ack),
    /// It takes no effect.
    Not(No),
}

/// What becomes of the acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ack {
    AtOnce,
    AfterAnswer,
    Reset,
    Cut,
    Html,
    Garbage,
    Slow,
}

/// What comes instead of an acknowledgement.
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
    /// What the request gets at once.
    pub(super) const fn treatment(self) -> Treatment {
        match self {
            Self::Refused => Treatment::Not(No::Unavailable),
            Self::UnknownFault => Treatment::Not(No::UnknownFault),
            Self::ServerError => Treatment::Not(No::Empty),
            Self::HtmlBadGateway => Treatment::Not(No::Html),
            Self::ResetBefore => Treatment::Not(No::Reset),
            Self::SlowBefore => Treatment::Not(No::Slow),
            Self::Early => Treatment::Executed(Ack::AfterAnswer),
            Self::AckLost | Self::AckLostNever => Treatment::Executed(Ack::Reset),
            Self::AckCut => Treatment::Executed(Ack::Cut),
            Self::AckHtml => Treatment::Executed(Ack::Html),
            Self::AckGarbage => Treatment::Executed(Ack::Garbage),
            Self::AckSlow => Treatment::Executed(Ack::Slow),
            Self::Clear
            | Self::Convicted
            | Self::AdditionalCheck
            | Self::InProgress
            | Self::NotIdentified
            | Self::Late
            | Self::Never
            | Self::Twice
            | Self::PullOnly
            | Self::TwoDifferent
            | Self::Contradiction
            | Self::WrongPerson
            | Self::WrongNumber
            | Self::UnknownChain
            | Self::UnknownStatus
            | Self::Broken => Treatment::Executed(Ack::AtOnce),
        }
    }
}

impl behaviour::Behaviour for Behaviour {
    const LISTED: &'static [(&'static str, &'static str)] = Self::ALL;

    const FAULTS: &'static [Self] = &[
        Self::Refused,
        Self::ServerError,
        Self::HtmlBadGateway,
        Self::ResetBefore,
        Self::AckLost,
        Self::AckCut,
    ];

    const OTHERS: &'static [(u16, Self)] = &[
        (700, Self::Clear),
        (80, Self::Convicted),
        (100, Self::AdditionalCheck),
        (30, Self::InProgress),
        (30, Self::NotIdentified),
        (20, Self::Twice),
        (20, Self::Early),
        (20, Self::Late),
    ];

    fn parse(name: &str) -> Option<Self> {
        Self::named(name)
    }

    fn of_synthetic(iin: &str) -> Option<Self> {
        match iin {
            "791100300079" => Some(Self::Convicted),
            "770700300113" => Some(Self::Never),
            "700700300061" | "690100300144" => Some(Self::NotIdentified),
            "831200400128" | "720400300153" => Some(Self::AdditionalCheck),
            "750500300132" => Some(Self::Late),
            "850100300012" | "920300400029" | "010500500032" | "040800600045" | "480200300055"
            | "880600400081" | "900900300090" | "660300300106" => Some(Self::Clear),
            _ => None,
        }
    }
}
