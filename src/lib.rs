//! spanline: plain logs, lined up with the traces they belong to.
//!
//! Modules in the order in which a line goes through them:
//!
//! | module | what it does |
//! |---|---|
//! | [`cli`], [`config`] | what can be typed, and what it means: one file per command, `config::backfill` has what several share |
//! | [`commands`] | what each command does, and what it tells the user |
//! | [`input`] | which files there are, whose lines they hold, and their bytes as chunks of whole lines |
//! | [`unpack`], [`files`] | compressed files; files written next to their target and renamed, never over an input |
//! | [`decode`], [`assemble`] | envelopes off lines (recognised by `decode`, those of whole files by `assemble::wrapper_forms`), lines to records; the forms of both are parsed by `spanline-parsers` |
//! | [`line_rules`] | what the user wants done with lines: formats of their own, which records are kept, and what is blacked out in them |
//! | [`metadata`] | what Kubernetes knows of pods, from the kubelet or a file |
//! | [`calendar`] | years and zones of times that have none |
//! | [`reading`] | sources from their files to their records: opened, read and assembled once, then held (`reading::held`), or, of more than the memory holds, read side by side in the order of time (`reading::side_by_side`) |
//! | [`waiting`] | records as bytes, until their links are known |
//! | [`spans`] | traces from files and stores to protobuf, and from it the facts of spans |
//! | [`facts`] | what linking needs to know of a span |
//! | [`correlate`] | which span a record belongs to: whose spans it may be in at all (`rules::process`), explicit rules, requests, and what is learned of lines and spans (`learn`; how likely a kind of line is in a kind of span: `learn::habit`) |
//! | [`services`] | which service a pod's lines are sent under |
//! | [`export`] | each record to its link and every output (`shipper`): as OTLP, JSON, text and span events; events put into given spans (`span_events::annotate`); batches (full by `logs::batcher`, `span_events::span_batches`), delivery, and what a failure leads to (`deliver::failures`) |
//! | [`otlp`] | the wire: protobuf, gRPC and HTTP, TLS, what an answer means for a request ([`otlp::status`]) |
//! | [`checkpoint`] | what destinations have acknowledged, and the state folder |
//! | [`live`] | the live agent: what is followed, to a destination as it is written |
//! | [`tap`] | requests of OTLP on their way through the agent: received, looked at, passed on byte for byte |
//! | [`run`] | a run in data: its configuration, what can be seen of it while it goes on, its outcome |
//! | [`pipeline`] | builds these parts, connects them, starts and drains them |
//! | [`metrics`], [`telemetry`] | what a running agent counts, and how it is; this for those who watch it, over HTTP and as its own messages |
//! | [`record`], [`counts`], [`notify`], [`setting`] | the vocabulary that flows: records, links, counts, words to the user |

pub mod assemble;
pub mod calendar;
pub mod checkpoint;
pub mod cli;
pub mod commands;
pub mod config;
pub mod correlate;
pub mod counts;
pub mod decode;
pub mod export;
pub mod facts;
pub mod files;
pub mod input;
pub mod line_rules;
pub mod live;
pub mod metadata;
pub mod metrics;
pub mod notify;
pub mod otlp;
pub mod pipeline;
pub mod reading;
pub mod record;
pub mod run;
pub mod services;
pub mod setting;
pub mod spans;
pub mod tap;
pub mod telemetry;
pub mod unpack;
pub mod waiting;
