//! What is found, and what is not.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::line_rules::custom_format::expression;

/// Made once: it takes longer than to use it.
static ALL: LazyLock<Redactor> = LazyLock::new(|| {
    let rules: Vec<_> = BUILTIN.iter().map(|builtin| builtin.rules().unwrap()).collect();
    let (patterns, keys): (Vec<_>, Vec<_>) = rules.into_iter().unzip();
    Redactor::new(patterns, keys.into_iter().flatten().collect()).unwrap()
});

fn builtin() -> &'static Redactor {
    &ALL
}

/// A text without what is found, and the names of the rules that found it.
fn text(redactor: &Redactor, text: &str) -> (String, Vec<String>) {
    let mut names = Vec::new();
    let redacted = redactor.text(text.as_bytes(), &mut |rule| names.push(redactor.name(rule).to_owned()));
    (redacted.map_or_else(|| text.to_owned(), |bytes| String::from_utf8(bytes).unwrap()), names)
}

#[test]
fn secrets_are_found_in_text() {
    let redactor = builtin();
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl";
    for (given, expected, rules) in [
        ("Authorization: Bearer abc.def", "Authorization: Bearer [redacted]", &["authorization"][..]),
        ("{\"authorization\":\"Basic dXNlcjpwYXNz\"}", "{\"authorization\":\"Basic [redacted]\"}", &["authorization"]),
        ("sent bearer 0123456789abcdef to it", "sent bearer [redacted] to it", &["authorization"]),
        (&format!("got {jwt} back"), "got [redacted] back", &["jwt"]),
        ("key AKIAIOSFODNN7EXAMPLE used", "key [redacted] used", &["aws_key"]),
        ("a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- b", "a [redacted] b", &["private_key"]),
        ("-----BEGIN PRIVATE KEY-----\nMII", "[redacted]", &["private_key"]),
        ("postgres://app:hunter2@db:5432/x", "postgres://app:[redacted]@db:5432/x", &["url_password"]),
        ("redis://:hunter2@cache/0", "redis://:[redacted]@cache/0", &["url_password"]),
        ("login password=hunter2 from x", "login password=[redacted] from x", &["password"]),
        ("DB_PASSWORD: hunter2, next", "DB_PASSWORD: [redacted], next", &["password"]),
        ("{\"apiKey\": \"a b\", \"n\": 1}", "{\"apiKey\": \"[redacted]\", \"n\": 1}", &["password"]),
        ("{\\\"token\\\":\\\"abc\\\"}", "{\\\"token\\\":\\\"[redacted]\\\"}", &["password"]),
        ("a=1&access_token=xyz&b=2", "a=1&access_token=[redacted]&b=2", &["password"]),
        ("password=one password=two", "password=[redacted] password=[redacted]", &["password", "password"]),
    ] {
        let (redacted, names) = text(redactor, given);
        assert_eq!(
            (redacted.as_str(), names.iter().map(String::as_str).collect::<Vec<_>>()),
            (expected, rules.to_vec())
        );
        // What was blacked out is left alone.
        assert_eq!(text(redactor, &redacted), (redacted.clone(), Vec::<String>::new()));
    }
}

#[test]
fn what_is_no_secret_stays() {
    let redactor = builtin();
    for given in [
        "the password was changed",
        "bearer of bad news",
        "MountVolume.SetUp succeeded for volume \"kube-api-access-x\" (secret \"default\")",
        "http://collector:4317/v1/logs",
        "http://user@host/x",
        "eyJ is no token",
        "12:30:45 tokens: none left?",
        "password=",
    ] {
        let (redacted, names) = text(redactor, given);
        let is_none_left = given.contains("tokens");
        assert!(names.is_empty() && redacted == given || is_none_left, "{given}: {redacted} {names:?}");
    }
}

#[test]
fn values_of_keys_are_blacked_out_wherever_they_stand() {
    let redactor = builtin();
    let mut found = 0;
    let mut value = |key: &str, value: &Value<'_>| {
        let redacted = redactor.value(key.as_bytes(), value, &mut |_| found += 1);
        redacted.map(|value| match value {
            Value::Text(text) | Value::Json(text) => String::from_utf8(text.into_owned()).unwrap(),
            other => format!("{other:?}"),
        })
    };
    let secret = Some(REDACTED.to_owned());
    assert_eq!(value("db.password", &Value::Text(Cow::Borrowed(b"x"))), secret);
    assert_eq!(value("API-KEY", &Value::Number(b"17")), secret);
    assert_eq!(value("token", &Value::Bool(true)), secret);
    assert_eq!(value("tokens_left", &Value::Number(b"17")), None);
    assert_eq!(value("url", &Value::Text(Cow::Borrowed(b"ftp://a:b@c"))).as_deref(), Some("ftp://a:[redacted]@c"));
    let nested =
        json!({"user": {"password": {"a": [1, 2]}, "name": "x"}, "urls": ["ftp://a:b@c", 5, null]}).to_string();
    let redacted = value("o", &Value::Json(Cow::Borrowed(nested.as_bytes()))).unwrap();
    let expected = json!({"user": {"password": REDACTED, "name": "x"}, "urls": ["ftp://a:[redacted]@c", 5, null]});
    assert_eq!(serde_json::from_str::<serde_json::Value>(&redacted).unwrap(), expected);
    assert_eq!(value("o", &Value::Json(Cow::Borrowed(b"{\"a\":[],\"b\":{}}"))), None);
    assert_eq!(found, 6);
}

#[test]
fn own_expressions_replace_their_groups_or_all() {
    let rule = |name: &str, regex: &str, replace: &str| PatternRule {
        name: name.into(),
        regex: expression(regex).unwrap(),
        replace: replace.into(),
    };
    let redactor = Redactor::new(
        vec![rule("card", r"\b\d{12}(\d{4})\b", "****"), rule("mail", r"\S+@\S+", "<mail>"), rule("odd", r"x*", "-")],
        Vec::new(),
    );
    let (redacted, names) = text(&redactor.unwrap(), "1234123412341234 of a@b.c");
    assert_eq!((redacted.as_str(), names), ("123412341234**** of <mail>", vec!["card".to_owned(), "mail".to_owned()]));
}

#[test]
fn what_nests_too_deep_is_searched_as_text() {
    let deep = format!("{}{{\"a\":\"ftp://a:b@c\"}}{}", "[".repeat(50), "]".repeat(50));
    let redacted = json::redacted(deep.as_bytes(), &mut Finding { redactor: builtin(), found: &mut |_| {} }).unwrap();
    let redacted = String::from_utf8(redacted).unwrap();
    assert!(redacted.contains("ftp://a:[redacted]@c") && serde_json::from_str::<serde_json::Value>(&redacted).is_ok());
}

proptest! {
    #[test]
    fn json_stays_json_and_nothing_else_changes(text in "[a-z ]{0,8}", number in any::<i32>(), deep in 0usize..30) {
        let mut value = json!({"text": text, "number": number, "token": [number], "list": [null, true, text]});
        for _ in 0..deep {
            value = json!([value]);
        }
        let raw = value.to_string();
        let redacted = json::redacted(raw.as_bytes(), &mut Finding { redactor: builtin(), found: &mut |_| {} }).unwrap();
        let redacted: serde_json::Value = serde_json::from_slice(&redacted).unwrap();
        let mut inner = &redacted;
        for _ in 0..deep {
            inner = &inner[0];
        }
        prop_assert_eq!(inner, &json!({"text": text, "number": number, "token": REDACTED, "list": [null, true, text]}));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        builtin().text(&bytes, &mut |_| {});
        json::redacted(&bytes, &mut Finding { redactor: builtin(), found: &mut |_| {} });
    }
}
