//! Synthetic values in the place of real ones: one mapping for a whole case.
//!
//! *Guarantee*: the same value always gets the same stand-in, another value another one, and no
//! stand-in is a value or a name of the original. IIN, BIN and track numbers keep whether their
//! check digit is right; texts keep their length, letters their script and case.
//!
//! *What this does not do*: stand-ins are made from a seed; whoever knows seed *and* original can
//! make them again. The seed is drawn for every recording and kept nowhere.

use std::collections::{HashMap, HashSet};

use contracts::{
    number::{self, Bin, Iin},
    s10,
};
use jiff::{Span, civil, tz::TimeZone};
use sha2::{Digest, Sha256};

use super::rules::is_time_of_day;

/// A point and nine digits: no clock tells more.
const FRACTION_CHARS_MAX: usize = 10;
/// Tries to find a stand-in that is nobody's.
const TRIES_MAX: u32 = 500;
const CYRILLIC: &str = "бвгджзклмнпрст";
const CYRILLIC_VOWELS: &str = "аеиоу";
const LATIN: &str = "bcdfghklmnprst";
const LATIN_VOWELS: &str = "aeiou";

/// The mapping of one recording.
pub(super) struct StandIns {
    seed: [u8; 32],
    given: HashMap<String, String>,
    taken: HashSet<String>,
    /// Original values and their words, in capitals: no stand-in may be one.
    forbidden: HashSet<String>,
    /// What the recorded hub sends and a hub with the settings of a case sends, too.
    same: HashSet<String>,
    /// Days by which dates about people move.
    days: i64,
    /// Seconds by which instants around the capture move.
    seconds: i64,
    /// Seconds since 1970 of the capture.
    captured: i64,
}

impl StandIns {
    /// A mapping from a seed. `captured` becomes `now`.
    pub(super) fn new(seed: u64, captured: jiff::Timestamp, now: jiff::Timestamp) -> Self {
        let seed: [u8; 32] = Sha256::digest(seed.to_be_bytes()).into();
        // One to three years earlier: never nothing, and nobody is born tomorrow.
        let days = 367 + i64::from(u16::from_be_bytes([seed[0], seed[1]]) % 365);
        let days = if seed[2].is_multiple_of(4) { -days } else { -days - 365 };
        Self {
            seed,
            given: HashMap::new(),
            taken: HashSet::new(),
            forbidden: HashSet::new(),
            same: HashSet::new(),
            days,
            seconds: now.as_second() - captured.as_second(),
            captured: captured.as_second(),
        }
    }

    /// No stand-in may be this, or one of its words.
    pub(super) fn forbid(&mut self, value: &str) {
        let value = value.trim().to_uppercase();
        for word in value.split(|c: char| !c.is_alphanumeric()).chain([value.as_str()]) {
            self.forbidden.insert(word.to_owned());
        }
    }

    /// This value always becomes that one: what the hub itself would send.
    pub(super) fn set(&mut self, value: &str, stand_in: &str) {
        self.given.entry(value.to_owned()).or_insert_with(|| stand_in.to_owned());
        self.taken.insert(stand_in.to_owned());
    }

    /// This value is sent with the settings of a case, too.
    pub(super) fn note_same(&mut self, value: &str) {
        self.same.insert(value.to_owned());
    }

    /// Values that are sent with the settings of a case, too.
    pub(super) fn same(&self) -> impl Iterator<Item = &str> {
        self.same.iter().map(String::as_str)
    }

    /// Whether this value has its stand-in.
    pub(super) fn get(&self, value: &str) -> Option<&str> {
        self.given.get(value).map(String::as_str)
    }

    /// The stand-in of a value that looks like itself.
    pub(super) fn of(&mut self, value: &str) -> String {
        if value.trim().is_empty() || value.trim() == "-" {
            return value.to_owned();
        }
        if let Some(given) = self.get(value) {
            return given.to_owned();
        }
        let stand_in = self
            .of_uuid(value)
            .or_else(|| self.of_time(value))
            .unwrap_or_else(|| self.distinct(value, Self::candidate));
        self.set(value, &stand_in);
        stand_in
    }

    /// The stand-in of a name, word by word: a full name fits its parts.
    pub(super) fn of_name(&mut self, value: &str) -> String {
        if let Some(given) = self.get(value) {
            return given.to_owned();
        }
        let mut out = String::new();
        let mut word = String::new();
        for c in value.chars().chain(['\0']) {
            if c.is_alphanumeric() {
                word.push(c);
                continue;
            }
            if !word.is_empty() {
                out.push_str(&self.of_word(&word));
                word.clear();
            }
            if c != '\0' {
                out.push(c);
            }
        }
        out
    }

    fn of_word(&mut self, word: &str) -> String {
        let key = format!("name {}", word.to_uppercase());
        let stand_in = if let Some(given) = self.get(&key) {
            given.to_owned()
        } else {
            let made = self.distinct(&word.to_uppercase(), Self::name);
            self.set(&key, &made);
            made
        };
        in_case_of(word, &stand_in)
    }

    /// A candidate that is nobody's, and no other value's stand-in.
    fn distinct(&self, value: &str, make: fn(&Self, &str, u32) -> String) -> String {
        let is_free = |made: &String| {
            made != value
                && !self.taken.contains(made)
                && !self.forbidden.contains(&made.trim().to_uppercase())
        };
        let mut tries = (0..TRIES_MAX).map(|salt| make(self, value, salt));
        // A single digit has nine others: when all are somebody's, two share one.
        tries.find(is_free).unwrap_or_else(|| self.turned(value))
    }

    /// A candidate by the form of the value.
    fn candidate(&self, value: &str, salt: u32) -> String {
        let text = value.trim();
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        if text.len() == 12 && digits.len() == 12 {
            return self.twelve(text, salt);
        }
        if let Some(track) = self.track(text, salt) {
            return track;
        }
        let is_phone = |c: char| c.is_ascii_digit() || "+-() ".contains(c);
        if text.chars().all(is_phone) && (10..=11).contains(&digits.len()) && has_phone(&digits) {
            return self.phone(text, &digits, salt);
        }
        if text.contains('@') && text.contains('.') {
            return format!("person{:04}@example.kz", self.number(text, salt) % 10_000);
        }
        self.shaped(value, salt)
    }

    fn twelve(&self, text: &str, salt: u32) -> String {
        let number = self.number(text, salt);
        let is_organisation = matches!(text.as_bytes()[4], b'4'..=b'6');
        let is_right = text.parse::<Iin>().is_ok() || text.parse::<Bin>().is_ok();
        let good = if is_organisation {
            // The fifth digit stays: it says what kind of organisation it is.
            let kind = char::from(text.as_bytes()[4]);
            synthetic_bin(number, kind)
        } else {
            Iin::synthetic(number % 200_000).expose().to_owned()
        };
        if is_right {
            return good;
        }
        let last = (good.as_bytes()[11] - b'0' + 1 + u8::try_from(salt % 8).unwrap_or(0)) % 10;
        format!("{}{last}", &good[..11])
    }

    fn track(&self, text: &str, salt: u32) -> Option<String> {
        let bytes = text.as_bytes();
        let is_form = bytes.len() == 13
            && bytes[..2].iter().chain(&bytes[11..]).all(u8::is_ascii_uppercase)
            && bytes[2..11].iter().all(u8::is_ascii_digit);
        if !is_form {
            return None;
        }
        let serial = format!("{:08}", self.number(text, salt) % 100_000_000);
        let mut digits = [0; 8];
        for (to, from) in digits.iter_mut().zip(serial.bytes()) {
            *to = from - b'0';
        }
        let right = s10::check_digit(&digits);
        let is_right = text.parse::<s10::TrackNumber>().is_ok();
        let last = if is_right { right } else { (right + 1) % 10 };
        Some(format!("{}{serial}{last}{}", &text[..2], &text[11..]))
    }

    /// One subscriber, however the number is written.
    fn phone(&self, text: &str, digits: &str, salt: u32) -> String {
        let subscriber = &digits[digits.len() - 10..];
        let made = format!("700{:07}", self.number(subscriber, salt) % 10_000_000);
        let made = format!("{}{made}", &digits[..digits.len() - 10]);
        let mut made = made.chars();
        text.chars()
            .map(|c| if c.is_ascii_digit() { made.next().unwrap_or('0') } else { c })
            .collect()
    }

    fn of_uuid(&self, value: &str) -> Option<String> {
        let inner = value.trim().trim_matches(['{', '}']);
        let is_uuid = inner.len() == 36 && inner.parse::<uuid::Uuid>().is_ok();
        is_uuid.then(|| {
            let bytes = self.bytes(&inner.to_lowercase(), 0);
            let mut sixteen = [0; 16];
            sixteen.copy_from_slice(&bytes[..16]);
            let made = uuid::Builder::from_random_bytes(sixteen).into_uuid().to_string();
            value.replace(inner, &made)
        })
    }

    /// Instants near the capture move with it; other dates move by the days of this recording.
    fn of_time(&self, value: &str) -> Option<String> {
        let text = value.trim();
        if text.len() < 5 || !text.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        dotted(text, self).or_else(|| self.iso(text))
    }

    /// A date, or a date and a time; what follows may be a fraction and a zone, and nothing else.
    fn iso(&self, text: &str) -> Option<String> {
        let (date, rest) = text.split_at_checked(10)?;
        let date: civil::Date = date.parse().ok()?;
        let Some(time) = rest.strip_prefix(['T', ' ']) else {
            return is_zone(rest).then(|| format!("{}{rest}", self.shift(date.into()).date()));
        };
        let (clock, rest) = time.split_at_checked(8)?;
        let clock: civil::Time = clock.parse().ok()?;
        let after_digits = |rest: &str| rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let zone = rest.strip_prefix('.').map_or(rest.len(), after_digits);
        let (fraction, zone) = rest.split_at(rest.len() - zone);
        if fraction.len() == 1 || fraction.len() > FRACTION_CHARS_MAX || !is_zone(zone) {
            return None;
        }
        // Milliseconds are nobody's; so many digits could be a number.
        let is_short = fraction.len() <= ".000".len();
        let fraction = if is_short { fraction.to_owned() } else { self.shaped(fraction, 0) };
        let moved = self.shift(date.to_datetime(clock));
        let separator = if text.contains('T') { 'T' } else { ' ' };
        Some(format!("{}{separator}{}{fraction}{zone}", moved.date(), moved.time()))
    }

    fn shift(&self, at: civil::DateTime) -> civil::DateTime {
        const NEAR_S: i64 = 60 * 86_400;
        let second = at.to_zoned(TimeZone::UTC).map_or(0, |at| at.timestamp().as_second());
        let moved = if (second - self.captured).abs() < NEAR_S {
            at.checked_add(Span::new().seconds(self.seconds))
        } else {
            at.checked_add(Span::new().days(self.days))
        };
        moved.unwrap_or(civil::DateTime::constant(1990, 1, 1, 0, 0, 0, 0))
    }

    /// Letters for letters of the same script and case, digits for digits.
    fn shaped(&self, value: &str, salt: u32) -> String {
        let mut bytes = self.stream(value, salt);
        let mut is_first_digit = true;
        let mut turn = |c: char| {
            let byte = bytes();
            if c.is_ascii_digit() {
                let is_first = std::mem::replace(&mut is_first_digit, false);
                let nine = is_first && c != '0';
                return char::from(if nine { b'1' + byte % 9 } else { b'0' + byte % 10 });
            }
            is_first_digit = true;
            letter(c, byte)
        };
        value.chars().map(&mut turn).collect()
    }

    /// The last resort: every digit and letter moves by one.
    fn turned(&self, value: &str) -> String {
        let by = 1 + self.seed[3] % 8;
        let digit =
            |c: char| u8::try_from(c).map_or(c, |byte| char::from(b'0' + (byte - b'0' + by) % 10));
        let turn = |c: char| if c.is_ascii_digit() { digit(c) } else { letter(c, by) };
        value.chars().map(turn).collect()
    }

    /// A name that looks like one: as long, of the same script, with the ending of its kind.
    fn name(&self, word: &str, salt: u32) -> String {
        const ENDINGS: [&str; 15] = [
            "ОВИЧ", "ЕВИЧ", "ОВНА", "ЕВНА", "ҚЫЗЫ", "ҰЛЫ", "ОВА", "ЕВА", "ИНА", "ОВ", "ЕВ", "ИН",
            "OVA", "OV", "A",
        ];
        let ending = ENDINGS.iter().find(|ending| word.ends_with(*ending)).copied();
        let ending = ending.unwrap_or_default();
        let length = word.chars().count().saturating_sub(ending.chars().count()).max(3);
        let is_latin = word.is_ascii();
        let (consonants, vowels) =
            if is_latin { (LATIN, LATIN_VOWELS) } else { (CYRILLIC, CYRILLIC_VOWELS) };
        let mut bytes = self.stream(word, salt);
        let stem =
            (0..length).map(|at| pick(if at % 2 == 0 { consonants } else { vowels }, bytes()));
        let stem: String = stem.collect();
        format!("{}{ending}", stem.to_uppercase())
    }

    fn number(&self, value: &str, salt: u32) -> u32 {
        let bytes = self.bytes(value, salt);
        u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    fn bytes(&self, value: &str, salt: u32) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(salt.to_be_bytes());
        hash.update(value.as_bytes());
        hash.finalize().into()
    }

    /// As many bytes as are wanted.
    fn stream(&self, value: &str, salt: u32) -> impl FnMut() -> u8 {
        let mut block = self.bytes(value, salt);
        let mut at = 0;
        move || {
            if at == block.len() {
                block = Sha256::digest(block).into();
                at = 0;
            }
            at += 1;
            block[at - 1]
        }
    }
}

/// `02.03.2026`, `10:00:00 02.03.2026`, `02.03.2026 10:00`; a lone time of day stays.
fn dotted(text: &str, stand_ins: &StandIns) -> Option<String> {
    if is_time_of_day(text) {
        return Some(text.to_owned());
    }
    let words: Vec<&str> = text.split(' ').collect();
    let mut out = Vec::new();
    let mut has_date = false;
    for word in &words {
        if is_time_of_day(word) {
            out.push((*word).to_owned());
            continue;
        }
        let date = civil::Date::strptime("%d.%m.%Y", word).ok()?;
        has_date = true;
        let moved = stand_ins.shift(date.into()).date();
        out.push(moved.strftime("%d.%m.%Y").to_string());
    }
    has_date.then(|| out.join(" "))
}

/// Nothing, `Z` or `±hh:mm`.
fn is_zone(text: &str) -> bool {
    let is_offset = |text: &str| is_time_of_day(text) && text.len() == "05:00".len();
    text.is_empty() || text == "Z" || text.strip_prefix(['+', '-']).is_some_and(is_offset)
}

fn has_phone(digits: &str) -> bool {
    let subscriber = &digits[digits.len() - 10..];
    subscriber.starts_with('7') && matches!(&digits[..digits.len() - 10], "" | "7" | "8")
}

/// A BIN that nobody has: month 13 does not exist, the check digit is right.
fn synthetic_bin(number: u32, kind: char) -> String {
    let serial = number % 1_000_000;
    for year in 60..100 {
        let eleven = format!("{year:02}13{kind}{serial:06}");
        let mut digits = [0; 11];
        for (to, from) in digits.iter_mut().zip(eleven.bytes()) {
            *to = from - b'0';
        }
        if let Some(last) = number::check_digit(&digits) {
            return format!("{eleven}{last}");
        }
    }
    "990140000007".to_owned()
}

fn pick(from: &str, byte: u8) -> char {
    let count = from.chars().count();
    from.chars().nth(usize::from(byte) % count).unwrap_or('a')
}

/// Another letter of the same script and case; other characters stay.
fn letter(c: char, byte: u8) -> char {
    let lower = c.to_lowercase().next().unwrap_or(c);
    let from = match lower {
        'a'..='z' => "abcdefghijklmnopqrstuvwxyz",
        'а'..='я' | 'ё' | 'ә' | 'ғ' | 'қ' | 'ң' | 'ө' | 'ұ' | 'ү' | 'һ' | 'і' => {
            "абвгдежзиклмнопрстуфхцчшэюя"
        }
        _ if c.is_alphabetic() => "abcdefghijklmnopqrstuvwxyz",
        _ if c.is_numeric() => return '0',
        _ => return c,
    };
    let made = pick(from, byte);
    if c.is_uppercase() { made.to_uppercase().next().unwrap_or(made) } else { made }
}

fn in_case_of(word: &str, made: &str) -> String {
    let mut letters = word.chars().filter(|c| c.is_alphabetic());
    let first_is_upper = letters.next().is_some_and(char::is_uppercase);
    let is_upper = first_is_upper && !letters.clone().any(char::is_lowercase);
    if is_upper {
        return made.to_uppercase();
    }
    let lower = made.to_lowercase();
    let mut rest = lower.chars();
    match rest.next() {
        Some(first) if first_is_upper => first.to_uppercase().chain(rest).collect(),
        Some(_) | None => lower,
    }
}

#[cfg(test)]
mod tests;
