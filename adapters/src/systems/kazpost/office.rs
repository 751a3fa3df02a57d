//! The adapter: one account at Kazpost, and which operation does what.

use std::time::Duration;

use async_trait::async_trait;
use contracts::s10::TrackNumber;
use secrecy::SecretString;

use super::{
    SPEC,
    courier::Courier,
    failures::{Cause, failure},
    input::PhoneForm,
};
use crate::{
    attempt::{Attempt, Call, Exchange, Outcome},
    settings::{Form, OptionSpec, Settings},
    system::{Adapter, ConnectError},
    transport::kazpost::{Rest, Soap},
};

/// What only this system has. Defaults are for the simulator; every name that begins with `SIM` is
/// one that a real contract replaces.
pub(super) const OPTIONS: &[OptionSpec] = &[
    option("api_key", Some(SIM_KEY), Form::Secret),
    option("order_prefix", Some("SIM-"), Form::Text),
    option("product_code", Some("P103"), Form::Text),
    option("send_method", Some("1"), Form::Text),
    option("mail_category", Some("3"), Form::Text),
    option("phone_form", Some("10"), Form::Text),
    option("contract_number", None, Form::Text),
    option("tracking_url", None, Form::Url),
    option("tracking_page", Some("https://track.post.kz/"), Form::Link),
    option("track_interval_s", Some("3600"), Form::Number),
    option("courier_url", None, Form::Url),
    option("courier_username", Some("sim"), Form::Text),
    option("courier_password", Some("simulated"), Form::Secret),
    option("courier_item_code", Some("SIM-ITEM"), Form::Text),
    option("courier_branch_code", Some("SIM-BRANCH"), Form::Text),
    option("callback_enabled", Some("false"), Form::Flag),
    option("callback_secret", None, Form::Secret),
];

const KEY_CHARS: usize = 32;
const SIM_KEY: &str = "SIMULATED0000000000000000000KEY0";
const ORDER_PREFIX_CHARS_MAX: usize = 20;

const fn option(name: &'static str, default: Option<&'static str>, form: Form) -> OptionSpec {
    OptionSpec { name, default, form }
}

/// Our account at Kazpost.
#[derive(Debug)]
pub(super) struct Office {
    pub(super) soap: Soap,
    pub(super) tracking: Rest,
    pub(super) courier: Courier,
    pub(super) form: ParcelForm,
    /// Shortest pause between two looks at a parcel.
    pub(super) look_every: Duration,
    order_prefix: String,
    tracking_page: String,
}

/// Kazpost keeps its answers for an hour: asking more often tells nothing (kazpost §6).
fn look_every(settings: &Settings) -> Result<Duration, ConnectError> {
    let seconds = text(settings, "track_interval_s").parse().ok().map(Duration::from_secs);
    seconds
        .filter(|interval| *interval >= super::track::POLL)
        .ok_or_else(|| wrong("track_interval_s", "a number of seconds, at least 3600"))
}

/// What every parcel of this contract has in common.
#[derive(Debug)]
pub(super) struct ParcelForm {
    pub(super) product_code: String,
    pub(super) send_method: String,
    pub(super) mail_category: String,
    pub(super) phone: PhoneForm,
    pub(super) contract_number: Option<String>,
}

impl Office {
    /// Takes account, addresses and codes from the settings. Where the addresses of tracking and
    /// courier are not set, they lie below the main one, as the simulator has them.
    pub(super) fn new(settings: &Settings) -> Result<Self, ConnectError> {
        let key = text(settings, "api_key");
        if key.chars().count() != KEY_CHARS {
            return Err(wrong("api_key", "32 characters"));
        }
        let phone = PhoneForm::named(&text(settings, "phone_form"));
        let order_prefix = text(settings, "order_prefix");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if order_prefix.len() > ORDER_PREFIX_CHARS_MAX || !order_prefix.chars().all(is_plain) {
            return Err(wrong("order_prefix", "at most 20 letters, digits, - and _"));
        }
        let below = |name: &'static str, folder: &str| {
            let base = settings.url.trim_end_matches('/');
            let given = settings.option(name).map(str::to_owned);
            given.unwrap_or_else(|| format!("{base}/{folder}"))
        };
        let tracking = below("tracking_url", "tracking/api/v2");
        let courier = Rest::new(SPEC.name, settings, below("courier_url", "courier"))?;
        Ok(Self {
            soap: Soap::new(SPEC.name, settings, SecretString::from(key))?,
            tracking: Rest::new(SPEC.name, settings, tracking)?,
            courier: Courier::new(courier, settings),
            form: ParcelForm {
                product_code: text(settings, "product_code"),
                send_method: text(settings, "send_method"),
                mail_category: text(settings, "mail_category"),
                phone: phone.ok_or_else(|| wrong("phone_form", "10, 11 or plus"))?,
                contract_number: settings.option("contract_number").map(str::to_owned),
            },
            look_every: look_every(settings)?,
            order_prefix,
            tracking_page: text(settings, "tracking_page"),
        })
    }

    /// Our order number at Kazpost. It must be unique for the key: a collision silently hands one
    /// parcel the number of another (kazpost §4), hence the prefix.
    pub(super) fn order_number(&self, order: &str) -> String {
        format!("{}{order}", self.order_prefix)
    }

    /// The page on which a person follows a parcel.
    pub(super) fn tracking_link(&self, number: &TrackNumber) -> String {
        format!("{}/{}", self.tracking_page.trim_end_matches('/'), number.expose())
    }
}

#[async_trait]
impl Adapter for Office {
    async fn attempt(&self, call: &Call) -> Attempt {
        match call.operation.name {
            "kazpost.label" => self.label(call).await,
            "kazpost.call_courier" => self.call_courier(call).await,
            "kazpost.track" => self.track(call).await,
            "kazpost.cancel" => self.cancel(call).await,
            _ => unsent(&Cause::Input),
        }
    }

    async fn reconcile(&self, call: &Call) -> Attempt {
        match call.operation.name {
            "kazpost.label" => self.find_number(call).await,
            "kazpost.call_courier" => self.settle_courier(call),
            "kazpost.cancel" => self.look_at_number(call).await,
            _ => unsent(&Cause::Input),
        }
    }
}

/// The value of an option, or its default.
pub(super) fn text(settings: &Settings, name: &'static str) -> String {
    let default = || OPTIONS.iter().find(|option| option.name == name)?.default;
    settings.option(name).or_else(default).unwrap_or_default().to_owned()
}

/// An attempt that ended before anything was sent.
pub(super) fn unsent(cause: &Cause) -> Attempt {
    Attempt::unsent(failure(cause))
}

/// An attempt that ended with this.
pub(super) fn ended(result: Result<Outcome, Cause>, exchange: Exchange) -> Attempt {
    let outcome = result.unwrap_or_else(|cause| Outcome::Failed(failure(&cause)));
    Attempt::new(outcome, exchange)
}

const fn wrong(option: &'static str, text: &'static str) -> ConnectError {
    ConnectError::Option { system: SPEC.name, option, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Result<Office, ConnectError> {
        let mut settings = Settings::for_url("http://127.0.0.1:1/kazpost/");
        settings.options.insert(name.to_owned(), value.into());
        Office::new(&settings)
    }

    #[test]
    fn a_trailing_space_in_a_setting_does_no_harm() {
        let office = with("product_code", "P109 \n").expect("builds");
        assert_eq!(office.form.product_code, "P109");
        assert!(with("api_key", " 0123456789abcdef0123456789abcdef ").is_ok());
    }

    #[test]
    fn settings_that_cannot_work_are_found_at_the_start() {
        for (name, value) in [
            ("api_key", "short"),
            ("phone_form", "12"),
            ("order_prefix", "with a space"),
            ("order_prefix", "much-too-long-for-an-order-number"),
        ] {
            let error = with(name, value).expect_err("refused");
            assert!(error.to_string().starts_with(&format!("systems.kazpost.{name}: ")), "{error}");
            assert!(!error.to_string().contains(value), "{error}");
        }
        assert!(matches!(with("tracking_url", "ftp://x/"), Err(ConnectError::Url { .. })));
    }

    #[test]
    fn the_adapter_does_not_print_key_and_password() {
        let shown = format!("{:?}", with("callback_secret", "hush").expect("builds"));
        for secret in [SIM_KEY, "simulated", "hush"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
