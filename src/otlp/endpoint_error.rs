//! Where an endpoint is read from, and why there may be none: plain data.

use thiserror::Error;

/// A look-up for environment variables.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Why there is no endpoint.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EndpointError {
    /// No URL at all.
    #[error("OTLP endpoint `{url}`: {reason}")]
    Url {
        /// As given, without what may be secret.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A variable's value.
    #[error("{variable}=`{value}`: {reason}")]
    Variable {
        /// Its name.
        variable: String,
        /// Its value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A list of headers, whose values may be secret.
    #[error("{variable}: {reason}")]
    Headers {
        /// The variable.
        variable: String,
        /// What is wrong with one of them.
        reason: String,
    },
}
