//! Hosts that events are delivered to: their names lead somewhere public.

use std::net::IpAddr;

use futures_util::future::join_all;

use super::{Area, Finding, Subject, Verdict, bounded_about};
use crate::callback::is_private;

/// All of them at once, each with a deadline of its own. Nobody is called.
pub(super) async fn look(subject: &Subject) -> Vec<Finding> {
    let callbacks = &subject.settings.config.callbacks;
    if callbacks.hosts.is_empty() {
        let verdict = Verdict::ok("none are allowed: events go to the broker only");
        return bounded_about(subject, Area::Callbacks, None, async |f| f.add("hosts", verdict))
            .await;
    }
    let looks = callbacks.hosts.iter().map(|host| {
        bounded_about(subject, Area::Callbacks, Some(host), async |findings| {
            let name = (host.trim_matches(['[', ']']), 443);
            let found = tokio::net::lookup_host(name).await;
            let addresses: Vec<IpAddr> =
                found.map_or_else(|_| Vec::new(), |all| all.map(|a| a.ip()).collect());
            findings.add_about("address", Some(host), judge(&addresses, callbacks.allow_private));
        })
    });
    join_all(looks).await.into_iter().flatten().collect()
}

fn judge(addresses: &[IpAddr], allow_private: bool) -> Verdict {
    let private = addresses.iter().filter(|ip| is_private(**ip)).count();
    if addresses.is_empty() {
        let mend = "Deliveries to it fail, and after a while its host is left alone: check the name in \
                    callbacks.hosts, then this machine's DNS";
        return Verdict::fail("its name has no address", mend);
    }
    let found = format!("{} addresses, {private} of them private", addresses.len());
    if private == 0 || allow_private {
        return Verdict::ok(found);
    }
    if private < addresses.len() {
        return Verdict::warn(
            found,
            "The private ones are never called: is the name the right one?",
        );
    }
    Verdict::fail(
        found,
        "Private addresses are never called, whatever a job asks for: name the public host",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Light::{Fail, Ok as Good, Warn};

    #[test]
    fn hosts_inside_our_network_are_told() {
        for (addresses, allow, light) in [
            (&[][..], false, Fail),
            (&["93.184.216.34"], false, Good),
            (&["10.0.0.7"], false, Fail),
            (&["10.0.0.7"], true, Good),
            (&["93.184.216.34", "10.0.0.7"], false, Warn),
            (&["::1"], false, Fail),
        ] {
            let parsed: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
            assert_eq!(judge(&parsed, allow).light, light, "{addresses:?} {allow}");
        }
    }
}
