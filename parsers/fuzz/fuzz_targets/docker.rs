//! docker's lines: any bytes, and any bytes within the text.
#![cfg_attr(fuzzing, no_main)]

use spanline_parsers::{docker_json, json};

spanline_parsers_fuzz::target!(|data: &[u8]| {
    let _ = docker_json::line(data);
    let quoted = [b"\"", data, b"\""].concat();
    let line = [b"{\"log\":", &quoted[..], b",\"stream\":\"stderr\",\"time\":\"2022-08-22T05:18:16Z\"}"].concat();
    if let Some(mut text) = json::string(&quoted) {
        let read = docker_json::line(&line).expect("a docker line");
        if !read.partial {
            assert_eq!(text.to_mut().pop(), Some(b'\n'));
        }
        assert_eq!(text, read.log);
    }
});
