//! How each door of Kazpost can treat a request, by name. What that comes to: [`super::treatment`].

use crate::simulation::behaviour::{self, behaviours};

behaviours! {
    /// The SOAP service.
    Counter {
        Label = "label": "a number and a label, in one of the forms that were seen",
        OldElements = "old_elements": "Barcode and AddrLetPdf, as in 2016",
        NewElements = "new_elements": "Barcodes and AddrLetPdfs",
        BothElements = "both_elements": "Barcode and Barcodes, with the same number",
        NoPdf = "no_pdf": "a number without a label; the label can be fetched",
        PdfNever = "pdf_never": "no label, now or later (order it for the fetches too)",
        NotAPdf = "not_a_pdf": "an HTML page where the label belongs",
        BrokenBase64 = "broken_base64": "a label that is no base64",
        WrongCheckDigit = "wrong_check_digit": "issued, but the number comes with another check digit",
        NoNumber = "no_number": "issued, code 0, and no number in the answer",
        SeveralNumbers = "several_numbers": "two numbers for one piece",
        NumberBesideCode = "number_beside_code": "issued, with a code that no document lists",
        LostAfter = "lost_after_issue": "done, connection reset instead of the answer",
        CutAfter = "cut_after_issue": "done, connection ends within the answer",
        HtmlAfter = "html_after_issue": "done, a proxy's error page instead of the answer",
        GarbageAfter = "garbage_after_issue": "done, garbage instead of the answer",
        SlowAfter = "slow_after_issue": "done, the answer comes after five minutes",
        OracleFault = "oracle_fault": "not done: 500 with a fault ORA-06512",
        UnknownFault = "unknown_fault": "not done: 500 with a fault without a code of theirs",
        Refused = "product_refused": "not done: a code that no document lists",
        WrongKey = "wrong_key": "not done: the key is not known (SIM-KEY)",
        RangeExhausted = "range_exhausted": "not done: no numbers are left (SIM-RANGE)",
        ServerError = "server_error": "not done: 503 without a body",
        HtmlBadGateway = "html_bad_gateway": "not done: a proxy's error page with status 502",
        ResetBefore = "reset_before": "not done: the connection is reset",
        SlowBefore = "slow_before": "not done: nothing is answered for five minutes",
    }
}

behaviours! {
    /// The history of a parcel, in business time from the issue of its number.
    Tracking {
        Delivered = "delivered": "accepted after 6 hours, on the way, delivered after 3 days",
        Returned = "returned": "not delivered twice, sent back after 10 days",
        GivenBack = "given_back": "sent back after 4 days, then handed to its sender as if delivered",
        Destroyed = "destroyed": "destroyed after 5 days",
        Undone = "undone": "delivered after 2 days by mistake, undone, delivered after 4",
        SameMinute = "same_minute": "delivered in the minute of a transit event, in wrong order",
        Seconds = "seconds": "as delivered, times with seconds",
        UnknownCode = "unknown_code": "as delivered, with codes that no document lists",
        NoStatus = "no_status": "as delivered, with activities without a status",
        Reused = "reused_number": "as delivered, after the delivery of another parcel last year",
        Never = "never": "never handed over: the number stays unknown",
        NotFound404 = "not_found_404": "404 without a body",
        NotFound200 = "not_found_200": "200 with an error",
        OtherParcel = "other_parcel": "the history of another number",
        Summary = "summary": "the summary where the history was asked for",
        NoJson = "no_json": "200 with a page of HTML",
        ServerError = "server_error": "503 without a body",
        HtmlBadGateway = "html_bad_gateway": "a proxy's error page with status 502",
        Reset = "reset": "the connection is reset",
        Cut = "cut": "the connection ends within the answer",
        Slow = "slow": "the answer comes after five minutes",
    }
}

behaviours! {
    /// Calling a courier.
    Courier {
        Registered = "registered": "201, or \"exists already\" for a known order number",
        TokenExpired = "token_expired": "not done: 401, the token is forgotten",
        Refused = "refused": "not done: 400 with another text",
        LostAfter = "lost_after_call": "registered, connection reset instead of the answer",
        HtmlAfter = "html_after_call": "registered, a proxy's error page instead of the answer",
        SlowAfter = "slow_after_call": "registered, the answer comes after five minutes",
        ServerError = "server_error": "not done: 503 without a body",
        ResetBefore = "reset_before": "not done: the connection is reset",
    }
}

impl Tracking {
    /// The whole history is answered in time, as far as the line carries it.
    pub(super) const fn tells_history(self) -> bool {
        match self {
            Self::Delivered
            | Self::Returned
            | Self::GivenBack
            | Self::Destroyed
            | Self::Undone
            | Self::SameMinute
            | Self::Seconds
            | Self::UnknownCode
            | Self::NoStatus
            | Self::Reused
            | Self::Never => true,
            Self::NotFound404
            | Self::NotFound200
            | Self::OtherParcel
            | Self::Summary
            | Self::NoJson
            | Self::ServerError
            | Self::HtmlBadGateway
            | Self::Reset
            | Self::Cut
            | Self::Slow => false,
        }
    }
}

impl Courier {
    /// The call is registered, whatever becomes of the answer.
    pub(super) const fn executes(self) -> bool {
        matches!(self, Self::Registered | Self::LostAfter | Self::HtmlAfter | Self::SlowAfter)
    }
}

impl behaviour::Behaviour for Counter {
    const LISTED: &'static [(&'static str, &'static str)] = Self::ALL;
    const FAULTS: &'static [Self] = &[
        Self::ServerError,
        Self::HtmlBadGateway,
        Self::ResetBefore,
        Self::LostAfter,
        Self::CutAfter,
    ];
    const OTHERS: &'static [(u16, Self)] = &[(950, Self::Label), (50, Self::NoPdf)];

    fn parse(name: &str) -> Option<Self> {
        Self::named(name)
    }

    fn of_synthetic(iin: &str) -> Option<Self> {
        match iin {
            "700700300061" => Some(Self::NoPdf),
            "690100300144" => Some(Self::Refused),
            "850100300012" | "920300400029" => Some(Self::Label),
            _ => None,
        }
    }
}

impl behaviour::Behaviour for Tracking {
    const LISTED: &'static [(&'static str, &'static str)] = Self::ALL;
    const FAULTS: &'static [Self] =
        &[Self::ServerError, Self::HtmlBadGateway, Self::Reset, Self::Cut];
    const OTHERS: &'static [(u16, Self)] = &[
        (600, Self::Delivered),
        (100, Self::Seconds),
        (100, Self::SameMinute),
        (60, Self::Returned),
        (40, Self::GivenBack),
        (40, Self::Undone),
        (30, Self::UnknownCode),
        (20, Self::NoStatus),
        (10, Self::Destroyed),
    ];

    fn parse(name: &str) -> Option<Self> {
        Self::named(name)
    }

    /// Parcels have no persons here.
    fn of_synthetic(_: &str) -> Option<Self> {
        None
    }
}

impl behaviour::Behaviour for Courier {
    const LISTED: &'static [(&'static str, &'static str)] = Self::ALL;
    const FAULTS: &'static [Self] =
        &[Self::TokenExpired, Self::ServerError, Self::ResetBefore, Self::LostAfter];
    const OTHERS: &'static [(u16, Self)] = &[(1_000, Self::Registered)];

    fn parse(name: &str) -> Option<Self> {
        Self::named(name)
    }

    /// Callers are organisations.
    fn of_synthetic(_: &str) -> Option<Self> {
        None
    }
}
