//! Times that lines carry, and headers of programs that write them, as the agent takes them.

use chrono::{DateTime, Datelike, TimeDelta, Utc};

use crate::harness::agent::Agent;
use crate::harness::sink::Script;
use crate::harness::written::{Written, append};

/// The time of a line that was stored.
fn time_of(agent: &Agent, body: &str) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(agent.sink.sink.time_of(body).unwrap() as i64)
}

/// A klog line of a moment, as it is written in UTC.
fn klog(at: DateTime<Utc>, body: &str) -> String {
    format!("I{} 1234 server.go:7] \"{body}\"\n", at.format("%m%d %H:%M:%S%.6f"))
}

#[test]
fn k1_lines_without_a_year_are_of_the_year_before_if_their_day_is_still_to_come() {
    let agent = Agent::started();
    let path = agent.place.path("logs/kubelet.log");
    let now = Utc::now();
    // No 29th of February, which the year before may not have.
    let ahead = now + TimeDelta::days(if (now + TimeDelta::days(30)).day() == 29 { 31 } else { 30 });
    let mut lines = Written::new("kubelet");
    let (last_year, yesterday) = (lines.body(), lines.body());
    append(&path, klog(ahead, &last_year) + &klog(now - TimeDelta::days(1), &yesterday));
    agent.expect_once(&[&lines]);
    assert_eq!(time_of(&agent, &last_year).date_naive(), ahead.with_year(ahead.year() - 1).unwrap().date_naive());
    assert_eq!(time_of(&agent, &yesterday).date_naive(), (now - TimeDelta::days(1)).date_naive());
    // Live: of now, after the agent has seen lines of another year.
    let body = lines.body();
    append(&path, klog(Utc::now(), &body));
    agent.expect_once(&[&lines]);
    assert!((Utc::now() - time_of(&agent, &body)).abs() < TimeDelta::minutes(5));
}

#[test]
fn k2_lines_without_a_zone_are_of_the_machine_s_over_both_changes_of_its_clock() {
    let mut agent = Agent::new(Script::default());
    agent.has_zone("CET-1CEST,M3.5.0,M10.5.0/3");
    agent.start();
    let path = agent.place.path("logs/kubelet.log");
    let year = Utc::now().year() - 1;
    // The last Sundays of March and October of the year before, as years are told only by logrus lines with a date.
    let last_sunday = |month: u32| {
        let days = (25..=31).map(|day| chrono::NaiveDate::from_ymd_opt(year, month, day).unwrap());
        days.rev().find(|day| day.weekday() == chrono::Weekday::Sun).unwrap()
    };
    let mut lines = Written::new("kubelet");
    let cases = [
        (last_sunday(3), "01:59:59", "00:59:59"),
        (last_sunday(3), "03:00:01", "01:00:01"),
        (last_sunday(10), "01:59:59", "23:59:59"),
        (last_sunday(10), "03:00:01", "02:00:01"),
    ];
    for (day, written, _) in cases {
        let body = lines.body();
        append(&path, format!("{day} {written},123 INFO {body}\n"));
    }
    agent.until_stored(&[]);
    agent.running().until(|| agent.sink.sink.stored().len() == 4);
    for (at, (_, _, expected)) in cases.into_iter().enumerate() {
        let stored = agent.sink.sink.stored();
        let body = stored.keys().find(|body| body.contains(&format!("line {at} of"))).unwrap();
        assert_eq!(time_of(&agent, body).format("%H:%M:%S").to_string(), expected, "{body}");
    }
}

#[test]
fn k3_values_of_several_lines_and_dumps_are_one_record_and_json_between_them_its_own() {
    let agent = Agent::started();
    let path = agent.place.path("logs/kubelet.log");
    let now = Utc::now();
    append(&path, klog(now, "before"));
    append(
        &path,
        format!("I{} 1 a.go:7] \"dump\" pod=<\n\tfirst: 1\n\tsecond: 2\n >\n", now.format("%m%d %H:%M:%S%.6f")),
    );
    append(&path, r#"{"ts":1764500000123.4,"caller":"a.go:1","msg":"as json","v":0}"#.to_owned() + "\n");
    append(&path, klog(now, "after"));
    agent.running().until(|| agent.sink.sink.stored().contains_key("after"));
    let stored = agent.sink.sink.stored();
    assert_eq!(stored.len(), 4, "{stored:?}");
    assert!(["before", "as json", "after"].iter().all(|body| stored.get(*body) == Some(&1)), "{stored:?}");
    assert!(stored.keys().any(|body| body.starts_with("dump")), "{stored:?}");
}

#[test]
fn k4_logrus_lines_with_escapes_without_a_time_and_with_other_names_of_levels() {
    let agent = Agent::started();
    let path = agent.place.path("logs/crio.log");
    append(&path, "time=\"2026-11-30T10:00:00.123456789Z\" level=info msg=\"a \\\"quoted\\\" word\\nand a line\"\n");
    append(&path, "level=warn msg=\"without a time\"\n");
    append(&path, "time=\"2026-11-30T10:00:01Z\" level=warning msg=last\n");
    agent.running().until(|| agent.sink.sink.stored().contains_key("last"));
    let stored = agent.sink.sink.stored();
    assert_eq!(stored.len(), 3, "{stored:?}");
    assert_eq!(stored.get("a \"quoted\" word\nand a line"), Some(&1), "{stored:?}");
    assert_eq!(stored.get("without a time"), Some(&1), "{stored:?}");
    assert_eq!(time_of(&agent, "a \"quoted\" word\nand a line").timestamp_subsec_nanos(), 123_456_789);
}

#[test]
fn p9_stamps_with_any_offset_and_any_number_of_digits() {
    let agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    let cases = [
        ("2026-11-30T10:00:00Z", "2026-11-30T10:00:00Z"),
        ("2026-11-30T10:00:00.1Z", "2026-11-30T10:00:00.1Z"),
        ("2026-11-30T10:00:00.123456789+05:30", "2026-11-30T04:30:00.123456789Z"),
        ("2026-11-30T10:00:00.12345-08:00", "2026-11-30T18:00:00.12345Z"),
        ("2026-11-30T23:59:60.5Z", "2026-12-01T00:00:00.5Z"),
    ];
    let mut bodies = Vec::new();
    for (stamp, _) in cases {
        bodies.push(lines.body());
        append(&path, format!("{stamp} stdout F {}\n", bodies.last().unwrap()));
    }
    agent.expect_once(&[&lines]);
    for (body, (stamp, expected)) in bodies.iter().zip(cases) {
        let late = (time_of(&agent, body) - expected.parse::<DateTime<Utc>>().unwrap()).abs();
        // A leap second may be shown as the last moment before it.
        let may_differ = if stamp.contains(":60") { TimeDelta::seconds(1) } else { TimeDelta::zero() };
        assert!(late <= may_differ, "{stamp}: {}", time_of(&agent, body));
    }
}

#[test]
fn n3_lines_of_last_year_with_a_date_stay_there() {
    let agent = Agent::started();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    let body = lines.body();
    append(&path, format!("2025-03-01T10:00:00.5Z stdout F {body}\n"));
    append(&path, lines.cri_lines(3));
    agent.expect_once(&[&lines]);
    assert_eq!(time_of(&agent, &body).to_rfc3339(), "2025-03-01T10:00:00.500+00:00");
}
