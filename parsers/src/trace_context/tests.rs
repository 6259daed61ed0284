use super::*;
use crate::entry::Text;

const T: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const S: &str = "00f067aa0ba902b7";

/// trace/span, then `r` for the caller's span and `l` for 64 bits; `-` for nothing.
fn show(context: TraceContext) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let Some(trace) = context.trace_id else {
        assert_eq!(context, TraceContext::default());
        return "-".into();
    };
    let mut out = hex(&trace);
    if let Some(span) = context.span_id {
        out = format!("{out}/{}", hex(&span));
    }
    if let Some(flags) = context.flags {
        out = format!("{out}/{flags:02x}");
    }
    let marks = [(context.remote_parent, " r"), (context.low64, " l")];
    marks.iter().filter(|(on, _)| *on).fold(out, |out, (_, mark)| out + mark)
}

/// `T` and `S` stand for the usual ids.
fn fill(text: &str) -> String {
    text.replace("<T>", T).replace("<S>", S).replace("<Z32>", &"0".repeat(32)).replace("<Z16>", &"0".repeat(16))
}

#[track_caller]
fn check_text(text: &str, expected: &str) {
    let text = fill(text);
    assert_eq!(show(from_text(text.as_bytes())), fill(expected), "{text}");
}

#[track_caller]
fn check_fields(fields: &[(&str, &str)], expected: &str) {
    let filled: Vec<(&str, String)> = fields.iter().map(|(key, value)| (*key, fill(value))).collect();
    let fields: Vec<Field<'_>> = filled
        .iter()
        .map(|(key, value)| {
            let value = match value.as_bytes() {
                [b'{' | b'[', ..] => Value::Json(Text::Borrowed(value.as_bytes())),
                _ => crate::text::value::unquoted(value.as_bytes()),
            };
            Field { key: Text::Borrowed(key.as_bytes()), value }
        })
        .collect();
    assert_eq!(show(from_fields(&fields)), fill(expected), "{filled:?}");
}

#[test]
fn reads_the_spellings_of_text() {
    for (text, expected) in [
        // E1
        ("GET / traceparent: 00-<T>-<S>-01", "<T>/<S>/01 r"),
        ("\"traceparent\":\"00-<T>-<S>-00\"", "<T>/<S>/00 r"),
        ("[2026-11-23T09:14:51.322Z] \"GET / HTTP/1.1\" 200 \"00-<T>-<S>-01\"", "<T>/<S>/01 r"),
        ("traceparent=cc-<T>-<S>-01-what-the-future", "<T>/<S>/01 r"),
        ("Traceparent:[00-<T>-<S>-01] Accept:[*/*]", "<T>/<S>/01 r"),
        // E2
        ("host:127.0.0.1\ttrace_id:<T>\tspan_id:<S>\ttrace_flags:01", "<T>/<S>/01"),
        (
            "[opentelemetry trace_id=\"102981abcd2901\" span_id=\"abcdef1010\" trace_flags=\"01\"]",
            "000000000000000000102981abcd2901/000000abcdef1010/01 l",
        ),
        // E3
        ("TraceId=<T>, SpanId=<S>", "<T>/<S>"),
        ("traceID: <T> spanID: <S> done", "<T>/<S>"),
        ("trace-id=<T>;span-id=<S>", "<T>/<S>"),
        ("{\"trace\":{\"id\":\"<T>\"},\"span\":{\"id\":\"<S>\"}}", "<T>/<S>"),
        // E4
        (
            "INFO [app] [main.py:3] [trace_id=<T> span_id=<S> resource.service.name=x trace_sampled=True] - hi",
            "<T>/<S>",
        ),
        ("{otelTraceID: <T>, otelSpanID: <S>}", "<T>/<S>"),
        // E5
        ("logging.googleapis.com/trace=projects/my-p/traces/<T> logging.googleapis.com/spanId=<S>", "<T>/<S>"),
        ("X-Cloud-Trace-Context: <T>/74;o=1", "<T>/000000000000004a r"),
        ("x-cloud-trace-context: <T>", "<T>"),
        // E6
        (
            "[dd.service=x dd.env=y dd.trace_id=5983123456789012345 dd.span_id=74] msg",
            "00000000000000005308531581375f79/000000000000004a l",
        ),
        ("dd.trace_id=<T> dd.span_id=18446744073709551615", "<T>/ffffffffffffffff"),
        // E7
        ("b3: <T>-<S>-1", "<T>/<S> r"),
        ("b3=80f198ee56343ba8-<S>-d-05e3ac9a4f6e3b90", "000000000000000080f198ee56343ba8/<S> r l"),
        // E8
        ("X-B3-TraceId: <T>, X-B3-ParentSpanId: 05e3ac9a4f6e3b90, X-B3-SpanId: <S>", "<T>/<S> r"),
        ("x-b3-traceid=80f198ee56343ba8 x-b3-spanid=<S> x-b3-sampled=1", "000000000000000080f198ee56343ba8/<S> r l"),
        // E9
        (
            "uber-trace-id: 51729f13a64c2ef3:258169797d519815:0:1",
            "000000000000000051729f13a64c2ef3/258169797d519815 r l",
        ),
        (
            "uber-trace-id=1729f13a64c2ef3%3A258169797d519815%3A0%3A1",
            "000000000000000001729f13a64c2ef3/258169797d519815 r l",
        ),
        // E10
        (
            "X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
            "5759e988bd862e3fe1be46a994272793/53995c3f42cd8ad8 r",
        ),
        (
            "AWS-XRAY-TRACE-ID: 1-5759e988-bd862e3fe1be46a994272793@53995c3f42cd8ad8",
            "5759e988bd862e3fe1be46a994272793/53995c3f42cd8ad8 r",
        ),
        ("header Root=1-5759e988-bd862e3fe1be46a994272793 seen", "5759e988bd862e3fe1be46a994272793"),
        // E11
        ("trace.id=<T> transaction.id=<S>", "<T>/<S>"),
        ("trace.id=<T> transaction.id=53995c3f42cd8ad8 span.id=<S>", "<T>/<S>"),
        ("trace.id=<T> transaction_id=<S>", "<T>"),
        ("trace_id=<T> transaction.id=<S> transactionId=<S>", "<T>"),
        ("elasticapm_transaction_id=<S> elasticapm_trace_id=<T>", "<T>/<S>"),
        // E12
        ("INFO [orders,<T>,<S>,true] 1 --- [main] c.e.X : hi", "<T>/<S>"),
        ("INFO [orders,80f198ee56343ba8,<S>] 1 --- [main] c.e.X : hi", "000000000000000080f198ee56343ba8/<S> l"),
        // E13
        ("INFO 1 --- [app] [main] [<T>-<S>] c.e.X : hi", "<T>/<S>"),
        // E14
        ("trace_id=<T> span_id=<S> trace_flags=01 - msg", "<T>/<S>/01"),
        // E15
        ("=> SpanId:<S>, TraceId:<T>, ParentId:0000000000000000 => ConnectionId:0HMV", "<T>/<S>"),
        ("{\"@t\":\"x\",\"@tr\":\"<T>\",\"@sp\":\"<S>\"}", "<T>"),
        // E16
        ("operation_Id: <T> operation_ParentId: <S>", "<T>"),
        ("operation_ParentId=<T> operation_Id=<T>", "<T>"),
        ("Request-Id: |<T>.<S>.", "<T>/<S> r"),
        // E18
        ("x-request-id: 7f3c trace_id=<T> span_id=-", "<T>"),
        // E20
        ("trace_id=[75 249 47 53 119 179 77 166 163 206 146 157 14 14 71 54]", "<T>"),
        ("trace_id <T> span_id <S>", "<T>/<S>"),
        // E21
        ("trace_id: <T> span_id: <S> router{", "<T>/<S>"),
        // E24
        ("hi NR-LINKING|MTIz|host|<T>|<S>|name|", "<T>/<S>"),
        // E25
        ("ot-tracer-traceid: 80f198ee56343ba8 ot-tracer-spanid: <S>", "000000000000000080f198ee56343ba8/<S> r l"),
        // E28, E29, E30, E31, E33
        ("trace_id: \"S/kvNXezTaajzpKdDg5HNg==\" span_id: \"APBnqgupArc=\"", "<T>/<S>"),
        ("trace_id=100985939111033328018442752961257817910", "<T>"),
        ("traceId=4bf92f35-77b3-4da6-a3ce-929d0e0e4736", "<T>"),
        ("http_requests_total 1 # {trace_id=\"<T>\",span_id=\"<S>\"} 1", "<T>/<S>"),
        ("\"Sync\" trace=\"<T>\" span=\"<S>\"", "<T>/<S>"),
        ("TRACE_ID=4BF92F3577B34DA6A3CE929D0E0E4736 SPAN_ID=00F067AA0BA902B7", "<T>/<S>"),
        ("msg={\\\"trace_id\\\":\\\"<T>\\\",\\\"span_id\\\":\\\"<S>\\\"}", "<T>/<S>"),
    ] {
        check_text(text, expected);
    }
}

#[test]
fn leaves_what_only_looks_like_an_id() {
    for text in [
        "",
        "nothing here",
        "traceparent: 00-<Z32>-<S>-01",
        "traceparent: 00-<T>-<Z16>-01",
        "traceparent: ff-<T>-<S>-01",
        "traceparent: 00-<T>-<S>-01-more",
        "traceparent: 00-<T>-<S>",
        "trace_id=<Z32> span_id=<Z16>",
        "trace_id= span_id= trace_flags=",
        "[trace_id=0 span_id=0 trace_sampled=False]",
        "otelTraceID=0",
        "trace_id=12345678 order=7",
        "trace_id=<T>00",
        "trace_id=<T>g",
        "trace_id=x<T>",
        "trace.id=abc transaction.id=abc",
        "X-Cloud-Trace-Context: abc/74",
        "dd.trace_id=18446744073709551616 dd.span_id=1",
        "dd.trace_id=0 dd.span_id=0",
        "b3: 0",
        "b3: 1",
        "b3: <T>",
        "b3: 80f198ee56343ba8-00f067aa0ba902-1",
        "uber-trace-id: 0:258169797d519815:0:1",
        "uber-trace-id: 51729f13a64c2ef3:258169797d519815",
        "X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a99427279;Parent=53995c3f42cd8ad8",
        "INFO [orders,,] 1 --- [main] c.e.X : hi",
        "INFO [orders,,,] 1 --- [main] c.e.X : hi",
        "INFO 1 --- [app] [main] [                                                 ] c.e.X : hi",
        "request_id=<T>",
        "RequestId: <T>, ConnectionId: <S>",
        "Request-Id: |7dd5.1.2.",
        "md5=<T> etag=<T>",
        "id=bfcad3aee0c46b65",
        "container 298582c65d5e68d30093f220c897381e1b08fdd75e88ddbc28671a271827b8f3 gone",
        "trace_id=298582c65d5e68d30093f220c897381e1b08fdd75e88ddbc28671a271827b8f3",
        "span_id=<S>",
        "parent_span_id=<S> parentSpanId=<S>",
        "backtrace: <T>",
        "stack trace_id_list: none",
        "trace_id=[75 249 47 53 119 179 77 166 163 206 146 157 14 14 71]",
        "trace_id=[75 249 47 53 119 179 77 166 163 206 146 157 14 14 71 256]",
        "[TID: 1f2e3d4c5b6a79881f2e3d4c5b6a7988.41.17]",
        "trace_id=340282366920938463463374607431768211456",
        "NR-LINKING|MTIz|host|||name|",
        "trace: starting 5 traces",
        "x,<T>,<S>,y",
        "operation_Id: <T>",
        "operation_id=<T> parent=<S>",
        "operationId=3f2504e0-4f89-11d3-9a0c-0305e82c3301 operation_ParentId=<S>",
        "transaction_id=<S> transaction.id=<S>",
        "trace=deadbeef01 span=20231011",
        "trace=20231011123456789",
        "span=2h trace=on",
        "tracestate=<T> traces=<T>",
        "10.0.0.1 - - [22/Aug/2026:10:15:14 +0000] \"GET / HTTP/1.1\" 200 1 <T> <S>",
    ] {
        check_text(text, "-");
    }
}

#[test]
fn reads_the_spellings_of_fields() {
    for (fields, expected) in [
        (&[("traceparent", "00-<T>-<S>-01")][..], "<T>/<S>/01 r"),
        (&[("trace_id", "<T>"), ("span_id", "<S>"), ("trace_flags", "01")], "<T>/<S>/01"),
        (&[("traceId", "<T>"), ("spanId", "<S>")], "<T>/<S>"),
        (&[("TraceID", "<T>"), ("SPAN-ID", "<S>")], "<T>/<S>"),
        (&[("trace", "{\"id\":\"<T>\"}"), ("span", "{\"id\":\"<S>\"}")], "<T>/<S>"),
        (&[("otelTraceID", "<T>"), ("otelSpanID", "<S>"), ("otelTraceSampled", "true")], "<T>/<S>"),
        (
            &[("logging.googleapis.com/trace", "projects/p/traces/<T>"), ("logging.googleapis.com/spanId", "<S>")],
            "<T>/<S>",
        ),
        (&[("trace", "<T>"), ("spanId", "<S>"), ("traceSampled", "true")], "<T>/<S>"),
        (&[("X-Cloud-Trace-Context", "<T>/74;o=1")], "<T>/000000000000004a r"),
        (
            &[("dd.trace_id", "5983123456789012345"), ("dd.span_id", "74")],
            "00000000000000005308531581375f79/000000000000004a l",
        ),
        (&[("dd", "{\"trace_id\":\"<T>\",\"span_id\":\"74\"}")], "<T>/000000000000004a"),
        (&[("b3", "<T>-<S>-1")], "<T>/<S> r"),
        (&[("X-B3-TraceId", "<T>"), ("X-B3-SpanId", "<S>"), ("X-B3-ParentSpanId", "53995c3f42cd8ad8")], "<T>/<S> r"),
        (
            &[("uber-trace-id", "51729f13a64c2ef3:258169797d519815:0:1")],
            "000000000000000051729f13a64c2ef3/258169797d519815 r l",
        ),
        (&[("xray_trace_id", "1-5759e988-bd862e3fe1be46a994272793")], "5759e988bd862e3fe1be46a994272793"),
        (&[("trace.id", "<T>"), ("transaction.id", "53995c3f42cd8ad8")], "<T>/53995c3f42cd8ad8"),
        (&[("trace.id", "<T>"), ("transaction.id", "53995c3f42cd8ad8"), ("span.id", "<S>")], "<T>/<S>"),
        (
            &[("Scopes", "[{\"Message\":\"a\",\"SpanId\":\"<S>\",\"TraceId\":\"<T>\",\"ParentId\":\"<Z16>\"}]")],
            "<T>/<S>",
        ),
        (&[("@tr", "<T>"), ("@sp", "<S>")], "<T>/<S>"),
        (&[("operation_Id", "<T>"), ("operation_ParentId", "<S>")], "<T>"),
        (&[("Request-Id", "|<T>.<S>.")], "<T>/<S> r"),
        (&[("trace_id", "{\"w3c\":\"<T>\"}")], "<T>"),
        (&[("trace_id", "[75,249,47,53,119,179,77,166,163,206,146,157,14,14,71,54]")], "<T>"),
        (
            &[(
                "spans",
                "[{\"name\":\"a\",\"trace_id\":\"<T>\",\"span_id\":\"53995c3f42cd8ad8\"},{\"trace_id\":\"<T>\",\"span_id\":\"<S>\"}]",
            )],
            "<T>/<S>",
        ),
        (&[("extra", "{\"trace_id\":\"<T>\"}"), ("context", "{\"a\":{},\"span_id\":\"<S>\"}")], "<T>/<S>"),
        (&[("contextMap", "{\"trace_id\":\"<T>\",\"span_id\":\"<S>\"}")], "<T>/<S>"),
        (
            &[("ot-tracer-traceid", "80f198ee56343ba8"), ("ot-tracer-spanid", "<S>")],
            "000000000000000080f198ee56343ba8/<S> r l",
        ),
        (&[("grpc-trace-bin", "AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE")], "<T>/<S>/01 r"),
        (&[("traceId", "S/kvNXezTaajzpKdDg5HNg=="), ("spanId", "APBnqgupArc=")], "<T>/<S>"),
        (&[("trace_id", "100985939111033328018442752961257817910"), ("span_id", "67667974448284343")], "<T>/<S>"),
        (&[("trace_id", "4bf92f35-77b3-4da6-a3ce-929d0e0e4736")], "<T>"),
        (&[("trace", "<T>"), ("span", "<S>")], "<T>/<S>"),
        (&[("trace_id", "<T>"), ("transaction_id", "20231011")], "<T>"),
        (&[("trace_id", "<T>"), ("transactionId", "<S>")], "<T>"),
        (&[("trace_id", "<T>"), ("transaction.id", "<S>")], "<T>"),
        (&[("trace", "{\"id\":\"<T>\"}"), ("transaction", "{\"id\":\"<S>\"}")], "<T>/<S>"),
        (&[("ElasticApmTraceId", "<T>"), ("ElasticApmTransactionId", "<S>")], "<T>/<S>"),
        (&[("operation_Id", "<T>"), ("operation_ParentId", "|<T>.<S>.")], "<T>/<S> r"),
        (&[("trace_id", "\u{1b}[36m<T>\u{1b}[0m")], "<T>"),
        (&[("message", "{\"level\":\"info\",\"context\":\"{\\\"trace_id\\\":\\\"<T>\\\"}\"}")], "<T>"),
        (&[("headers", "{\"Traceparent\":[\"00-<T>-<S>-01\"]}")], "<T>/<S>/01 r"),
        (&[("traceparent", "00-<T>-53995c3f42cd8ad8-01"), ("trace_id", "<T>"), ("span_id", "<S>")], "<T>/<S>"),
        (&[("mdc", "{\"a\":{\"trace_id\":\"<Z32>\"},\"context\":{\"fields\":{\"trace_id\":\"<T>\"}}}")], "<T>"),
    ] {
        check_fields(fields, expected);
    }
}

#[test]
fn leaves_other_fields() {
    for fields in [
        &[("request_id", "<T>"), ("md5", "<T>"), ("uid", "<T>")][..],
        &[("RequestId", "<T>"), ("ConnectionId", "<S>")],
        &[("trace_id", "0"), ("span_id", "0")],
        &[("operation_Id", "<T>")],
        &[("operationId", "3f2504e0-4f89-11d3-9a0c-0305e82c3301"), ("operation_ParentId", "<S>")],
        &[("operation_id", "deadbeef01"), ("operation_parent", "<S>")],
        &[("transaction.id", "<S>"), ("transaction", "{\"id\":\"<S>\"}")],
        &[("trace", "deadbeef01"), ("span", "20231011")],
        &[("trace", "18446744073709551615"), ("span", "67667974448284343")],
        &[("trace", "true"), ("span", "12ms")],
        &[("correlation_id", "<T>"), ("session_id", "<T>"), ("transaction_id", "<T>")],
        &[("trace_id", ""), ("span_id", "")],
        &[("trace_id", "<Z32>"), ("span_id", "<S>")],
        &[("parent_span_id", "<S>")],
        &[("span", "{\"name\":\"x\"}")],
        &[("user", "{\"trace_id\":\"<T>\"}")],
        &[("trace_id", "5"), ("trace_id", "null")],
        &[("grpc-trace-bin", "AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3")],
        &[("mdc", "{\"a\":{\"b\":{\"c\":{\"trace_id\":\"<T>\"}}}}")],
        &[("labels", "{\"fields\":{\"context\":{\"extra\":{\"otel\":{\"trace_id\":\"<T>\"}}}}}")],
        &[("traceable", "<T>"), ("retrace", "<T>")],
        &[("traceId", "AAAAAAAAAAAAAAAAAAAAAA==")],
    ] {
        check_fields(fields, "-");
    }
}

#[test]
fn bare_tokens_have_boundaries() {
    let text = fill(
        "a=<T>, <S>;298582c65d5e68d30093f220c897381e1b08fdd75e88ddbc28671a271827b8f3 x<T> <T>g <Z32> 00-<T>-<S>-01",
    );
    let tokens: Vec<(usize, bool)> =
        hex_tokens(text.as_bytes()).map(|token| (token.at, matches!(token.id, HexId::Trace(_)))).collect();
    let w3c = text.find("00-4bf").expect("stands there") + 3;
    assert_eq!(tokens, [(2, true), (36, false), (w3c, true), (w3c + 33, false)]);
}

#[test]
fn a_run_is_found_at_any_place() {
    for before in 0..40 {
        for len in 14..36 {
            let text = format!("{}{}-", "-".repeat(before), "a".repeat(len));
            let runs: Vec<_> = tokens::HexRuns::new(text.as_bytes()).collect();
            let expected = if len >= 16 { vec![(before, before + len)] } else { vec![] };
            assert_eq!(runs, expected, "{text}");
        }
    }
}

/// Where a byte is looked at once for each before it, each of these takes hours.
#[test]
fn hostile_text_takes_no_longer_than_its_length() {
    for text in
        ["trace".repeat(200_000), "[".repeat(1_000_000), "{\"dd\":".repeat(150_000), "aaaaaaaaaaaaaaaa,".repeat(60_000)]
    {
        from_text(text.as_bytes());
        from_fields(&[Field { key: Text::Borrowed(b"dd"), value: Value::Json(Text::Borrowed(text.as_bytes())) }]);
        assert!(hex_tokens(text.as_bytes()).count() <= 60_000);
    }
}

proptest::proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300), cut in 0usize..400) {
        let _ = from_text(&bytes);
        let _ = hex_tokens(&bytes).count();
        nested::value(b"dd", &bytes, &mut Found::default());
        for text in ["trace_id=[75 249 47 \"trace\":{\"id\":\"<T>\" traceparent: 00-<T>-<S>-01 b3: <T>-<S>-1", "X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8 NR-LINKING|a|b|<T>|<S>| [a,<T>,<S>,true]"] {
            let text = fill(text);
            let cut = cut.min(text.len());
            let _ = from_text(&text.as_bytes()[..cut]);
            let _ = from_text(&text.as_bytes()[cut..]);
        }
    }
}
