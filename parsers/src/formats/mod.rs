//! Formats of payloads: what a program wrote, without its envelope.
//!
//! In goes one record, out comes a filled [`Entry`](crate::Entry), or that it is another format's.

pub mod access;
pub(crate) mod audit;
pub mod conmon;
pub mod conmon_rs;
pub(crate) mod databases;
pub mod glog;
pub(crate) mod golang;
pub mod json_line;
pub mod klog;
pub mod klog_json;
pub(crate) mod klog_values;
pub mod log4j;
pub mod logfmt;
pub mod logrus;
pub(crate) mod plain;
pub(crate) mod prefixed_level;
pub mod python;
pub(crate) mod ruby;
pub mod spring;
pub mod syslog;
pub mod utiltrace;
pub(crate) mod web;
