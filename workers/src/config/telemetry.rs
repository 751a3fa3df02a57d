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
    let told = r.optional(KEY).or_else(|| r.otlp_endpoint());
    let otlp_url = told.filter(|url| !url.trim().is_empty()).and_then(|url| {
        let url = url.trim().trim_end_matches('/').to_owned();
        let begins = url.starts_with("http://") || url.starts_with("https://");
        if !begins || url.contains('@') {
            let expected = "a URL that begins with http:// or https://, without a user; \
                            OTEL_EXPORTER_OTLP_HEADERS may hold a token";
            let shown = if url.contains('@') { "(hidden)" } else { &url };
            return r.problem(KEY, shown, expected, None);
        }
        Some(format!("{url}{TRACES_PATH}"))
    });
    Telemetry {
        otlp_url,
        sample_permille: u16::try_from(r.number("telemetry.sample_permille", 1_000, 0..=1_000))
            .unwrap_or(1_000),
        spans_max: r.size("telemetry.spans_max", 8_192, 64..=1 << 20),
    }
}
