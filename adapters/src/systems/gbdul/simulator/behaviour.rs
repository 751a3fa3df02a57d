//! How GBD UL can treat a request, and which organisation meets what.

use crate::simulation::behaviour::{self, behaviours};

behaviours! {
    /// How a request is treated.
    Behaviour {
        Company = "company": "an active company",
        Branch = "branch": "a liquidated branch with its head office",
        Representative = "representative": "a representative office with its head office",
        NonResident = "non_resident": "a non-resident, in IpsNerezident",
        LeaderRemoved = "leader_removed": "a company whose leader was removed from office",
        NoLeader = "no_leader": "a company being liquidated, without a leader",
        NotFound = "not_found": "Status 031",
        NotFound034 = "not_found_034": "Status 034",
        NotFound035 = "not_found_035": "Status 035",
        Untidy = "untidy": "placeholders, empty optionals, another order, unknown elements",
        Qualified = "qualified": "all elements in the namespace of the service",
        OtherRoot = "other_root": "the root is responseDataType",
        Unsigned = "unsigned": "no signature in the answer",
        Cdata = "cdata": "the document as CDATA",
        Elements = "elements": "the document as elements, beside xsi:type xs:string",
        Truncated = "truncated": "the document in data ends in its middle",
        DoubleEscaped = "double_escaped": "the document in data is escaped twice",
        OtherBin = "other_bin": "an answer about another BIN",
        NoBin = "no_bin": "an organisation without BIN",
        Nobody = "nobody": "Status 002 without an organisation",
        BothKinds = "both_kinds": "Organization and IpsNerezident at once",
        NotFoundWithData = "not_found_with_data": "Status 031 beside an organisation",
        UnknownStatus = "unknown_status": "Status has an unknown code",
        NoStatus = "no_status": "an organisation without Status",
        TwoStatuses = "two_statuses": "two elements Status that differ",
        BrokenDate = "broken_date": "a date of registration that is none",
        UnknownResponseStatus = "unknown_response_status": "responseInfo has the code 404",
        NoData = "no_data": "success without data",
        Slow = "slow": "the answer comes after five minutes",
        ServerError = "server_error": "503 without a body",
        Reset = "reset": "the connection is reset before the answer",
        HtmlOk = "html_ok": "a proxy's error page with status 200",
        HtmlBadGateway = "html_bad_gateway": "a proxy's error page with status 502",
        Unavailable = "unavailable": "500 with the fault SIM-UNAVAILABLE",
        CertificateRefused = "certificate_refused": "500 with the fault SCE015",
        UnknownFault = "unknown_fault": "500 with a fault that no document lists",
        Cut = "cut": "the connection ends in the middle of the body",
        CutByReset = "cut_by_reset": "the connection is reset in the middle of the body",
        Garbage = "garbage": "bytes that are no text, labelled as XML",
        Doctype = "doctype": "the document in data begins with a DOCTYPE",
        Oversize = "oversize": "an answer of 64 MiB, length not announced",
        OversizeAnnounced = "oversize_announced": "an answer of 64 MiB, length announced",
    }
}

impl Behaviour {
    /// The registry looked the organisation up. A query changes nothing; the oracle only counts.
    pub(super) const fn executes(self) -> bool {
        !matches!(
            self,
            Self::ServerError
                | Self::HtmlOk
                | Self::HtmlBadGateway
                | Self::Unavailable
                | Self::CertificateRefused
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
        Self::Cut,
        Self::CutByReset,
    ];

    const OTHERS: &'static [(u16, Self)] = &[
        (800, Self::Company),
        (60, Self::Untidy),
        (30, Self::NotFound),
        (10, Self::NotFound034),
        (10, Self::NotFound035),
        (40, Self::Branch),
        (20, Self::NonResident),
        (20, Self::LeaderRemoved),
        (10, Self::NoLeader),
    ];

    fn parse(name: &str) -> Option<Self> {
        Self::named(name)
    }

    fn of_synthetic(bin: &str) -> Option<Self> {
        match bin {
            "100540000008" | "990140000007" => Some(Self::Company),
            "150641000006" => Some(Self::Branch),
            "180842000004" => Some(Self::Representative),
            "200350000006" => Some(Self::NonResident),
            _ => None,
        }
    }
}
