//! A hint from Kazpost that a parcel has news (kazpost §10: webhooks exist, their payload is not
//! known; the form here is DESIGNED: `{"secret": …, "trackid": …}`).
//!
//! *Guarantee*: a callback is believed only with the shared secret, and says nothing but "look now":
//! what happened is asked for, never taken from the callback. Off unless it is switched on and has a
//! secret.

use contracts::s10::TrackNumber;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::office::text;
use crate::{settings::Settings, transport::secret};

/// Longer callbacks are refused.
pub const CALLBACK_BYTES_MAX: usize = 16 * 1024;

/// Reads callbacks.
#[derive(Debug)]
pub struct Callback {
    secret: SecretString,
}

/// Why a callback is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// Too long, no JSON, or without the two fields.
    #[error("the callback cannot be read")]
    Unreadable,
    /// The secret is not ours.
    #[error("the callback has another secret")]
    NotBelieved,
    /// The number is none.
    #[error("the callback names no track number")]
    Number,
}

#[derive(Deserialize)]
struct Body {
    secret: SecretString,
    trackid: String,
}

impl Callback {
    /// The reader, where callbacks are switched on and a secret is set.
    pub fn new(settings: &Settings) -> Option<Self> {
        let is_on = text(settings, "callback_enabled") == "true";
        let secret = settings.option("callback_secret").filter(|_| is_on)?;
        Some(Self { secret: secret.into() })
    }

    /// The number to look at now. The secret is compared in constant time.
    pub fn read(&self, body: &[u8]) -> Result<TrackNumber, CallbackError> {
        if body.len() > CALLBACK_BYTES_MAX {
            return Err(CallbackError::Unreadable);
        }
        let body: Body = serde_json::from_slice(body).map_err(|_| CallbackError::Unreadable)?;
        if !secret::is_same(self.secret.expose_secret(), body.secret.expose_secret()) {
            return Err(CallbackError::NotBelieved);
        }
        body.trackid.parse().map_err(|_| CallbackError::Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(enabled: &str, secret: &str) -> Settings {
        let mut settings = Settings::for_url("http://127.0.0.1:1/");
        settings.options.insert("callback_enabled".to_owned(), enabled.into());
        settings.options.insert("callback_secret".to_owned(), secret.into());
        settings
    }

    #[test]
    fn callbacks_are_off_unless_switched_on_with_a_secret() {
        assert!(Callback::new(&Settings::for_url("http://127.0.0.1:1/")).is_none());
        assert!(Callback::new(&settings("false", "hush")).is_none());
        assert!(Callback::new(&settings("true", " ")).is_none());
        assert!(Callback::new(&settings("true", "hush")).is_some());
    }

    #[test]
    fn a_callback_names_a_number_only_with_the_secret() {
        let callback = Callback::new(&settings("true", "hush")).expect("on");
        let read = |text: &str| callback.read(text.as_bytes());
        let number = read(r#"{"secret":"hush","trackid":"AP000000014KZ","status":"x"}"#);
        assert_eq!(number.expect("believed").expose(), "AP000000014KZ");
        for (text, error) in [
            (r#"{"secret":"hash","trackid":"AP000000014KZ"}"#, CallbackError::NotBelieved),
            (r#"{"secret":"","trackid":"AP000000014KZ"}"#, CallbackError::NotBelieved),
            (r#"{"secret":"hush","trackid":"AP000000015KZ"}"#, CallbackError::Number),
            (r#"{"trackid":"AP000000014KZ"}"#, CallbackError::Unreadable),
            ("<html/>", CallbackError::Unreadable),
        ] {
            assert_eq!(read(text), Err(error), "{text}");
        }
        let long = " ".repeat(CALLBACK_BYTES_MAX + 1);
        assert_eq!(read(&long), Err(CallbackError::Unreadable));
        assert!(!format!("{callback:?}").contains("hush"));
    }
}
