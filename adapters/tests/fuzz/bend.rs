//! How inputs are bent: some changes know XML or JSON, some know nothing.

use rand::{RngExt, rngs::StdRng};
use serde_json::Value;

/// Values that readers like to stumble over. The numbers are synthetic.
const ODD: [&str; 34] = [
    "",
    " ",
    "-",
    "0",
    "1",
    "-1",
    "true",
    "false",
    "нет",
    "920300400029",
    "850100300012",
    "100540000008",
    "3f0c2a52-6f0e-4d0e-9a7b-000000000001",
    "00000000-0000-0000-0000-000000000000",
    "2026-02-30",
    "9999-12-31T23:59:59.999999999+23:59",
    "-9999-01-01",
    "1e309",
    "99999999999999999999",
    "\u{0}",
    "\u{fffe}",
    "&amp;lt;a&amp;gt;",
    "&lt;a/&gt;",
    "<a/>",
    "<![CDATA[<b>1</b>]]>",
    "&#0;",
    "&#x10FFFF;",
    "&e;",
    "JVBERi0",
    "====",
    "%PDF-",
    "SCSS001",
    "SIM-DONE",
    "AP000000014KZ",
];
/// Deep and long enough to pass every limit.
const DEEP: usize = 2_000;
const LONG: usize = 200_000;

/// One to four changes.
pub(crate) fn bend(bytes: &[u8], other: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut bent = bytes.to_vec();
    for _ in 0..rng.random_range(1..=4) {
        bent = once(&bent, other, rng);
    }
    bent
}

fn once(bytes: &[u8], other: &[u8], rng: &mut StdRng) -> Vec<u8> {
    if rng.random_range(0..4) == 0 {
        return of_bytes(bytes, other, rng);
    }
    if let Ok(json) = serde_json::from_slice::<Value>(bytes)
        && (json.is_object() || json.is_array())
    {
        return of_json(json, rng);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if text.contains('<') => of_xml(text, other, rng),
        Ok(text) if text.contains('=') => of_lines(text, rng),
        Ok(_) | Err(_) => of_bytes(bytes, other, rng),
    }
}

fn of_bytes(bytes: &[u8], other: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut bent = bytes.to_vec();
    let at = rng.random_range(0..=bent.len());
    let end = rng.random_range(at..=bent.len().min(at + 64));
    match rng.random_range(0..7) {
        0 if at < bent.len() => bent[at] ^= 1 << rng.random_range(0..8),
        1 => bent.truncate(at),
        2 => drop(bent.drain(at..end)),
        3 => {
            let part = bent[at..end].to_vec();
            bent.splice(at..at, part);
        }
        4 => drop(bent.splice(at..at, [0xff, 0xfe, 0xc0])),
        5 => {
            let from = rng.random_range(0..=other.len());
            let to = rng.random_range(from..=other.len().min(from + 256));
            bent.splice(at..end, other[from..to].iter().copied());
        }
        _ => drop(bent.splice(at..end, ODD[rng.random_range(0..ODD.len())].bytes())),
    }
    bent
}

/// `key = value` lines: settings and cases.
fn of_lines(text: &str, rng: &mut StdRng) -> Vec<u8> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let at = rng.random_range(0..lines.len());
    match rng.random_range(0..4) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[at].clone()),
        2 => {
            let to = rng.random_range(0..lines.len());
            lines.swap(at, to);
        }
        _ => {
            let key = lines[at].split('=').next().unwrap_or_default().to_owned();
            let values =
                ["1", "\"\"", "[]", "{}", "true", "-9223372036854775808", "1979-05-27", "\"x"];
            lines[at] = format!("{key}= {}", values[rng.random_range(0..values.len())]);
        }
    }
    (lines.join("\n") + "\n").into_bytes()
}

fn of_json(mut json: Value, rng: &mut StdRng) -> Vec<u8> {
    let count = count(&json);
    let mut at = rng.random_range(0..count);
    let kind = rng.random_range(0..8);
    let odd = ODD[rng.random_range(0..ODD.len())];
    if let Some(value) = nth(&mut json, &mut at) {
        let old = value.take();
        *value = match (kind, old) {
            (0, _) => Value::Null,
            (1, _) => odd.into(),
            (2, old) => Value::Array(vec![old.clone(), old]),
            (3, Value::Object(mut all)) => {
                let key = all.keys().nth(rng.random_range(0..all.len().max(1))).cloned();
                key.map(|key| all.remove(&key));
                all.into()
            }
            (3 | 4, Value::String(text)) => {
                text.parse::<i64>().map_or_else(|_| Value::Bool(true), Into::into)
            }
            (4, Value::Number(number)) => number.to_string().into(),
            (5, old) => (0..100).fold(old, |inner, _| Value::Array(vec![inner])),
            (6, Value::Object(mut all)) => {
                all.insert(odd.to_owned(), "850100300012".into());
                all.into()
            }
            (6, Value::Array(mut all)) => {
                all.reverse();
                all.into()
            }
            (7, Value::String(text)) => format!("{text}{odd}").into(),
            (7, _) => Value::from(f64::MAX),
            (_, old) => old,
        };
    }
    json.to_string().into_bytes()
}

fn count(value: &Value) -> usize {
    match value {
        Value::Object(all) => 1 + all.values().map(count).sum::<usize>(),
        Value::Array(all) => 1 + all.iter().map(count).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

fn nth<'v>(value: &'v mut Value, at: &mut usize) -> Option<&'v mut Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    match value {
        Value::Object(all) => all.values_mut().find_map(|value| nth(value, at)),
        Value::Array(all) => all.iter_mut().find_map(|value| nth(value, at)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// An element in a text: from the start of its tag to the end of its end tag.
struct Span<'t> {
    name: &'t str,
    whole: std::ops::Range<usize>,
    inside: std::ops::Range<usize>,
}

/// Elements, also those of a document inside that is escaped once.
fn elements(text: &str) -> Vec<Span<'_>> {
    let mut all = Vec::new();
    for (open, close) in [("<", ">"), ("&lt;", "&gt;")] {
        for (at, _) in text.match_indices(open) {
            let start = at + open.len();
            let name = text[start..].split(|c: char| !(c.is_alphanumeric() || "_:-.".contains(c)));
            let name = name.into_iter().next().unwrap_or_default();
            let end_tag = format!("{open}/{name}{close}");
            let Some(inner) = text[start..].find(close).map(|end| start + end + close.len()) else {
                continue;
            };
            if name.is_empty() {
                continue;
            }
            if let Some(end) = text[inner..].find(&end_tag).map(|end| inner + end) {
                all.push(Span { name, whole: at..end + end_tag.len(), inside: inner..end });
            }
        }
    }
    all
}

fn of_xml(text: &str, other: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let all = elements(text);
    if all.is_empty() {
        return of_bytes(text.as_bytes(), other, rng);
    }
    let one = &all[rng.random_range(0..all.len())];
    let second = &all[rng.random_range(0..all.len())];
    let odd = ODD[rng.random_range(0..ODD.len())];
    let (whole, inside) = (&text[one.whole.clone()], &text[one.inside.clone()]);
    let put = |range: &std::ops::Range<usize>, with: &str| {
        format!("{}{with}{}", &text[..range.start], &text[range.end..])
    };
    let bent = match rng.random_range(0..15) {
        0 => put(&one.whole, ""),
        1 => put(&one.whole, &whole.repeat(2)),
        2 => put(&one.inside, &text[second.inside.clone()]),
        3 => put(&second.whole, whole),
        4 | 5 => put(&one.inside, odd),
        6 => put(&one.inside, &format!("{inside}{odd}")),
        7 => put(&one.inside, &format!("<![CDATA[{inside}]]>")),
        8 => {
            let deep = rng.random_range(1..DEEP);
            put(&one.whole, &format!("{}{whole}{}", "<x>".repeat(deep), "</x>".repeat(deep)))
        }
        9 => {
            let escaped = inside.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            put(&one.inside, &escaped)
        }
        10 => {
            let doctype = "<!DOCTYPE a [<!ENTITY e \"850100300012\">]>";
            format!("{doctype}{text}")
        }
        11 => {
            let long = "a".repeat(rng.random_range(1..LONG));
            text.replacen(&format!("<{}", one.name), &format!("<{} x=\"{long}\"", one.name), 1)
        }
        12 => text.replacen(one.name, &format!("q:{}", one.name), rng.random_range(1..3)),
        13 => text.replacen("xmlns", "xmlnz", 1),
        _ => put(&one.inside, &format!("{inside}<!-- {odd} --><?x {odd}?>")),
    };
    bent.into_bytes()
}
