//! Conditions of `--only`.
//!
//! In go the texts of the flag, out come [`Condition`]s, or an error that names the keys there are. Whether a line meets a
//! condition is decided in [`select`](crate::export::select).

use regex::bytes::Regex;
use spanline_parsers::Severity;

use super::error::ConfigError;
use crate::export::select::Condition;

const KEYS: &str = "trace=ID, errors, level=LEVEL, pod=[NAMESPACE/]NAME[/CONTAINER], namespace=NAME, service=NAME, \
                    span=NAME, grep=REGEX, linked";

/// only = key [ "=" value ]
pub(super) fn condition(text: &str) -> Result<Condition, ConfigError> {
    let bad = |reason: String| ConfigError::new("--only", reason);
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (text, None),
    };
    if let ("errors" | "linked", Some(_)) = (key, value) {
        return Err(bad(format!("{key} takes no value: write --only {key}")));
    }
    let value = || value.filter(|value| !value.is_empty()).ok_or_else(|| bad(format!("{key} needs a value: {KEYS}")));
    Ok(match key {
        "errors" => Condition::Errors,
        "linked" => Condition::Linked,
        "trace" => {
            let id = value()?.to_ascii_lowercase();
            if id.len() > 32 || !id.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(bad(format!("trace={id}: a trace id has 32 hex digits; its first few are enough")));
            }
            Condition::Trace(id)
        }
        "level" => match Severity::from_name(value()?.as_bytes()) {
            Severity::UNKNOWN => {
                return Err(bad(format!("{text:?} is no level: trace, debug, info, notice, warn, error, fatal")));
            }
            level => Condition::Level(level),
        },
        "pod" => pod(value()?).ok_or_else(|| bad(format!("{text:?} is no pod such as web-0 or shop/web-0")))?,
        "namespace" => Condition::Namespace(value()?.to_owned()),
        "service" => Condition::Service(value()?.to_owned()),
        "span" => Condition::Span(value()?.to_owned()),
        "grep" => Condition::Grep(Regex::new(value()?).map_err(|error| bad(format!("{text:?}: {error}")))?),
        _ => return Err(bad(format!("unknown key {key:?}: the keys are {KEYS}"))),
    })
}

/// pod = [ namespace "/" ] name / namespace "/" name "/" container
fn pod(text: &str) -> Option<Condition> {
    let parts: Vec<&str> = text.split('/').collect();
    let (namespace, name, container) = match parts[..] {
        [name] => (None, name, None),
        [namespace, name] => (Some(namespace), name, None),
        [namespace, name, container] => (Some(namespace), name, Some(container)),
        _ => return None,
    };
    parts.iter().all(|part| !part.is_empty()).then(|| Condition::Pod {
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
        container: container.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_and_what_is_wrong_is_said() {
        for (text, expected) in [
            ("trace=6B29", "Trace(\"6b29\")"),
            ("errors", "Errors"),
            ("level=WARNING", "Level(Severity(13))"),
            ("pod=web-0", "Pod { namespace: None, name: \"web-0\", container: None }"),
            ("pod=shop/web-0", "Pod { namespace: Some(\"shop\"), name: \"web-0\", container: None }"),
            ("span=GET /orders", "Span(\"GET /orders\")"),
            ("grep=a=b", "Grep(Regex(\"a=b\"))"),
        ] {
            let read = condition(text).unwrap();
            assert_eq!(format!("{read:?}"), expected);
            let again = condition(&read.to_string()).unwrap();
            assert_eq!(format!("{again:?}"), expected, "{read}");
        }
        for (text, words) in [
            ("colour=red", "namespace=NAME"),
            ("", "the keys are"),
            ("errors=1", "no value"),
            ("pod", "needs a value"),
            ("pod=", "needs a value"),
            ("pod=a//b", "no pod"),
            ("trace=xyz", "32 hex digits"),
            ("level=loud", "no level"),
            ("grep=(", "regex parse error"),
        ] {
            let error = condition(text).unwrap_err().to_string();
            assert!(error.starts_with("--only: ") && error.contains(words), "{error}");
        }
    }
}
