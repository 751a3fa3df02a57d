//! What the behaviours of a door come to.

use super::behaviour::{Counter, Tracking};

/// What a request at the counter gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// It takes effect, this is written, and that becomes of the answer.
    Done(Text, Way),
    /// It takes no effect.
    Not(No),
}

/// What is odd about the number or the label in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    Plain,
    Old,
    New,
    Both,
    NoPdf,
    PdfNever,
    NotAPdf,
    BrokenBase64,
    Spoilt,
    NoNumber,
    Several,
    BesideCode,
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    AtOnce,
    Reset,
    Cut,
    Html,
    Garbage,
    Slow,
}

/// What comes instead of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum No {
    Oracle,
    UnknownFault,
    Product,
    Key,
    Range,
    Empty,
    Html,
    Reset,
    Slow,
}

/// How a parcel fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    Delivered,
    Returned,
    GivenBack,
    Destroyed,
    Undone,
    SameMinute,
    UnknownCode,
    Reused,
    Never,
}

impl Counter {
    /// What the request gets.
    pub(super) const fn treatment(self) -> Treatment {
        match self {
            Self::Label => Treatment::Done(Text::Plain, Way::AtOnce),
            Self::OldElements => Treatment::Done(Text::Old, Way::AtOnce),
            Self::NewElements => Treatment::Done(Text::New, Way::AtOnce),
            Self::BothElements => Treatment::Done(Text::Both, Way::AtOnce),
            Self::NoPdf => Treatment::Done(Text::NoPdf, Way::AtOnce),
            Self::PdfNever => Treatment::Done(Text::PdfNever, Way::AtOnce),
            Self::NotAPdf => Treatment::Done(Text::NotAPdf, Way::AtOnce),
            Self::BrokenBase64 => Treatment::Done(Text::BrokenBase64, Way::AtOnce),
            Self::WrongCheckDigit => Treatment::Done(Text::Spoilt, Way::AtOnce),
            Self::NoNumber => Treatment::Done(Text::NoNumber, Way::AtOnce),
            Self::SeveralNumbers => Treatment::Done(Text::Several, Way::AtOnce),
            Self::NumberBesideCode => Treatment::Done(Text::BesideCode, Way::AtOnce),
            Self::LostAfter => Treatment::Done(Text::Plain, Way::Reset),
            Self::CutAfter => Treatment::Done(Text::Plain, Way::Cut),
            Self::HtmlAfter => Treatment::Done(Text::Plain, Way::Html),
            Self::GarbageAfter => Treatment::Done(Text::Plain, Way::Garbage),
            Self::SlowAfter => Treatment::Done(Text::Plain, Way::Slow),
            Self::OracleFault => Treatment::Not(No::Oracle),
            Self::UnknownFault => Treatment::Not(No::UnknownFault),
            Self::Refused => Treatment::Not(No::Product),
            Self::WrongKey => Treatment::Not(No::Key),
            Self::RangeExhausted => Treatment::Not(No::Range),
            Self::ServerError => Treatment::Not(No::Empty),
            Self::HtmlBadGateway => Treatment::Not(No::Html),
            Self::ResetBefore => Treatment::Not(No::Reset),
            Self::SlowBefore => Treatment::Not(No::Slow),
        }
    }
}

impl Tracking {
    /// How the parcel fares, whatever becomes of the answer.
    pub(super) const fn course(self) -> Course {
        match self {
            Self::Returned => Course::Returned,
            Self::GivenBack => Course::GivenBack,
            Self::Destroyed => Course::Destroyed,
            Self::Undone => Course::Undone,
            Self::SameMinute => Course::SameMinute,
            Self::UnknownCode => Course::UnknownCode,
            Self::Reused => Course::Reused,
            Self::Never => Course::Never,
            Self::Delivered
            | Self::Seconds
            | Self::NoStatus
            | Self::NotFound404
            | Self::NotFound200
            | Self::OtherParcel
            | Self::Summary
            | Self::NoJson
            | Self::ServerError
            | Self::HtmlBadGateway
            | Self::Reset
            | Self::Cut
            | Self::Slow => Course::Delivered,
        }
    }
}
