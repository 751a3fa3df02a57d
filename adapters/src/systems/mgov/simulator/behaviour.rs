//! How BMG can treat a request, and which person meets what.

use crate::simulation::behaviour::{self, behaviours};

behaviours! {
    /// How a request is treated. "Done": an SMS was sent, or an attempt used up.
    Behaviour {
        Known = "known": "a registered person; answered by what happened before",
        NotRegistered = "not_registered": "the person is not in BMG",
        NoSms = "no_sms": "says that it sent a code, and none arrives",
        ExpiresEarly = "expires_early": "a code that ends after one minute, and not when it says",
        LongLife = "long_life": "says that the code lives for a day",
        Lost = "lost": "done, then the connection is reset before the answer",
        Slow = "slow": "done, the answer comes after five minutes",
        Cut = "cut": "done, the connection ends in the middle of the body",
        CutByReset = "cut_by_reset": "done, the connection is reset in the middle of the body",
        HtmlOk = "html_ok": "done, then a proxy's error page with status 200",
        Garbage = "garbage": "done, then bytes that are no text, labelled as XML",
        Oversize = "oversize": "done, then an answer of 64 MiB",
        FaultAfter = "fault_after": "done, then 500 with the fault SCE909",
        Reset = "reset": "not done, the connection is reset",
        ServerError = "server_error": "not done, 503 without a body",
        HtmlBadGateway = "html_bad_gateway": "not done, a proxy's error page with status 502",
        Unavailable = "unavailable": "not done, 503 with the fault SIM-UNAVAILABLE",
        UnknownFault = "unknown_fault": "not done, 500 with a fault that no document lists",
        WrongRequestId = "wrong_request_id": "done, requestId is that of another request",
        NoRequestId = "no_request_id": "done, without requestId",
        UnknownResult = "unknown_result": "done, status is SIM-4242",
        UnknownStatus = "unknown_status": "done, responseInfo has an unknown status code",
        OutOfPlace = "out_of_place": "done, status is one of another operation",
        StatusTwice = "status_twice": "done, a second status says something else",
        CodeIdTwice = "code_id_twice": "done, otpId stands twice",
        NoCodeId = "no_code_id": "sent, without otpId",
        NoExpiry = "no_expiry": "sent, without expiresAt",
        PastExpiry = "past_expiry": "sent, expiresAt lies in the past",
        Contradiction = "contradiction": "not registered, and yet maskedPhone",
        WrongCounter = "wrong_counter": "attemptsLeft is 99 beside SIM-WRONG-CODE",
        BrokenText = "broken_text": "done, data is escaped text that is no XML",
        Doctype = "doctype": "done, the answer begins with a DOCTYPE",
    }
}

impl Behaviour {
    /// What was asked is done: whatever becomes of the answer.
    pub(super) const fn executes(self) -> bool {
        !matches!(
            self,
            Self::NotRegistered
                | Self::Contradiction
                | Self::Reset
                | Self::ServerError
                | Self::HtmlBadGateway
                | Self::Unavailable
                | Self::UnknownFault
        )
    }

    /// A whole answer of BMG reaches the hub, whatever it says.
    pub(super) const fn answers(self) -> bool {
        !matches!(
            self,
            Self::Lost
                | Self::Slow
                | Self::Cut
                | Self::CutByReset
                | Self::HtmlOk
                | Self::Garbage
                | Self::Oversize
                | Self::FaultAfter
                | Self::Reset
                | Self::ServerError
                | Self::HtmlBadGateway
                | Self::Unavailable
                | Self::UnknownFault
        )
    }
}

impl behaviour::Behaviour for Behaviour {
    const LISTED: &'static [(&'static str, &'static str)] = Self::ALL;

    const FAULTS: &'static [Self] = &[
        Self::ServerError,
        Self::Reset,
        Self::Lost,
        Self::HtmlBadGateway,
        Self::Unavailable,
        Self::Cut,
        Self::CutByReset,
    ];

    const OTHERS: &'static [(u16, Self)] = &[(940, Self::Known), (60, Self::NotRegistered)];

    fn parse(name: &str) -> Option<Self> {
        Self::named(name)
    }

    fn of_synthetic(iin: &str) -> Option<Self> {
        match iin {
            "660300300106" => Some(Self::NotRegistered),
            "770700300113" => Some(Self::Slow),
            "850100300012" | "920300400029" | "010500500032" | "040800600045" | "480200300055"
            | "700700300061" | "791100300079" | "880600400081" | "900900300090"
            | "831200400128" | "750500300132" | "690100300144" | "720400300153" => {
                Some(Self::Known)
            }
            _ => None,
        }
    }
}
