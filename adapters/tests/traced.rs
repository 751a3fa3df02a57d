//! What a government gateway hears of a trace: nothing, unless whoever calls says so.

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use adapters::{
        settings::Settings,
        transport::http::{Client, traced},
    };
    use axum::{Router, http::HeaderMap, routing::get};
    use contracts::trace::TraceContext;

    /// Says which headers of a trace came.
    async fn say(headers: HeaderMap) -> String {
        let of = |name: &str| headers.get(name).map_or("none", |value| value.to_str().unwrap());
        format!("{} {}", of("traceparent"), of("tracestate"))
    }

    #[tokio::test]
    async fn a_request_names_its_trace_inside_traced_and_nowhere_else() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let app = Router::new().route("/said", get(say));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let client = Client::new("gbdfl", &Settings::for_url(&url)).unwrap();
        let ask = async || {
            let limit = Duration::from_secs(30);
            let answer = client.get(&["said"], &HeaderMap::new(), limit).await.unwrap();
            String::from_utf8(answer.body.to_vec()).unwrap()
        };
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = TraceContext::read(parent, Some("portal=secret")).unwrap();
        assert_eq!(ask().await, "none none");
        assert_eq!(traced(&context, ask()).await, format!("{parent} none"));
        assert_eq!(ask().await, "none none", "a trace ends with its attempt");
    }
}
