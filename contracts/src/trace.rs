//! W3C Trace Context: to which trace of its publisher a job belongs.
//!
//! It comes from outside, so it is read strictly and kept in a form of our own; what does not fit is as
//! if it had not been there, and never a reason to reject a job. It names no person: two random
//! numbers, and what tracing systems pass on to each other.
//!
//! *Limits*: version `00` only; [`STATE_BYTES_MAX`] bytes and [`STATE_MEMBERS_MAX`] members of
//! `tracestate`. Of the flags, those that the standard names are kept.

use std::fmt;

use serde::Deserialize;

/// The header of AMQP and HTTP, and the attribute of a CloudEvent.
pub const TRACEPARENT: &str = "traceparent";
/// The one beside it.
pub const TRACESTATE: &str = "tracestate";
/// Length of a `traceparent` of version 00.
pub const PARENT_BYTES: usize = 55;
/// A longer `tracestate` is left out.
pub const STATE_BYTES_MAX: usize = 512;
/// One with more members is left out.
pub const STATE_MEMBERS_MAX: usize = 32;

/// The beginning of a `traceparent` of the only version there is.
const VERSION: &str = "00-";
/// `sampled`, and `random` of level 2.
const FLAGS_KNOWN: u8 = 0b11;
const SAMPLED: u8 = 0b01;
const KEY_BYTES_MAX: usize = 256;
const VALUE_BYTES_MAX: usize = 256;

/// A place in a trace: what follows is its child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    flags: u8,
    state: Option<String>,
}

impl TraceContext {
    /// From its parts; `None` where an id is zero.
    pub fn new(trace_id: u128, span_id: u64, flags: u8, state: Option<&str>) -> Option<Self> {
        let state = state.filter(|state| is_state(state)).map(str::to_owned);
        let flags = flags & FLAGS_KNOWN;
        (trace_id != 0 && span_id != 0).then_some(Self { trace_id, span_id, flags, state })
    }

    /// From the two headers; `None` where `traceparent` is not one. A bad `tracestate` is left out.
    pub fn read(parent: &str, state: Option<&str>) -> Option<Self> {
        let rest = parent.strip_prefix(VERSION).filter(|_| parent.len() == PARENT_BYTES)?;
        let (trace_id, rest) = rest.split_once('-')?;
        let (span_id, flags) = rest.split_once('-')?;
        let is_hex = |part: &str, digits: usize| {
            let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            part.len() == digits && part.bytes().all(lower)
        };
        if !(is_hex(trace_id, 32) && is_hex(span_id, 16) && is_hex(flags, 2)) {
            return None;
        }
        Self::new(
            u128::from_str_radix(trace_id, 16).ok()?,
            u64::from_str_radix(span_id, 16).ok()?,
            u8::from_str_radix(flags, 16).ok()?,
            state,
        )
    }

    /// The context that a published event carries, where it has one.
    pub fn of_event(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Carried<'a> {
            traceparent: Option<&'a str>,
            tracestate: Option<std::borrow::Cow<'a, str>>,
        }
        let carried: Carried<'_> = serde_json::from_slice(body).ok()?;
        Self::read(carried.traceparent?, carried.tracestate.as_deref())
    }

    /// The same trace, at another place.
    #[must_use]
    pub fn at(&self, span_id: u64) -> Self {
        Self { span_id: if span_id == 0 { self.span_id } else { span_id }, ..self.clone() }
    }

    /// The trace.
    pub const fn trace_id(&self) -> TraceId {
        TraceId(self.trace_id)
    }

    /// The place in it.
    pub const fn span_id(&self) -> SpanId {
        SpanId(self.span_id)
    }

    /// The flags that the standard names.
    pub const fn flags(&self) -> u8 {
        self.flags
    }

    /// Whether who began the trace records it.
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The value of `traceparent`.
    pub fn parent(&self) -> String {
        format!("{VERSION}{}-{}-{:02x}", self.trace_id(), self.span_id(), self.flags)
    }

    /// The value of `tracestate`, where there is one.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// The number of a trace; prints as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(pub u128);

/// The number of a place in a trace; prints as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanId(pub u64);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Whether a text is a list of members `key=value`, as the standard has them.
fn is_state(text: &str) -> bool {
    let mut members = 0;
    let all_good = text.split(',').map(|member| member.trim_matches([' ', '\t'])).all(|member| {
        members += 1;
        member.split_once('=').is_some_and(|(key, value)| is_key(key) && is_value(value))
    });
    text.len() <= STATE_BYTES_MAX && all_good && members <= STATE_MEMBERS_MAX
}

fn is_key(key: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-*/@".contains(&b);
    let begins = key.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    begins && key.len() <= KEY_BYTES_MAX && key.bytes().all(plain)
}

fn is_value(value: &str) -> bool {
    let plain = |b: u8| (b == b' ' || b.is_ascii_graphic()) && b != b',' && b != b'=';
    !value.is_empty() && value.len() <= VALUE_BYTES_MAX && value.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_context_is_written_as_it_was_read() {
        let context = TraceContext::read(PARENT, Some("rojo=00f067aa0ba902b7, congo=t61rcWkgMzE"));
        let context = context.expect("both headers are good");
        assert_eq!(context.parent(), PARENT);
        assert_eq!(context.state(), Some("rojo=00f067aa0ba902b7, congo=t61rcWkgMzE"));
        assert!(context.is_sampled());
        assert_eq!(context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let child = context.at(0xbeef);
        assert_eq!(child.parent(), "00-4bf92f3577b34da6a3ce929d0e0e4736-000000000000beef-01");
        assert_eq!(child.at(0), child, "zero is no place");
    }

    #[test]
    fn what_is_no_traceparent_of_version_00_is_none() {
        for bad in [
            "",
            "00",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e47360-0f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b-01",
        ] {
            assert_eq!(TraceContext::read(bad, None), None, "{bad}");
        }
    }

    #[test]
    fn flags_that_nobody_has_named_are_not_passed_on() {
        let parent = PARENT.replace("-01", "-ff");
        let context = TraceContext::read(&parent, None).expect("any flags are good");
        assert!(context.parent().ends_with("-03"));
    }

    #[test]
    fn a_bad_tracestate_is_left_out_and_the_trace_goes_on() {
        let long = format!("a={}", "x".repeat(STATE_BYTES_MAX));
        let many = vec!["a=1"; STATE_MEMBERS_MAX + 1].join(",");
        for bad in ["", "a", "=1", "A=1", "a=", "a=1\n", "a=é", "a=1,,b=2", "a=b=c", &long, &many]
        {
            let context = TraceContext::read(PARENT, Some(bad)).expect("the parent is good");
            assert_eq!(context.state(), None, "{bad}");
        }
    }

    #[test]
    fn an_event_tells_its_own_context() {
        let body = format!(r#"{{"id":"a/1","traceparent":"{PARENT}","tracestate":"a=\"1\""}}"#);
        let context = TraceContext::of_event(body.as_bytes()).expect("it has one");
        assert_eq!((context.parent().as_str(), context.state()), (PARENT, Some("a=\"1\"")));
        for none in [&b"{}"[..], b"broken", br#"{"traceparent":null}"#, br#"{"traceparent":"x"}"#] {
            assert_eq!(TraceContext::of_event(none), None);
        }
    }
}
