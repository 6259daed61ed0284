//! Records, links and traces as text for people and programs: on the terminal, in pipes and in files.
//!
//! In go records with their links, out comes text at the end of a buffer, or in a file. Nothing is sent here.

pub mod json;
pub mod line_list;
pub mod links;
pub mod logfmt;
pub mod logs_file;
pub mod otlp_json;
pub mod spans_json;
pub mod terminal;
pub mod text;
pub mod text_fields;
pub mod trace_view;
