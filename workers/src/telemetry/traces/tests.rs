use super::*;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn settings(sample_permille: u16) -> Telemetry {
    let otlp_url = Some("http://127.0.0.1:1/v1/traces".to_owned());
    Telemetry { otlp_url, sample_permille, spans_max: 64 }
}

fn traces(sample_permille: u16) -> Traces {
    Traces::new(&settings(sample_permille), Uuid::nil(), &Chance::seeded(1)).expect("builds")
}

#[test]
fn without_a_collector_no_span_begins_and_no_place_is_made_up() {
    let off = Telemetry { otlp_url: None, ..settings(1_000) };
    let off = Traces::new(&off, Uuid::nil(), &Chance::seeded(1)).expect("builds");
    let parent = TraceContext::read(PARENT, None);
    assert!(!off.is_on());
    assert_eq!(off.begin(Step::Admit, parent.as_ref()).context(), None);
    assert!(off.start_exporting().is_none());
}

#[test]
fn a_span_has_its_own_place_in_the_trace_of_its_parent() {
    let parent = TraceContext::read(PARENT, Some("a=1")).expect("good");
    let place = traces(0).begin(Step::Admit, Some(&parent)).context().expect("tracing is on");
    assert_eq!(place.trace_id(), parent.trace_id());
    assert_ne!(place.span_id(), parent.span_id());
    assert!(place.is_sampled(), "who began the trace has decided");
    assert_eq!(place.state(), Some("a=1"));
}

#[test]
fn whether_a_trace_of_our_own_is_exported_is_drawn() {
    let count = |permille| {
        let traces = traces(permille);
        let roots = (0..400).filter_map(|_| traces.begin(Step::Admit, None).context());
        roots.filter(TraceContext::is_sampled).count()
    };
    assert_eq!((count(0), count(1_000)), (0, 400));
    assert!((20..380).contains(&count(500)));
}

#[tokio::test]
async fn a_full_queue_drops_spans_and_holds_nobody_up() {
    let traces = traces(1_000);
    for _ in 0..200 {
        drop(traces.begin(Step::Call, None));
    }
    let export = traces.tracing.as_ref().expect("on").export.lock().expect("alone").take();
    assert_eq!(export.expect("not started").queue.len(), 64);
}

#[tokio::test]
async fn an_unreachable_collector_does_not_keep_the_process() {
    let traces = traces(1_000);
    drop(traces.begin(Step::Call, None));
    let exporting = traces.start_exporting().expect("on");
    assert!(traces.start_exporting().is_none(), "one export is enough");
    tokio::time::timeout(FLUSH_LIMIT * 3, exporting.finish()).await.expect("ends");
}
