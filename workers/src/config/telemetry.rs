//! Where traces go: `[telemetry]`. Without an address nothing is traced.

use super::reader::Reader;

const KEY: &str = "telemetry.otlp_endpoint";
/// Where the collector takes traces, below its address (OTLP/HTTP).
const TRACES_PATH: &str = "/v1/traces";

/// Where traces go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// The URL that takes spans, from `telemetry.otlp_endpoint` or `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub otlp_url: Option<String>,
    /// Of a thousand traces that begin here, how many are exported. Whoever began a trace elsewhere
    /// has decided already.
    pub sample_permille: u16,
    /// Spans that wait for the collector; more are dropped and counted.
    pub spans_max: usize,
}

pub(super) fn read(r: &mut Reader) -> Telemetry {
    let otlp_url = match r.optional(KEY) {
        Some(told) if told.trim().is_empty() => None,
        Some(told) => traces_url(&told).or_else(|| {
            let expected = "a URL that begins with http:// or https://, without a user; \
                            OTEL_EXPORTER_OTLP_HEADERS may hold a token";
            let shown = if told.contains(['@', '?']) { "(hidden)" } else { &told };
            r.problem(KEY, shown, expected, None)
        }),
        // What is meant for every program of a machine must not stop this one.
        None => r.otlp_endpoint().filter(|told| !told.trim().is_empty()).and_then(|told| {
            let url = traces_url(&told);
            if url.is_none() {
                tracing::warn!(
                    "OTEL_EXPORTER_OTLP_ENDPOINT is no URL for OTLP/HTTP: nothing is traced"
                );
            }
            url
        }),
    };
    Telemetry {
        otlp_url,
        sample_permille: u16::try_from(r.number("telemetry.sample_permille", 1_000, 0..=1_000))
            .unwrap_or(1_000),
        spans_max: r.size("telemetry.spans_max", 8_192, 64..=1 << 20),
    }
}

/// Where spans are posted, below this address.
fn traces_url(told: &str) -> Option<String> {
    let url = told.trim().trim_end_matches('/');
    let begins = url.starts_with("http://") || url.starts_with("https://");
    (begins && !url.contains('@')).then(|| format!("{url}{TRACES_PATH}"))
}
