//! Addresses of stores that were given as files of traces.
//!
//! In goes a text of `--traces`, out comes nothing if it may be a file, else an error that says how traces of such a
//! store are given. No store is asked here.

use super::error::ConfigError;

const SCHEMES: [&str; 4] = ["http://", "https://", "grpc://", "grpcs://"];

/// address = [ ( "tempo" / "zipkin" ) "=" ] [ scheme ] host [ ":" port ] [ path ]   ; one of the brackets at least
pub(super) fn no_address(text: &str, is_there: bool) -> Result<(), ConfigError> {
    let (said, rest) = match text.split_once('=') {
        Some((store @ ("tempo" | "zipkin"), rest)) => (Some(store), rest),
        _ => (None, text),
    };
    let scheme = SCHEMES.iter().find(|scheme| rest.starts_with(*scheme));
    let address = rest.trim_start_matches(scheme.copied().unwrap_or_default());
    let (host, path) = address.find('/').map_or((address, ""), |at| address.split_at(at));
    let port = host.rsplit_once(':').and_then(|(name, port)| port.parse::<u16>().ok().filter(|_| !name.is_empty()));
    if said.is_none() && scheme.is_none() && (port.is_none() || is_there) {
        return Ok(());
    }
    let url = if scheme.is_some() { rest.to_owned() } else { format!("http://{rest}") };
    let root = url[..url.len() - path.len()].to_owned();
    let is_zipkin =
        said == Some("zipkin") || port == Some(9411) || path.starts_with("/zipkin") || host.contains("zipkin");
    let is_tempo = said == Some("tempo") || port == Some(3200) || host.contains("tempo");
    let reason = if is_zipkin {
        format!(
            "{text:?} is no file, and Zipkin is not asked directly: save its traces with curl \"{root}/api/v2/traces?limit=1000\" \
             -o traces.json, and give --traces traces.json"
        )
    } else if is_tempo {
        format!(
            "{text:?} is no file, and Tempo is not asked directly: save a trace with curl {root}/api/traces/TRACEID -o \
             trace.json, and give --traces trace.json (or the folder of several)"
        )
    } else {
        format!("{text:?} is no file: for the traces of a Jaeger that runs there, give jaeger={url}")
    };
    Err(ConfigError::new("--traces", reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_from_a_file_and_what_helps_is_said() {
        for (text, words) in [
            ("http://jaeger:16686", "give jaeger=http://jaeger:16686"),
            ("jaeger:16686", "give jaeger=http://jaeger:16686"),
            ("zipkin:9411", "curl \"http://zipkin:9411/api/v2/traces?limit=1000\""),
            ("http://host/zipkin/api/v2/traces", "curl \"http://host/api/v2/traces"),
            ("zipkin=http://host:1", "curl \"http://host:1/api/v2"),
            ("tempo=host:80", "curl http://host:80/api/traces/TRACEID"),
            ("http://tempo:3200/api", "curl http://tempo:3200/api/traces/TRACEID"),
        ] {
            let error = no_address(text, false).unwrap_err().to_string();
            assert!(error.starts_with("--traces: ") && error.contains(words), "{error}");
        }
        for text in ["traces.jsonl", "-", "a/b:c", "a=b", ":1", "C:traces.json"] {
            assert!(no_address(text, false).is_ok(), "{text}");
        }
        assert!(no_address("a:1", true).is_ok(), "a file of that name");
    }
}
