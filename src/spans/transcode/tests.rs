use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message;

use super::*;

fn transcoded(text: &str) -> Vec<ResourceSpans> {
    let mut transcoder = Transcoder::default();
    transcoder.value(text.as_bytes()).unwrap();
    let bytes = transcoder.finish().into_written();
    let request = ExportTraceServiceRequest::decode(&bytes[..]).unwrap();
    assert_eq!(request.encode_to_vec(), bytes, "the bytes are the library's");
    request.resource_spans
}

fn spans(groups: &[ResourceSpans]) -> Vec<&Span> {
    groups.iter().flat_map(|group| &group.scope_spans).flat_map(|scope| &scope.spans).collect()
}

fn shown(attributes: &[KeyValue]) -> String {
    let value = |attribute: &KeyValue| match attribute.value.clone().unwrap().value.unwrap() {
        Value::StringValue(text) => format!("{text:?}"),
        Value::BoolValue(value) => value.to_string(),
        Value::IntValue(value) => value.to_string(),
        Value::DoubleValue(value) => format!("{value:?}"),
        Value::BytesValue(bytes) => format!("{bytes:?}"),
        Value::ArrayValue(array) => format!("{} values", array.values.len()),
        other => format!("{other:?}"),
    };
    let shown: Vec<_> = attributes.iter().map(|one| format!("{}={}", one.key, value(one))).collect();
    shown.join(" ")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const JAEGER: &str = r#"{"data":[{"traceID":"a1","spans":[
  {"traceID":"a1","spanID":"b2","operationName":"GET /","references":[],"startTime":1700000000123456,"duration":2500,
   "flags":3,"tags":[{"key":"span.kind","type":"string","value":"server"},{"key":"error","type":"bool","value":true},
    {"key":"otel.status_description","type":"string","value":"no luck"},{"key":"otel.scope.name","type":"string","value":"lib"},
    {"key":"otel.scope.version","type":"string","value":"1.2"},{"key":"w3c.tracestate","type":"string","value":"k=v"},
    {"key":"n","type":"int64","value":-7},{"key":"big","type":"int64","value":"9223372036854775807"},
    {"key":"f","type":"float64","value":0.5},{"key":"b","type":"bool","value":false},
    {"key":"raw","type":"binary","value":"AAH/"}],
   "logs":[{"timestamp":1700000000124000,"fields":[{"key":"event","type":"string","value":"retry"},
    {"key":"attempt","type":"int64","value":2}]},{"timestamp":1700000000125000,"fields":[{"key":"message","type":"string","value":"m"}]}],
   "processID":"p1","warnings":["clock skew"]},
  {"traceID":"00000000000000a1","spanID":"c3","operationName":"work","startTime":1700000000123500,"duration":10,
   "references":[{"refType":"FOLLOWS_FROM","traceID":"ff","spanID":"01"},{"refType":"FOLLOWS_FROM","traceID":"a1","spanID":"09"},
    {"refType":"CHILD_OF","traceID":"a1","spanID":"b2"}],
   "tags":null,"logs":null,"processID":"p2","warnings":null}],
  "processes":{"p1":{"serviceName":"web","tags":[{"key":"hostname","type":"string","value":"node-1"},
    {"key":"k8s.pod.name","type":"string","value":"web-1"}]},"p2":{"serviceName":"db","tags":[]}},"warnings":null}],
  "total":0,"limit":0,"offset":0,"errors":null}"#;

#[test]
fn nothing_of_a_jaeger_span_is_lost() {
    let groups = transcoded(JAEGER);
    let resource = |at: usize| shown(&groups[at].resource.as_ref().unwrap().attributes);
    assert_eq!(resource(0), r#"service.name="web" k8s.pod.name="web-1" host.name="node-1""#);
    assert_eq!(resource(1), r#"service.name="db""#);
    let scope = groups[0].scope_spans[0].scope.as_ref().unwrap();
    assert_eq!((scope.name.as_str(), scope.version.as_str()), ("lib", "1.2"));
    let all = spans(&groups);
    let (first, second) = (all[0], all[1]);
    assert_eq!(hex(&first.trace_id), format!("{:0>32}", "a1"));
    assert_eq!((hex(&first.span_id), first.parent_span_id.len()), (format!("{:0>16}", "b2"), 0));
    assert_eq!((first.start_time_unix_nano, first.end_time_unix_nano), (1700000000123456000, 1700000000125956000));
    assert_eq!((first.kind, first.flags, first.trace_state.as_str(), first.name.as_str()), (2, 1, "k=v", "GET /"));
    let status = first.status.as_ref().unwrap();
    assert_eq!((status.code, status.message.as_str()), (2, "no luck"));
    let tags = r#"n=-7 big=9223372036854775807 f=0.5 b=false raw=[0, 1, 255] @jaeger@warnings=1 values"#;
    assert_eq!(shown(&first.attributes), tags);
    let events: Vec<_> =
        first.events.iter().map(|e| (e.name.as_str(), e.time_unix_nano, shown(&e.attributes))).collect();
    assert_eq!(
        events,
        [("retry", 1700000000124000000, "attempt=2".to_owned()), ("", 1700000000125000000, "message=\"m\"".to_owned())]
    );
    assert_eq!(hex(&second.parent_span_id), format!("{:0>16}", "b2"));
    let links: Vec<_> = second.links.iter().map(|l| (hex(&l.span_id), shown(&l.attributes))).collect();
    let follows = r#"opentracing.ref_type="follows_from""#.to_owned();
    assert_eq!(links, [(format!("{:0>16}", "01"), follows.clone()), (format!("{:0>16}", "09"), follows)]);
    assert!(second.status.is_none());
}

#[test]
fn jaegers_protobuf_as_json_says_the_same() {
    let groups = transcoded(
        r#"{"spans":[{"traceId":"AAAAAAAAAAAAAAAAAAAAoQ==","spanId":"AAAAAAAAALI=","operationName":"GET /",
        "references":[{"traceId":"AAAAAAAAAAAAAAAAAAAAoQ==","spanId":"AAAAAAAAAAk="}],"flags":1,
        "startTime":"2023-11-14T22:13:20.123456Z","duration":"0.002500s",
        "tags":[{"key":"span.kind","vStr":"server"},{"key":"n","vType":"INT64","vInt64":"-7"},{"key":"no","vType":"BOOL"},
        {"key":"f","vType":"FLOAT64","vFloat64":0.5},{"key":"raw","vType":"BINARY","vBinary":"AAH/"}],
        "logs":[{"timestamp":"2023-11-14T22:13:20.124Z","fields":[{"key":"event","vStr":"retry"}]}],
        "process":{"serviceName":"web","tags":[{"key":"host.name","vStr":"node-1"}]}}]}"#,
    );
    let all = spans(&groups);
    assert_eq!(
        (hex(&all[0].trace_id), hex(&all[0].parent_span_id)),
        (format!("{:0>32}", "a1"), format!("{:0>16}", "9"))
    );
    assert_eq!((all[0].start_time_unix_nano, all[0].end_time_unix_nano), (1700000000123456000, 1700000000125956000));
    assert_eq!(shown(&all[0].attributes), "n=-7 no=false f=0.5 raw=[0, 1, 255]");
    assert_eq!((all[0].kind, all[0].events[0].name.as_str(), all[0].links.len()), (2, "retry", 0));
    assert_eq!(shown(&groups[0].resource.as_ref().unwrap().attributes), r#"service.name="web" host.name="node-1""#);
}

const ZIPKIN: &str = r#"[
  {"traceId":"a1","id":"b2","parentId":"9","kind":"CLIENT","name":"get","timestamp":1700000000123456,"duration":2500,
   "localEndpoint":{"serviceName":"web","ipv4":"10.0.0.1"},"remoteEndpoint":{"serviceName":"db","ipv6":"::1","port":5432},
   "annotations":[{"timestamp":1700000000124000,"value":"wire send"},
    {"timestamp":1700000000124001,"value":"retry|{\"attempt\":2}|1"}],
   "tags":{"error":"timeout","http.path":"/","k8s.pod.name":"web-1","otel.library.name":"lib"}},
  {"traceId":"a1","id":"b2","parentId":"9","kind":"SERVER","shared":true,"name":"query","timestamp":1700000000123500,
   "duration":2000,"localEndpoint":{"serviceName":"db"},"debug":true},
  {"traceId":"00000000000000a1","id":"c3","parentId":"b2","name":"inner","localEndpoint":{"serviceName":"db"},
   "annotations":[{"timestamp":1700000000123700,"value":"x"}],"tags":{"otel.status_code":"OK"}}]"#;

#[test]
fn nothing_of_a_zipkin_span_is_lost() {
    let groups = transcoded(ZIPKIN);
    assert_eq!(shown(&groups[0].resource.as_ref().unwrap().attributes), r#"service.name="web" k8s.pod.name="web-1""#);
    assert_eq!(groups[0].scope_spans[0].scope.as_ref().unwrap().name, "lib");
    let all = spans(&groups);
    let (client, server, inner) = (all[0], all[1], all[2]);
    assert_eq!(hex(&client.trace_id), format!("{:0>32}", "a1"));
    assert_eq!((client.kind, server.kind, inner.kind), (3, 2, 0));
    let attributes = r#"http.path="/" network.local.address="10.0.0.1" network.peer.address="::1" network.peer.port=5432 peer.service="db" zipkin.shared_id="00000000000000b2""#;
    assert_eq!(shown(&client.attributes), attributes);
    let status = |span: &Span| span.status.clone().map(|status| (status.code, status.message));
    assert_eq!(
        (status(client), status(server), status(inner)),
        (Some((2, "timeout".into())), None, Some((1, "".into())))
    );
    let events: Vec<_> = client.events.iter().map(|e| (e.name.as_str(), shown(&e.attributes))).collect();
    assert_eq!(events, [("wire send", String::new()), ("retry", "attempt=2".to_owned())]);
    assert_eq!((server.flags, server.end_time_unix_nano - server.start_time_unix_nano), (1, 2_000_000));
    assert_eq!(inner.start_time_unix_nano, 1700000000123700000);
}

#[test]
fn client_and_server_of_one_zipkin_id_are_two_spans_one_below_the_other() {
    let groups = transcoded(ZIPKIN);
    let all = spans(&groups);
    assert_eq!((hex(&all[1].span_id), &all[2].parent_span_id), (format!("{:0>16}", "b2"), &all[1].span_id));
    assert_ne!(all[0].span_id, all[1].span_id);
    assert_eq!((&all[1].parent_span_id, hex(&all[0].parent_span_id)), (&all[0].span_id, format!("{:0>16}", "9")));
    // Alone, each keeps what it has.
    let alone = transcoded(r#"{"traceId":"a1","id":"b2","kind":"CLIENT","timestamp":1,"localEndpoint":{}}"#);
    assert_eq!(hex(&spans(&alone)[0].span_id), format!("{:0>16}", "b2"));
}

#[test]
fn what_is_around_otlp_is_taken_off() {
    let group = r#"{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"web"}}]},"scopeSpans":[{"spans":[{"traceId":"AAAAAAAAAAAAAAAAAAAAoQ==","spanId":"AAAAAAAAALI=","name":"x"}]}]}"#;
    let expected = transcoded(group);
    assert_eq!(hex(&spans(&expected)[0].trace_id), format!("{:0>32}", "a1"));
    for around in [
        r#"{"resourceSpans":[@]}"#,
        r#"{"batches":[@]}"#,
        r#"{"trace":{"resourceSpans":[@]},"metrics":{}}"#,
        r#"{"trace":{"batches":[@]}}"#,
        r#"{"result":{"resourceSpans":[@]}}"#,
        r#"[{"resourceSpans":[@]}]"#,
    ] {
        assert_eq!(transcoded(&around.replace('@', group)), expected, "{around}");
    }
}

#[test]
fn what_is_no_trace_is_said() {
    let why = |text: &str| Transcoder::default().value(text.as_bytes()).unwrap_err();
    assert_eq!(why(r#"{"traces":[],"metrics":{}}"#), "its keys (traces, metrics) are those of no trace");
    assert!(why(r#"{"traceId":"1","id":"2","binaryAnnotations":[]}"#).contains("/api/v2"));
    assert_eq!(why("7"), "it is no JSON object");
    assert!(why(r#"{"spans":[{"startTime":"soon"}]}"#).contains("not a time"));
}
