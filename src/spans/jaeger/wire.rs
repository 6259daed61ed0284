//! The few messages of `jaeger.api_v3` that are asked with.

use super::Search;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Parameters {
    #[prost(string, tag = "1")]
    service_name: String,
    #[prost(message, optional, tag = "4")]
    start_time_min: Option<Timestamp>,
    #[prost(message, optional, tag = "5")]
    start_time_max: Option<Timestamp>,
    #[prost(int32, tag = "8")]
    search_depth: i32,
    #[prost(bool, tag = "9")]
    raw_traces: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FindTraces {
    #[prost(message, optional, tag = "1")]
    query: Option<Parameters>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Services {
    #[prost(string, repeated, tag = "1")]
    pub(super) services: Vec<String>,
}

pub(super) fn find_traces(search: &Search, depth: u32) -> FindTraces {
    let time = |nanos: i64| {
        let (seconds, nanos) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
        Some(Timestamp { seconds, nanos: nanos as i32 })
    };
    let query = Some(Parameters {
        service_name: search.service.clone(),
        start_time_min: time(search.from),
        start_time_max: time(search.to),
        search_depth: i32::try_from(depth).unwrap_or(i32::MAX),
        raw_traces: true,
    });
    FindTraces { query }
}
