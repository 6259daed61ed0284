//! One binary holds the end-to-end tests.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, and says where")]

mod accuracy;
mod agent;
mod agent_config;
mod agent_status;
mod annotate;
mod answers;
mod archives;
mod backfill_bad_input;
mod backfill_outputs;
mod backfill_receipts;
mod backfill_remembered;
mod backfill_rewritten;
mod backfill_sending;
mod backfill_state;
mod backfill_tls;
mod backfill_tree;
mod backfill_unchanged;
mod backfill_windows;
mod cases;
mod collector;
mod connections;
mod convert;
mod convert_stream;
mod delivery;
mod deploy;
mod explain;
mod floors;
mod harness;
mod interrupt;
mod jaeger;
mod journal;
mod journal_commands;
mod operators;
mod rules;
mod span_events;
mod tidy;
mod trace_formats;
mod usage;
mod views;
mod writers;
