use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::prelude::*;
use prost::Message as _;

use super::*;

const SPAN: &str = r#"{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","traceState":"k=v","parentSpanId":"","flags":257,"name":"a\tb","kind":2,"startTimeUnixNano":"3000","endTimeUnixNano":"2000","attributes":[{"key":"x","value":{"stringValue":"\u00e9"}},{"key":"y","value":{"stringValue":"plain"}},{"key":"n","value":{"intValue":"-5"}},{"key":"m","value":{"intValue":"5"}},{"key":"d","value":{"doubleValue":1.5}},{"key":"b","value":{"boolValue":true}},{"key":"e","value":{}},{"key":"l","value":{"arrayValue":{"values":[{"stringValue":"1"},{"intValue":"2"}]}}},{"key":"o","value":{"kvlistValue":{"values":[{"key":"i","value":{"bytesValue":"AAH/"}}]}}}],"droppedAttributesCount":1,"events":[{"timeUnixNano":"7","name":"m","attributes":[{"key":"level","value":{"stringValue":"info"}}],"droppedAttributesCount":1},{"timeUnixNano":"8","name":"second","attributes":[],"droppedAttributesCount":0}],"droppedEventsCount":2,"links":[{"traceId":"5bf92f3577b34da6a3ce929d0e0e4736","spanId":"10f067aa0ba902b7","traceState":"","attributes":[{"key":"k","value":{"intValue":"0"}}],"droppedAttributesCount":0,"flags":1}],"droppedLinksCount":3,"status":{"message":"no \u0022net\"","code":2}}"#;

fn whole(span: &str) -> String {
    format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"a"}}}}],"droppedAttributesCount":0,"entityRefs":[]}},"scopeSpans":[{{"scope":{{"name":"s","version":"1","attributes":[],"droppedAttributesCount":0}},"spans":[{span},{span}],"schemaUrl":"u"}}],"schemaUrl":"v"}}]}}"#
    )
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Buffer::default();
    out.put(b"before");
    let read = request(text.as_bytes(), &mut out);
    let written = out.into_written().split_off(6);
    assert!(read.is_ok() || written.is_empty(), "nothing is left of what cannot be read");
    read.map(|()| written)
}

#[test]
fn the_bytes_are_those_of_the_library() {
    let text = whole(SPAN);
    let expected: ExportTraceServiceRequest = serde_json::from_str(&text).unwrap();
    assert_eq!(bytes(&text).unwrap(), expected.encode_to_vec());
    // However it is laid out, and in whatever order its members are.
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(bytes(&serde_json::to_string_pretty(&value).unwrap()).unwrap(), expected.encode_to_vec());
}

#[test]
fn logs_are_those_of_the_library_too() {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    let record = r#"{"timeUnixNano":"3000","observedTimeUnixNano":"4000","severityNumber":13,"severityText":"warn","body":{"kvlistValue":{"values":[{"key":"message","value":{"stringValue":"\u00e9"}}]}},"attributes":[{"key":"n","value":{"intValue":"-5"}}],"droppedAttributesCount":2,"flags":1,"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","eventName":"e"}"#;
    let text = format!(
        r#"{{"resourceLogs":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"a"}}}}],"droppedAttributesCount":0,"entityRefs":[]}},"scopeLogs":[{{"scope":{{"name":"s","version":"1","attributes":[],"droppedAttributesCount":0}},"logRecords":[{record},{record}],"schemaUrl":"u"}}],"schemaUrl":"v"}}]}}"#
    );
    let expected: ExportLogsServiceRequest = serde_json::from_str(&text).unwrap();
    let read = |text: &str| {
        let mut out = Buffer::default();
        logs_request(text.as_bytes(), &mut out).map(|()| out.into_written())
    };
    assert_eq!(read(&text).unwrap(), expected.encode_to_vec());
    for (usual, other) in [
        ("\"severityNumber\":13", "\"severity_number\":\"SEVERITY_NUMBER_WARN\""),
        ("\"eventName\":\"e\"", "\"eventName\":\"e\",\"new\":[1]"),
    ] {
        assert_eq!(read(&text.replace(usual, other)).unwrap(), expected.encode_to_vec(), "{other}");
    }
    assert!(read(&text.replace("[{\"key\":\"n\"", "[5,{\"key\":\"n\"")).is_err());
}

#[test]
fn other_spellings_say_the_same() {
    let expected = bytes(&whole(SPAN)).unwrap();
    for (usual, other) in [
        ("\"traceId\"", "\"trace_id\""),
        ("\"traceId\"", "\"trac\\u0065Id\""),
        ("\"startTimeUnixNano\":\"3000\"", "\"start_time_unix_nano\":3000"),
        ("\"startTimeUnixNano\":\"3000\"", "\"startTimeUnixNano\":3e3"),
        ("\"kind\":2", "\"kind\":\"SPAN_KIND_SERVER\""),
        ("\"kind\":2", "\"kind\":2.0"),
        ("\"kind\":2", "\"kind\":\"2\""),
        ("\"parentSpanId\":\"\"", "\"parentSpanId\":null"),
        ("\"parentSpanId\":\"\",", ""),
        ("4bf92f3577b34da6a3ce929d0e0e4736", "4BF92F3577B34DA6A3CE929D0E0E4736"),
        ("\"4bf92f3577b34da6a3ce929d0e0e4736\"", "\"S/kvNXezTaajzpKdDg5HNg==\""),
        ("\"4bf92f3577b34da6a3ce929d0e0e4736\"", "\"S/kvNXezTaajzpKdDg5HNg\""),
        ("\"00f067aa0ba902b7\"", "\"APBnqgupArc=\""),
        ("\"intValue\":\"-5\"", "\"int_value\":\"-5\""),
        ("\"intValue\":\"-5\"", "\"intValue\":-5"),
        ("\"intValue\":\"-5\"", "\"stringValue\":\"x\",\"intValue\":\"-5\""),
        ("{\"key\":\"m\",\"value\":{\"intValue\":\"5\"}}", "{\"value\":{\"intValue\":5},\"key\":\"m\"}"),
        ("\"flags\":257", "\"flags\":7,\"flags\":\"257\""),
        ("\"flags\":257", "\"flags\":257,\"attributes\":[{\"key\":\"lost\"}],\"name\":\"lost\""),
        ("\"name\":\"a\\tb\"", "\"name\":\"lost\",\"name\":null,\"name\":\"a\\tb\""),
        ("\"code\":2", "\"code\":\"STATUS_CODE_ERROR\""),
        ("\"status\":{", "\"new\":{\"deep\":[[[{}]]]},\"status\":{"),
        ("\"attributes\":[],\"droppedAttributesCount\":0,\"flags\":1", "\"flags\":1"),
        ("\"attributes\":[],\"droppedAttributesCount\":0}", "\"attributes\":null}"),
        ("\"resourceSpans\":[", "\"batches\":[],\"resource_spans\":["),
        ("\"scopeSpans\":[", "\"instrumentationLibrarySpans\":["),
        ("\"scope\":{", "\"instrumentationLibrary\":{"),
        ("\"schemaUrl\":\"v\"", "\"schema_url\":\"v\",\"scopeSpans\":null"),
    ] {
        let text = whole(SPAN).replace(usual, other);
        assert_eq!(bytes(&text).map_err(|why| format!("{why}: {other}")), Ok(expected.clone()), "{other}");
    }
    for around in [r#"{"result":@}"#, r#"{"trace":@,"metrics":{}}"#] {
        assert_eq!(bytes(&around.replace('@', &whole(SPAN))).unwrap(), expected, "{around}");
    }
    let twice = whole(SPAN).replace("\"scopeSpans\":[", "\"scopeSpans\":[{\"spans\":[{}]}],\"scope_spans\":[");
    let request = ExportTraceServiceRequest::decode(&bytes(&twice).unwrap()[..]).unwrap();
    assert_eq!(request.resource_spans[0].scope_spans.len(), 2, "lists that come in parts are one");
}

#[test]
fn what_is_out_of_range_or_malformed_is_the_default() {
    let text = whole(SPAN)
        .replace("4bf92f3577b34da6a3ce929d0e0e4736", "no id")
        .replace("00f067aa0ba902b7", "0")
        .replace("\"kind\":2", "\"kind\":5000000000")
        .replace("\"-5\"", "99999999999999999999")
        .replace("AAH/", "?");
    let request = ExportTraceServiceRequest::decode(&bytes(&text).unwrap()[..]).unwrap();
    let span = &request.resource_spans[0].scope_spans[0].spans[1];
    assert_eq!((span.trace_id.len(), span.span_id.len(), span.kind, span.start_time_unix_nano), (0, 0, 0, 3000));
    let shown = format!("{:?}", span.attributes);
    assert!(shown.contains("IntValue(0)") && shown.contains("BytesValue([])"), "{shown}");
}

#[test]
fn what_cannot_be_read_is_said() {
    for (text, why) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{\"resourceSpans\":[", "EOF while parsing a list at line 1 column 18"),
        ("{}x", "trailing characters at line 1 column 3"),
        ("[]", "invalid type: sequence, expected an export request at line 1 column 1"),
        ("{\"resourceSpans\":\n 7 }", "invalid type: `7`, expected a list at line 2 column 2"),
        ("{\"resourceSpans\":[[]]}", "invalid type: sequence, expected spans of a resource at line 1 column 19"),
        ("{\"resourceSpans\":[{\"schemaUrl\":{}}]}", "invalid type: map, expected text at line 1 column 32"),
        (
            "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"kind\":\"x\"}]}]}]}",
            "invalid type: text, expected a number at line 1 column 52",
        ),
    ] {
        assert_eq!(bytes(text).unwrap_err(), why, "{text}");
    }
    let deep = format!(
        "{{\"resourceSpans\":[{{\"resource\":{{\"attributes\":[{}",
        "{\"value\":{\"arrayValue\":{\"values\":[".repeat(40)
    );
    assert!(bytes(&deep).is_err());
    assert!(request(b"{\"x\":\"\xff\"}", &mut Buffer::default()).is_err());
    let whole = whole(SPAN);
    for end in 0..whole.len() {
        assert!(!whole.is_char_boundary(end) || bytes(&whole[..end]).is_err());
    }
}

/// The common shape of an attribute is read by a way of its own: it leaves out what the general one does.
#[test]
fn an_attribute_without_a_key_is_written_as_the_library_does() {
    for value in ["{\"stringValue\":\"\"}", "{\"stringValue\":\"x\"}", "{\"intValue\":\"0\"}", "{\"intValue\":5}"] {
        let text = whole(SPAN)
            .replace("\"key\":\"m\",\"value\":{\"intValue\":\"5\"}", &format!("\"key\":\"\",\"value\":{value}"));
        let bytes = bytes(&text).unwrap();
        let request = ExportTraceServiceRequest::decode(&bytes[..]).unwrap();
        assert!(request.resource_spans[0].scope_spans[0].spans[0].attributes.iter().any(|pair| pair.key.is_empty()));
        assert_eq!(request.encode_to_vec(), bytes, "{value}");
    }
}

proptest! {
    /// Whatever was done to a request: what is read is JSON, and its bytes are a request as the library writes it.
    #[test]
    fn what_is_read_is_json_and_gives_a_request(edits in proptest::collection::vec((any::<prop::sample::Index>(), "[\"\\\\{}\\[\\],:0-9a-e_ -]{0,2}"), 1..3)) {
        let mut text = whole(SPAN);
        for (at, with) in edits {
            let at = at.index(text.len());
            text.replace_range(at..=at, &with);
        }
        if let Ok(bytes) = bytes(&text) {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
            let request = ExportTraceServiceRequest::decode(&bytes[..]).unwrap();
            prop_assert_eq!(request.encode_to_vec(), bytes, "{}", text);
        }
    }
}
