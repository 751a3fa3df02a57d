//! The hub's own operations, behind the same interface as a government system's.
//!
//! *Guarantee*: a job is withdrawn only where nothing of it can have been sent: it is stored or waits,
//! and no attempt of it may have reached their system.

use std::sync::Arc;

use adapters::{
    attempt::{Answer, Attempt, Call, Exchange, Outcome},
    settings::Settings,
    system::Adapter,
};
use async_trait::async_trait;
use contracts::{
    class::{Class, Failure, Localised},
    code,
    own::{self, CancelInput},
};
use serde::Deserialize;
use serde_json::Map;

use super::destination::Destination;
use crate::store::{Store, cancel::Cancelled};

/// Own operations under way at once.
pub const IN_FLIGHT_MAX: usize = 8;

const TOO_LATE: Localised = Localised {
    ru: "Запрос уже отправлен, отозвать его нельзя.",
    kk: "Сұрау жіберіліп қойған, оны кері қайтаруға болмайды.",
};

/// The hub as a destination.
pub fn destination(store: Store, stored_max: usize) -> Destination {
    let settings = Settings { in_flight_max: IN_FLIGHT_MAX, ..Settings::for_url("") };
    Destination::own(&own::SPEC, Arc::new(Own { store }), settings, stored_max)
}

struct Own {
    store: Store,
}

#[async_trait]
impl Adapter for Own {
    async fn attempt(&self, call: &Call) -> Attempt {
        Attempt::new(self.cancel(call).await, Exchange::default())
    }
}

impl Own {
    async fn cancel(&self, call: &Call) -> Outcome {
        let Ok(input) = CancelInput::deserialize(call.input.expose()) else {
            return Outcome::Failed(Failure::new(Class::Defect, code!("input_unreadable")));
        };
        match self.store.cancel(input.job_id, input.reason.name()).await {
            Ok(Cancelled::Done | Cancelled::Before) => {
                let mut summary = Map::new();
                summary.insert("cancelled".to_owned(), input.job_id.to_string().into());
                Outcome::Answered(Answer::new(summary, Map::new()))
            }
            Ok(Cancelled::TooLate) => {
                let failure = Failure::new(Class::Refused, code!("too_late")).with_reason(TOO_LATE);
                Outcome::Failed(failure)
            }
            // It may have overtaken the job that it withdraws: they travel by different queues.
            Ok(Cancelled::Unknown) => {
                Outcome::Failed(Failure::new(Class::Unreachable, code!("unknown_job")))
            }
            Err(error) => {
                tracing::warn!(job_id = %call.job_id, %error, "a withdrawal waits for the database");
                Outcome::Failed(Failure::new(Class::NotNow, code!("database_unavailable")))
            }
        }
    }
}
