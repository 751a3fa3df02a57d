//! How long the certificates on the way to the systems last, as a metric.
//!
//! *Guarantee*: a look shakes hands and sends nothing. A system that cannot be reached keeps what was
//! seen last: that it is down is told elsewhere.
//!
//! *Limits*: the system's own address, where it is https; [`LOOK_WAIT_MAX`] for each.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::reach::{Reached, Target, Tls, Unreached};
use crate::{clock::real_now, pipeline::Hub, telemetry::metric::Metric};

/// Between two looks: certificates end by the day.
const LOOK_EVERY: Duration = Duration::from_hours(1);
/// One look ends within this.
const LOOK_WAIT_MAX: Duration = Duration::from_secs(10);

/// Looks until cancelled.
pub async fn run(hub: Arc<Hub>, stop: CancellationToken) {
    loop {
        for (name, settings) in &hub.config.systems {
            if let Some(ends) = end_of(&settings.url).await {
                let left = ends.as_second() - real_now().as_second();
                let left = i32::try_from(left).unwrap_or(i32::MAX);
                Metric::CredentialExpiry.set(f64::from(left), [("system", name)]);
            }
        }
        tokio::select! { () = tokio::time::sleep(LOOK_EVERY) => {}, () = stop.cancelled() => return }
    }
}

/// When the certificate at this address ends, also where it is refused because it has.
async fn end_of(url: &str) -> Option<Timestamp> {
    let target = Target::of(url).filter(|target| target.is_encrypted)?;
    match tokio::time::timeout(LOOK_WAIT_MAX, target.reach()).await.ok()? {
        Ok(Reached { tls: Some(Tls { ends, .. }), .. })
        | Err(Unreached::Handshake { ends, .. }) => ends,
        Ok(Reached { tls: None, .. })
        | Err(Unreached::Name | Unreached::Connect(_) | Unreached::NoRoots) => None,
    }
}
