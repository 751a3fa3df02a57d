//! Where callbacks may go: hosts of the allow-list, and public addresses.
//!
//! A host of the list could still be pointed at an address inside our network, so names are resolved
//! here and private addresses are left out before a connection is made.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use adapters::transport::http::install_tls;
use contracts::{code, code::Code};
use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

use crate::config::Callbacks;

/// A client that follows nothing and reaches no private address unless it may.
#[expect(clippy::disallowed_methods, reason = "addresses come from jobs: the limits stand here")]
pub(super) fn client(settings: &Callbacks) -> Result<reqwest::Client, reqwest::Error> {
    install_tls();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("aleumet-hub/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(super::CALL_LIMIT)
        .redirect(reqwest::redirect::Policy::none()) // a redirect would leave the allow-list
        .retry(reqwest::retry::never()) // tries are counted in the database
        .referer(false)
        .no_proxy()
        .http1_only();
    if !settings.allow_private {
        builder = builder.dns_resolver(Arc::new(PublicOnly));
    }
    if settings.hosts.is_empty() {
        // Nothing will be sent: no need to find the machine's roots, which may have none.
        builder = builder.tls_certs_only([]);
    }
    builder.build()
}

/// The address to call, or why it may not be called.
pub(super) fn check(settings: &Callbacks, text: &str) -> Result<Url, Code> {
    let url = Url::parse(text).map_err(|_| code!("not_a_url"))?;
    let secure = match url.scheme() {
        "https" => true,
        "http" => false,
        _ => return Err(code!("not_a_url")),
    };
    let host = url.host_str().ok_or(code!("not_a_url"))?;
    if !settings.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)) {
        return Err(code!("host_not_allowed"));
    }
    // Without TLS only inside: the same setting that opens private addresses.
    if !secure && !settings.allow_private {
        return Err(code!("not_https"));
    }
    let literal: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    if literal.is_some_and(|ip| is_private(ip) && !settings.allow_private) {
        return Err(code!("address_not_allowed"));
    }
    Ok(url)
}

/// Whether an address belongs to a network that is not everybody's.
pub(crate) fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || v4.is_documentation()
                || a == 0
                || (a == 100 && (64..128).contains(&b)) // carrier-grade NAT
                || (a == 198 && (18..20).contains(&b)) // benchmarks
                || a >= 240
        }
        IpAddr::V6(v6) => {
            if let Some(v4) = v6.to_ipv4_mapped() {
                return is_private(IpAddr::V4(v4));
            }
            let first = v6.segments()[0];
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || (first & 0xfe00) == 0xfc00 // unique local
                || (first & 0xffc0) == 0xfe80 // link local
                || first == 0x2002 // 6to4: may hide any address
                || (first == 0x64 && v6.segments()[1] == 0xff9b) // NAT64
        }
    }
}

/// Resolves names by the system, and keeps public addresses only.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|at| !is_private(at.ip())).collect();
            if public.is_empty() {
                return Err("no public address".into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
