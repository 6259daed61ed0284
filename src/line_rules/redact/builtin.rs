//! Tokens and secrets that are known by what they look like.
//!
//! Plain data: expressions over bytes, whose groups are what is blacked out, or all that matches where there are none.

use super::rule::{KeyRule, PatternRule, REDACTED};
use crate::line_rules::custom_format::{BadPattern, expression};

/// A rule that needs no more than its name.
#[derive(Debug, Clone, Copy)]
pub struct Builtin {
    /// What it is called, and counted under.
    pub name: &'static str,
    /// What it finds in texts.
    pattern: &'static str,
    /// Values of which keys it finds; none: of no keys.
    keys: &'static str,
}

/// All of them.
pub const BUILTIN: [Builtin; 6] = [
    // RFC 6750 and 7617, in a header or in text.
    Builtin {
        name: "authorization",
        pattern: r#"(?i)\bauthorization["']?\s*[=:]\s*["']?(?:(?:basic|bearer|digest|negotiate|token)\s+)?([^\s"',;]+)|\bbearer\s+([a-z0-9._~+/-]{16,}=*)"#,
        keys: r"(?i)^(?:.*[._-])?(?:proxy[_-])?authorization$",
    },
    // RFC 7519: two objects that begin with `{"`, and a signature.
    Builtin { name: "jwt", pattern: r"\beyJ[A-Za-z0-9_-]{5,}\.eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*", keys: "" },
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
    Builtin { name: "aws_key", pattern: r"\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b", keys: "" },
    // RFC 7468; a block whose end is not in the record goes to the record's end.
    Builtin {
        name: "private_key",
        pattern: r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
        keys: "",
    },
    // RFC 3986: userinfo with a password.
    Builtin { name: "url_password", pattern: r#"(?i)\b[a-z][a-z0-9+.-]*://[^\s/:@"']*:([^\s/@"']+)@"#, keys: "" },
    // `password=…`, `"api_key": "…"`, and the like.
    Builtin {
        name: "password",
        pattern: concat!(
            r#"(?i)(?:pass(?:word|wd|phrase)|\bpwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)"#,
            r#"\\?["']?\s*[=:]\s*(?:\\?"((?:[^"\\]|\\[^"])+)|'([^']+)|([^\s"'\\,;&)}\](\[{]+))"#
        ),
        keys: r"(?i)(?:pass(?:word|wd|phrase)|^pwd|[._-]pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)$",
    },
];

impl Builtin {
    /// The one of a name.
    pub fn named(name: &str) -> Option<Builtin> {
        BUILTIN.into_iter().find(|builtin| builtin.name == name)
    }

    /// Its rules.
    pub fn rules(&self) -> Result<(PatternRule, Option<KeyRule>), BadPattern> {
        let name = self.name.to_owned();
        let pattern =
            PatternRule { name: name.clone(), regex: expression(self.pattern)?, replace: REDACTED.to_owned() };
        let keys = (!self.keys.is_empty()).then(|| expression(self.keys)).transpose()?;
        Ok((pattern, keys.map(|keys| KeyRule { name, keys })))
    }
}
