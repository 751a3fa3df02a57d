//! How MZ RK can treat a request, and which person meets what.

use crate::simulation::behaviour::{self, behaviours};

behaviours! {
    /// How a request is treated.
    Behaviour {
        Clear = "clear": "not on record in any register that was asked",
        PsychiatricRecord = "psychiatric_record": "on record in PSYCHIATRY",
        NarcologicalRecord = "narcological_record": "on record in NARCOLOGY",
        BothRecords = "both_records": "on record in both registers",
        Partial = "partial": "not on record; PSYCHIATRY answers the second or third question only",
        PartialRecord = "partial_record": "as partial, and on record in NARCOLOGY",
        PartialForever = "partial_forever": "PSYCHIATRY never answers",
        PartialSilent = "partial_silent": "PSYCHIATRY is missing, and no error says so",
        AllDown = "all_down": "an error for every register that was asked",
        OtherRegister = "other_register": "an answer of a register that was not asked",
        FlagsOnly = "flags_only": "not on record, without texts",
        NumericFlags = "numeric_flags": "not on record, OnRecord 0",
        Reordered = "reordered": "not on record, every list of elements in another order",
        Diagnosis = "diagnosis": "on record in PSYCHIATRY, with a diagnosis that nobody asked for",
        NotFound = "not_found": "StatusCode 400 with the text of an unknown person",
        BadRequest = "bad_request": "StatusCode 400 with another text",
        InternalError = "internal_error": "StatusCode 500",
        NotImplemented = "not_implemented": "StatusCode 501",
        UnknownStatusCode = "unknown_status_code": "StatusCode 202",
        UnknownStatus = "unknown_status": "responseInfo has an unknown status code",
        NoResponse = "no_response": "StatusCode 200 and nothing else",
        OtherOperation = "other_operation": "RequestType of another operation",
        WrongPerson = "wrong_person": "an answer about another IIN",
        WrongRequestId = "wrong_request_id": "RequestId is not the one that was sent",
        Contradiction = "contradiction": "OnRecord false beside the text of a record",
        OtherText = "other_text": "the text of the other register",
        DuplicateRegister = "duplicate_register": "two accounts of one register",
        ErrorAndAccount = "error_and_account": "a register with an account and an error",
        UnknownRegister = "unknown_register": "one more account, of a register nobody knows",
        UnknownError = "unknown_error": "a register with an unknown error code",
        NoOnRecord = "no_on_record": "an account without OnRecord",
        OddOnRecord = "odd_on_record": "OnRecord is a word",
        Slow = "slow": "the answer comes after five minutes",
        ServerError = "server_error": "503 without a body",
        Reset = "reset": "the connection is reset before the answer",
        HtmlOk = "html_ok": "a proxy's error page with status 200",
        HtmlBadGateway = "html_bad_gateway": "a proxy's error page with status 502",
        Unavailable = "unavailable": "500 with the fault SIM-UNAVAILABLE",
        UnknownFault = "unknown_fault": "500 with a fault that no document lists",
        Cut = "cut": "the connection ends in the middle of the body",
        CutByReset = "cut_by_reset": "the connection is reset in the middle of the body",
        Garbage = "garbage": "bytes that are no text, labelled as XML",
        BrokenText = "broken_text": "data is escaped text that is no XML",
        Doctype = "doctype": "the answer begins with a DOCTYPE",
        Oversize = "oversize": "an answer of 64 MiB, length not announced",
        OversizeAnnounced = "oversize_announced": "an answer of 64 MiB, length announced",
    }
}

impl Behaviour {
    /// The registers were searched. A query changes nothing; the oracle only counts.
    pub(super) const fn executes(self) -> bool {
        !matches!(
            self,
            Self::BadRequest
                | Self::InternalError
                | Self::NotImplemented
                | Self::ServerError
                | Self::HtmlOk
                | Self::HtmlBadGateway
                | Self::Unavailable
                | Self::UnknownFault
        )
    }

    /// A whole answer reaches the hub, whatever it says.
    pub(super) const fn answers(self) -> bool {
        self.executes()
            && !matches!(
                self,
                Self::Slow
                    | Self::Reset
                    | Self::Cut
                    | Self::CutByReset
                    | Self::Garbage
                    | Self::Oversize
                    | Self::OversizeAnnounced
            )
    }
}

impl behaviour::Behaviour for Behaviour {
    const LISTED: &'static [(&'static str, &'static str)] = Self::ALL;

    const FAULTS: &'static [Self] = &[
        Self::ServerError,
        Self::Reset,
        Self::HtmlBadGateway,
        Self::Unavailable,
        Self::InternalError,
        Self::Cut,
        Self::CutByReset,
    ];

    const OTHERS: &'static [(u16, Self)] = &[
        (880, Self::Clear),
        (20, Self::FlagsOnly),
        (10, Self::NumericFlags),
        (10, Self::Reordered),
        (20, Self::PsychiatricRecord),
        (20, Self::NarcologicalRecord),
        (5, Self::Diagnosis),
        (5, Self::BothRecords),
        (20, Self::Partial),
        (10, Self::NotFound),
    ];

    fn parse(name: &str) -> Option<Self> {
        Self::named(name)
    }

    fn of_synthetic(iin: &str) -> Option<Self> {
        match iin {
            "880600400081" => Some(Self::PsychiatricRecord),
            "900900300090" => Some(Self::PartialRecord),
            "770700300113" => Some(Self::Slow),
            "700700300061" => Some(Self::NotFound),
            "850100300012" | "920300400029" | "010500500032" | "040800600045" | "480200300055"
            | "791100300079" | "660300300106" | "690100300144" | "831200400128"
            | "750500300132" | "720400300153" => Some(Self::Clear),
            _ => None,
        }
    }
}
