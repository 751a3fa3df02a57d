//! How a system is protected: rate, circuit breaker, maintenance that was announced.

use std::time::Duration;

use jiff::Timestamp;
use toml::{Table, Value};

use super::reader::Reader;
use crate::policy::{
    breaker::Rules,
    limits::Rate,
    maintenance::{When, Window},
};

/// Protection of one system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// Starts a second.
    pub rate: Rate,
    /// When its breaker opens, and for how long.
    pub breaker: Rules,
    /// `[[systems.<name>.maintenance]]`.
    pub maintenance: Vec<Window>,
}

impl Protection {
    /// No rate, no breaker, no maintenance: the hub's own operations.
    pub const NONE: Self = Self {
        rate: Rate::NONE,
        breaker: Rules { failed_percent: 0, ..BREAKER },
        maintenance: Vec::new(),
    };
}

/// The breaker, unless the settings say otherwise.
const BREAKER: Rules = Rules {
    window: Duration::from_secs(10),
    calls_min: 20,
    failed_percent: 50,
    open_base: Duration::from_secs(2),
    open_max: Duration::from_secs(60),
};
const RATE_MAX: u64 = 10_000;
const PAUSE_MAX: Duration = Duration::from_secs(3_600);
const TEXT_CHARS_MAX: usize = 500;

/// Reads the protection of a system.
pub(super) fn read(r: &mut Reader, system: &str) -> Protection {
    let key = |name: &str| format!("systems.{system}.{name}");
    let per_s = narrow(r.number(&key("rate_per_s"), 0, 0..=RATE_MAX));
    let burst_min = u64::from(Rate::burst_min(per_s));
    let burst = narrow(r.number(&key("rate_burst"), u64::from(per_s).max(2), burst_min..=RATE_MAX));
    let open_base = r.millis(&key("breaker_open_base_ms"), BREAKER.open_base, PAUSE_MAX);
    let open_max =
        r.millis(&key("breaker_open_max_ms"), BREAKER.open_max.max(open_base), PAUSE_MAX);
    if open_base > open_max {
        let expected = format!("at most breaker_open_max_ms, which is {} ms", open_max.as_millis());
        let value = format!("{} ms", open_base.as_millis());
        r.problem(&key("breaker_open_base_ms"), &value, &expected, ());
    }
    Protection {
        rate: Rate { per_s, burst },
        breaker: Rules {
            window: r.millis(&key("breaker_window_ms"), BREAKER.window, PAUSE_MAX),
            calls_min: narrow(r.number(
                &key("breaker_calls_min"),
                BREAKER.calls_min.into(),
                1..=1_000_000,
            )),
            failed_percent: narrow(r.number(
                &key("breaker_failed_percent"),
                BREAKER.failed_percent.into(),
                0..=100,
            )),
            open_base,
            open_max,
        },
        maintenance: windows(r, &key("maintenance")),
    }
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn windows(r: &mut Reader, key: &str) -> Vec<Window> {
    let tables = r.tables(key);
    tables
        .iter()
        .enumerate()
        .filter_map(|(n, table)| window(r, &format!("{key}[{}]", n + 1), table))
        .collect()
}

fn window(r: &mut Reader, key: &str, table: &Table) -> Option<Window> {
    for name in table.keys() {
        if !["from", "until", "weekly", "text_ru", "text_kk"].contains(&name.as_str()) {
            let expected = "no such setting: from and until, or weekly; text_ru, text_kk";
            r.problem(&format!("{key}.{name}"), "unknown", expected, ());
        }
    }
    let text = |r: &mut Reader, name: &str| {
        let text = table.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
        if text.is_empty() || text.chars().count() > TEXT_CHARS_MAX {
            let expected = format!("what people are told, 1 to {TEXT_CHARS_MAX} characters");
            r.problem(&format!("{key}.{name}"), "missing or too long", &expected, ());
        }
        text
    };
    let (text_ru, text_kk) = (text(r, "text_ru"), text(r, "text_kk"));
    let when = match (table.get("weekly"), table.get("from"), table.get("until")) {
        (Some(weekly), None, None) => {
            let read = weekly.as_str().and_then(When::weekly);
            if read.is_none() {
                let expected = "a week's stretch in Almaty, like \"Sat 22:00-Sun 06:00\"";
                r.problem(&format!("{key}.weekly"), &weekly.to_string(), expected, ());
            }
            read?
        }
        (None, Some(from), Some(until)) => once(r, key, from, until)?,
        (Some(_) | None, ..) => {
            r.problem(key, "incomplete", "from and until, or weekly alone", ());
            return None;
        }
    };
    Some(Window { when, text_ru, text_kk })
}

fn once(r: &mut Reader, key: &str, from: &Value, until: &Value) -> Option<When> {
    let mut instant = |name: &str, value: &Value| {
        // A date of TOML with an offset, or the same as text.
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let read = text.parse::<Timestamp>().ok();
        if read.is_none() {
            let expected = "an instant with its offset, like 2026-12-05T22:00:00+05:00";
            r.problem(&format!("{key}.{name}"), &text, expected, ());
        }
        read
    };
    let (begins, ends) = (instant("from", from), instant("until", until));
    let (from, until) = (begins?, ends?);
    if from >= until {
        r.problem(&format!("{key}.until"), &until.to_string(), "later than from", ());
        return None;
    }
    Some(When::Once { from, until })
}
