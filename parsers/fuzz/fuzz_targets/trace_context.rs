//! Any bytes as text and as a field's value: what is found is never all zero, and tokens lie where they are said to.
#![cfg_attr(fuzzing, no_main)]

use spanline_parsers::trace_context::{from_fields, from_text, hex_tokens};
use spanline_parsers::{Field, Value};

spanline_parsers_fuzz::target!(|data: &[u8]| {
    let mut found = vec![from_text(data)];
    for key in ["trace_id", "dd", "traceparent", "b3", "uber-trace-id", "X-Amzn-Trace-Id", "message"] {
        let key = key.as_bytes();
        found.push(from_fields(&[Field { key: key.into(), value: Value::Text(data.into()) }]));
        found.push(from_fields(&[Field { key: key.into(), value: Value::Json(data.into()) }]));
    }
    for context in found {
        assert_ne!(context.trace_id, Some([0; 16]));
        assert_ne!(context.span_id, Some([0; 8]));
        assert!(context.trace_id.is_some() || context.span_id.is_none());
    }
    for token in hex_tokens(data) {
        assert!(data[token.at..][..16].iter().all(u8::is_ascii_hexdigit));
    }
});
