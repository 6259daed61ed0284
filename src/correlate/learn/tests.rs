//! Made-up services whose truth is known: what is learned from their lines, without any rule.

use std::borrow::Cow;
use std::ops::Range;

use super::continuations::Continuations;
use super::lines::Lines;
use crate::correlate::correlator::Correlator;
use crate::correlate::hint::Hint;
use crate::correlate::index::Limits;
use crate::correlate::stream::Memory;
use crate::facts::{Kind, ResourceFact, SpanFact};
use crate::record::{Envelope, Link, Origin, Position, Producer, Record, Relation, Stream, Unlinked};
use spanline_parsers::{Entry, Format, Text, Time, Value};

const SHOP: ResourceFact<'static> = ResourceFact {
    message: &[],
    run: 0,
    service: "shop",
    host: "",
    pid: 7,
    pod_uid: "",
    namespace: "",
    pod: "",
    container: "",
    container_id: "",
    instance: "",
};
const MS: i64 = 1_000_000;

/// Numbers that look random, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, below: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as i64 % below
    }
}

struct Line {
    time: i64,
    text: String,
    request: Option<String>,
    /// (request, span) it was written in.
    truth: Option<(usize, u8)>,
}

#[derive(Default)]
struct Service {
    spans: Vec<(usize, SpanFact<'static>)>,
    lines: Vec<Line>,
    /// A container runtime stamps its lines, and those that begin so have no time of their own.
    parts: Option<&'static str>,
}

fn ids(request: usize, span: u8) -> ([u8; 16], [u8; 8]) {
    let mut trace_id = [7; 16];
    trace_id[8..].copy_from_slice(&(request as u64 + 1).to_be_bytes());
    let mut span_id = [span; 8];
    span_id[..4].copy_from_slice(&(request as u32 + 1).to_be_bytes());
    (trace_id, span_id)
}

fn span(request: usize, id: u8, parent: u8, name: &'static str, start: i64, end: i64) -> (usize, SpanFact<'static>) {
    let (trace_id, span_id) = ids(request, id);
    let parent_id = if parent == 0 { [0; 8] } else { ids(request, parent).1 };
    let kind = if parent == 0 { Kind::Server } else { Kind::Internal };
    (request, SpanFact { trace_id, span_id, parent_id, name, kind, start, end, ..SpanFact::default() })
}

/// Requests of some 20 to 60 ms, one every 10 ms, each with a query inside. Four lines of each, one without a request's
/// name, and one line of nobody between.
fn service(requests: usize) -> Service {
    let mut random = Random(3);
    let mut service = Service::default();
    for request in 0..requests {
        let start = 1_000 * MS + request as i64 * 10 * MS + random.below(9 * MS);
        let query = start + 2 * MS + random.below(3 * MS);
        let query_end = query + 5 * MS + random.below(20 * MS);
        let end = query_end + 10 * MS + random.below(20 * MS);
        service.spans.push(span(request, 1, 0, "GET /orders", start, end));
        service.spans.push(span(request, 2, 1, "query", query, query_end));
        let mut line = |time: i64, text: &str, named: bool, span: u8| {
            let name = format!("r{:06}", request * 7919 % 1_000_003);
            let request_name = named.then_some(name);
            service.lines.push(Line { time, text: text.into(), request: request_name, truth: Some((request, span)) });
        };
        line(start + 100_000 + random.below(40_000), "request started", true, 1);
        line(query + 30_000 + random.below(20_000), "asking the database", false, 2);
        line(start + (end - start) / 3 + random.below(4 * MS), "still at it", true, 1);
        line(end - 60_000 - random.below(30_000), "request done", true, 1);
        let time = start + random.below(10 * MS);
        service.lines.push(Line { time, text: "tick of the clock".into(), request: None, truth: None });
    }
    service.lines.sort_by_key(|line| line.time);
    service
}

impl Service {
    /// Links of all lines, with the spans of every request that is recorded. `see` is called for each line afterwards.
    fn linked(
        &self,
        is_recorded: &dyn Fn(usize) -> bool,
        see: &mut dyn FnMut(&Correlator, &Record<'_>, usize),
    ) -> Vec<Option<Link>> {
        self.linked_with(true, is_recorded, see)
    }

    fn linked_with(
        &self,
        keeps_evidence: bool,
        is_recorded: &dyn Fn(usize) -> bool,
        see: &mut dyn FnMut(&Correlator, &Record<'_>, usize),
    ) -> Vec<Option<Link>> {
        let mut correlator = Correlator::new(Limits::default());
        for (_, span) in self.spans.iter().filter(|(request, _)| is_recorded(*request)) {
            correlator.add_span(&SHOP, span);
        }
        if keeps_evidence {
            correlator.keep_evidence();
        }
        self.each_line(0..self.lines.len(), &mut |record, _| correlator.observe(record));
        correlator.settle();
        let mut links = Vec::new();
        self.each_line(0..self.lines.len(), &mut |record, number| {
            links.push(sure_link(&correlator, record));
            see(&correlator, record, number);
        });
        links
    }

    /// Lines by their numbers.
    fn each_line(&self, numbers: Range<usize>, act: &mut dyn FnMut(&Record<'_>, usize)) {
        let origin = Origin { service_name: "shop".into(), producer: Producer::Other, ..Origin::default() };
        for number in numbers {
            let line = &self.lines[number];
            let mut entry = Entry {
                format: Format::Logfmt,
                body: Text::Borrowed(line.text.as_bytes()),
                time: Time::Unix { nanos: line.time, digits: 9 },
                ..Entry::default()
            };
            let is_part = self.parts.is_some_and(|begin| line.text.starts_with(begin));
            if is_part {
                entry.time = Time::None;
            }
            if let Some(request) = &line.request {
                entry.push(&b"req"[..], Value::Text(Cow::Borrowed(request.as_bytes())));
            }
            let record = Record {
                source: 0,
                origin: &origin,
                position: Position { line: number as u64 + 1, offset: number as u64 * 100, ..Position::default() },
                envelope: Envelope::None,
                stream: Stream::Unknown,
                time: Some(line.time),
                time_digits: 9,
                envelope_time: self.parts.map(|_| line.time + if is_part { 0 } else { 9_000 }),
                entry: &entry,
                envelope_fields: &[],
                payload: line.text.as_bytes(),
                piece: 0,
            };
            act(&record, number);
        }
    }

    /// Links of lines that are decided each second, some seconds after they were written. Spans, half a second after their
    /// end, and lines come as many at once as there are in `chunk`. `idle`: further steps, in which nothing new is due.
    fn streamed(&self, chunk: i64, idle: usize) -> Vec<Option<Link>> {
        const SECOND: i64 = 1_000 * MS;
        let mut spans: Vec<&SpanFact<'_>> = self.spans.iter().map(|(_, span)| span).collect();
        spans.sort_by_key(|span| span.end);
        let mut correlator = Correlator::new(Limits::default());
        // What it is hashed with depends on the first span, so that the last digits are the same.
        correlator.add_span(&SHOP, spans[0]);
        correlator.follow();
        let mut links = vec![None; self.lines.len()];
        let first = self.lines[0].time - 1;
        let (mut now, mut arrived) = (first, first);
        let [mut next_span, mut next_line, mut next_due] = [0; 3];
        while next_due < self.lines.len() {
            now += SECOND;
            while arrived + chunk <= now {
                arrived += chunk;
                let come = spans.partition_point(|span| span.end + SECOND / 2 <= arrived);
                spans[next_span..come].iter().for_each(|span| correlator.add_span(&SHOP, span));
                next_span = come;
                let come = self.lines.partition_point(|line| line.time <= arrived);
                self.each_line(next_line..come, &mut |record, _| correlator.observe(record));
                next_line = come;
            }
            let due = now - 10 * SECOND;
            correlator.advance(due, Memory::default());
            let decided = self.lines.partition_point(|line| line.time <= due);
            self.each_line(next_due..decided, &mut |record, number| links[number] = sure_link(&correlator, record));
            next_due = decided;
            for _ in 0..idle {
                correlator.advance(due, Memory::default());
            }
        }
        links
    }

    /// Counts of: lines with a recorded span, links, links to the right trace, to the right span.
    fn judge(&self, is_recorded: &dyn Fn(usize) -> bool, links: &[Option<Link>], of: &str) -> [usize; 4] {
        let mut counts = [0; 4];
        for (line, link) in self.lines.iter().zip(links).filter(|(line, _)| line.text.contains(of)) {
            let truth = line.truth.filter(|(request, _)| is_recorded(*request));
            counts[0] += usize::from(truth.is_some());
            counts[1] += usize::from(link.is_some());
            if let (Some(link), Some((request, span))) = (link, truth) {
                counts[2] += usize::from(link.trace_id == ids(request, 1).0);
                counts[3] += usize::from((link.trace_id, link.span_id) == ids(request, span));
            }
        }
        counts
    }
}

fn sure_link(correlator: &Correlator, record: &Record<'_>) -> Option<Link> {
    let sure = |link: &Link| link.confidence.is_some_and(|confidence| confidence >= 0.9);
    correlator.link(record).ok().filter(sure)
}

#[test]
fn where_lines_stand_in_their_spans_is_learned() {
    let service = service(600);
    let links = service.linked(&|_| true, &mut |_, _, _| {});
    for of in ["request started", "asking the database", "request done"] {
        let [labelled, linked, right, exact] = service.judge(&|_| true, &links, of);
        assert!(right * 1000 >= linked * 995, "{of}: {right} of {linked} right");
        assert!(right * 100 >= labelled * 97, "{of}: {right} of {labelled} found");
        assert!(exact * 100 >= right * 97, "{of}: {exact} of {right} exact");
    }
}

#[test]
fn lines_of_no_request_stay_without_a_span() {
    let service = service(600);
    let links = service.linked(&|_| true, &mut |_, _, _| {});
    let [labelled, linked, ..] = service.judge(&|_| true, &links, "tick of the clock");
    assert!(labelled == 0 && linked <= 3, "{linked} linked");
}

#[test]
fn a_key_that_names_requests_is_found_and_helps() {
    let mut service = service(600);
    let found = service.linked(&|_| true, &mut |_, _, _| {});
    let with_key = service.judge(&|_| true, &found, "still at it");
    assert!(with_key[2] * 100 >= with_key[0] * 95 && with_key[2] * 100 >= with_key[1] * 99, "{with_key:?}");
    service.lines.iter_mut().for_each(|line| line.request = None);
    let without_key = service.linked(&|_| true, &mut |_, _, _| {});
    let without_key = service.judge(&|_| true, &without_key, "still at it");
    assert!(without_key[2] < with_key[2] / 2, "{without_key:?}");
}

#[test]
fn a_span_takes_a_line_as_often_as_is_typical() {
    let mut service = service(600);
    // Every third request starts twice, and only one of both was recorded.
    let twins: Vec<Line> = (service.lines.iter())
        .filter(|line| line.text == "request started" && line.truth.is_some_and(|(request, _)| request % 3 == 0))
        .map(|line| Line { time: line.time + 150_000, text: line.text.clone(), request: None, truth: None })
        .collect();
    for line in service.lines.iter_mut() {
        line.request = None;
    }
    service.lines.extend(twins);
    service.lines.sort_by_key(|line| line.time);
    let links = service.linked(&|_| true, &mut |_, _, _| {});
    let mut taken = std::collections::HashMap::new();
    for (_, link) in service.lines.iter().zip(&links).filter(|(line, _)| line.text == "request started") {
        *taken.entry(link.map(|link| link.span_id)).or_insert(0) += 1;
    }
    taken.remove(&None);
    let twice = taken.values().filter(|count| **count > 1).count();
    assert!(twice <= 6 && taken.len() > 350, "{twice} of {} taken twice", taken.len());
}

#[test]
fn lines_of_requests_that_were_not_recorded_stay_without_a_span() {
    let service = service(1500);
    let is_recorded = |request: usize| (request * 2_654_435_761).is_multiple_of(5);
    let links = service.linked(&is_recorded, &mut |_, _, _| {});
    let [labelled, linked, right, _] = service.judge(&is_recorded, &links, "");
    assert!(right * 100 >= labelled * 85, "{right} of {labelled} found");
    assert!(right * 1000 >= linked * 985, "{right} of {linked} right");
    let unlabelled = service.lines.len() - labelled;
    assert!((linked - right) * 1000 <= unlabelled * 3, "{} of {unlabelled} false", linked - right);
}

#[test]
fn what_was_considered_is_told() {
    let service = service(600);
    let mut told = 0;
    service.linked(&|_| true, &mut |correlator, record, number| {
        let story = correlator.explain(record);
        match service.lines[number].truth {
            Some(_) if story.link.is_some_and(|link| link.confidence > Some(0.99)) => {
                let chosen = story.candidates.iter().find(|candidate| candidate.is_chosen).expect("a chosen one");
                assert_eq!(story.reason, None);
                assert_eq!(
                    story.link.map(|link| (link.trace_id, link.span_id)),
                    Some((chosen.trace_id, chosen.span_id))
                );
                assert!(!chosen.evidence.is_empty() && chosen.probability > 0.3, "{chosen:?}");
                told += 1;
            }
            None if story.link.is_none() => {
                assert!(matches!(story.reason, Some(Unlinked::NoSpan | Unlinked::NoSpanNear | Unlinked::Ambiguous)));
                told += 1;
            }
            _ => {}
        }
    });
    assert!(told > 2000, "{told}");
}

#[test]
fn a_line_beside_a_call_is_of_its_request() {
    let mut service = service(600);
    let mut random = Random(9);
    let calls = service.spans.iter().filter(|(_, span)| span.name == "query");
    let before: Vec<(usize, i64)> = calls.map(|(request, span)| (*request, span.start - 60_000)).collect();
    service.lines.extend(before.into_iter().map(|(request, time)| Line {
        time: time - random.below(20_000),
        text: "about to ask the database".into(),
        request: None,
        truth: Some((request, 1)),
    }));
    service.lines.sort_by_key(|line| line.time);
    let links = service.linked(&|_| true, &mut |_, _, _| {});
    let [labelled, linked, right, _] = service.judge(&|_| true, &links, "about to ask");
    assert!(right * 100 >= labelled * 90 && right * 100 >= linked * 98, "{right} of {labelled}, {linked} linked");
}

#[test]
fn a_word_that_two_lines_share_leads_from_one_to_the_other() {
    let mut service = service(600);
    let begun: Vec<i64> = service.spans.iter().step_by(2).map(|(_, span)| span.start).collect();
    let mut random = Random(11);
    for line in service.lines.iter_mut() {
        line.request = None;
        if let (Some((request, _)), "still at it") = (line.truth, line.text.as_str()) {
            line.time = begun[request] + 4 * MS + random.below(6 * MS);
        }
    }
    service.lines.sort_by_key(|line| line.time);
    let found = |service: &Service| {
        let links = service.linked(&|_| true, &mut |_, _, _| {});
        service.judge(&|_| true, &links, "still at it")
    };
    let without = found(&service);
    for line in service.lines.iter_mut() {
        if let (Some((request, _)), "request started" | "still at it" | "request done") =
            (line.truth, line.text.as_str())
        {
            line.text = format!("{} volume-{:06}", line.text, request * 7919 % 1_000_003);
        }
    }
    let with = found(&service);
    assert!(with[2] * 100 >= with[0] * 90 && with[2] * 100 >= with[1] * 98, "{with:?}");
    assert!(without[2] < with[2] / 2, "{without:?}");
}

#[test]
fn what_is_kept_for_explanations_changes_no_link() {
    let mut service = service(300);
    // From a time without spans: taken for lines of requests that were not recorded, they would make links less sure.
    let before: Vec<Line> = service
        .lines
        .iter()
        .map(|line| Line { time: line.time - 3_600_000 * MS, text: line.text.clone(), request: None, truth: None })
        .collect();
    service.lines.splice(0..0, before);
    let [plain, explained] = [false, true].map(|keeps| service.linked_with(keeps, &|_| true, &mut |_, _, _| {}));
    assert!(plain.iter().flatten().count() > 1000);
    assert_eq!(plain, explained);
}

#[test]
fn a_stream_links_as_well_as_all_at_once_and_however_it_comes() {
    let service = service(2_000);
    let links = service.streamed(1_000 * MS, 0);
    // By then enough is learned.
    let late = |links: &[Option<Link>]| -> Vec<Option<Link>> {
        let is_late = |line: &Line| line.time > service.lines[0].time + 5_000 * MS;
        links.iter().zip(&service.lines).map(|(link, line)| link.filter(|_| is_late(line))).collect()
    };
    let at_once = service.linked(&|_| true, &mut |_, _, _| {});
    for of in ["request started", "asking the database", "still at it", "request done"] {
        let [_, _, right_at_once, _] = service.judge(&|_| true, &late(&at_once), of);
        let [_, linked, right, exact] = service.judge(&|_| true, &late(&links), of);
        assert!(right * 1000 >= linked * 995, "{of}: {right} of {linked} right");
        assert!(right * 100 >= right_at_once * 99, "{of}: {right} right, of {right_at_once} at once");
        assert!(exact * 100 >= right * 97, "{of}: {exact} of {right} exact");
    }
    for chunk in [37, 250, 2_000] {
        assert!(service.streamed(chunk * MS, 0) == links, "other links where all of {chunk} ms comes at once");
    }
    assert!(service.streamed(1_000 * MS, 2) == links, "steps in which nothing is due change something");
}

#[test]
fn a_line_is_of_the_request_that_its_thread_handles() {
    const THREADS: [&str; 8] = ["w-0", "w-1", "w-2", "w-3", "w-4", "w-5", "w-6", "w-7"];
    let mut service = service(600);
    service.lines.iter_mut().for_each(|line| line.request = None);
    let mid_span = |service: &Service| {
        let links = service.linked(&|request| request % 3 == 0, &mut |_, _, _| {});
        service.judge(&|request| request % 3 == 0, &links, "still at it")
    };
    // Lines name it otherwise than spans do.
    for line in service.lines.iter_mut() {
        if let Some((request, _)) = line.truth {
            line.text = format!("{} by pool-1-thread-{}", line.text, request % 8);
        }
    }
    let without = mid_span(&service);
    for (request, span) in &mut service.spans {
        span.attributes.push((b"thread.name", THREADS[*request % 8].as_bytes()));
    }
    let with = mid_span(&service);
    assert!(with[2] * 100 >= with[0] * 90 && with[2] * 100 >= with[1] * 97, "{with:?}, without threads {without:?}");
    assert!(without[2] < with[2] / 2, "{without:?}");
}

#[test]
fn a_record_of_several_lines_has_one_link() {
    let mut service = Service { parts: Some("| "), ..service(600) };
    let asking = service.lines.iter().filter(|line| line.text.starts_with("asking"));
    let parts: Vec<Line> = asking
        .flat_map(|line| {
            let part = |text: &str, after: i64| Line {
                time: line.time + after,
                text: text.into(),
                request: None,
                truth: line.truth,
            };
            [part("| FROM orders", 20_000), part("| WHERE orders.id = ?", 30_000)]
        })
        .collect();
    service.lines.extend(parts);
    service.lines.sort_by_key(|line| line.time);
    let of_first = |links: &[Option<Link>]| {
        let (mut first, mut linked, mut same, mut all) = (None, 0, 0, 0);
        for (line, link) in service.lines.iter().zip(links) {
            let ids = link.as_ref().map(|link| (link.trace_id, link.span_id));
            if line.text.starts_with("asking") {
                first = ids;
                linked += usize::from(ids.is_some());
            } else if line.text.starts_with("| ") {
                (all, same) = (all + 1, same + usize::from(first == ids));
            }
        }
        (linked, same, all)
    };
    let links = service.linked(&|request| request % 4 == 0, &mut |_, _, _| {});
    let (linked, same, all) = of_first(&links);
    // Others write between now and then.
    assert!(linked >= 100 && same * 100 >= all * 99, "{linked} {same} of {all}");
    let links = service.streamed(MS * 1_000, 0);
    let (linked, same, all) = of_first(&links);
    // The first minute is for learning.
    assert!(linked >= 300 && same * 100 >= all * 70, "{linked} {same} of {all}");
}

#[test]
fn what_follows_now_and_then_is_a_record_of_its_own() {
    let mut service = Service { parts: Some("| "), ..service(600) };
    let asking = service.lines.iter().filter(|line| line.text.starts_with("asking"));
    let after = |(number, line): (usize, &Line)| {
        // Half of them are of nobody.
        let time = line.time + if number % 2 == 0 { 20_000 } else { 3 * MS };
        Line { time, text: "| tick".into(), request: None, truth: None }
    };
    let ticks: Vec<Line> = asking.enumerate().map(after).collect();
    service.lines.extend(ticks);
    service.lines.sort_by_key(|line| line.time);
    let mut lines = Lines::default();
    service.each_line(0..service.lines.len(), &mut |record, _| lines.add(1, record, 0, Hint::None, true));
    assert_eq!(Continuations::new(&lines, |_| 0).find(&lines, |_| 0), []);
}

#[test]
fn what_tells_longer_than_the_span_took_is_about_it() {
    let mut service = service(600);
    let requests = service.spans.iter().filter(|(_, span)| span.name == "GET /orders");
    let over: Vec<Line> = requests
        .map(|(request, span)| Line {
            time: span.end + 1_500,
            text: format!("handled in {:.6}ms", (span.end - span.start + 70_000) as f64 / 1e6),
            request: None,
            truth: Some((*request, 1)),
        })
        .collect();
    service.lines.extend(over);
    service.lines.sort_by_key(|line| line.time);
    let links = service.linked(&|_| true, &mut |_, _, _| {});
    let of_kind = service.lines.iter().zip(&links).filter(|(line, _)| line.text.starts_with("handled"));
    let relations: Vec<Relation> = of_kind.filter_map(|(_, link)| Some(link.as_ref()?.relation)).collect();
    let [labelled, linked, right, _] = service.judge(&|_| true, &links, "handled");
    assert!(right * 100 >= labelled * 80 && right * 100 >= linked * 98, "{right} of {labelled}, {linked} linked");
    assert!(relations.iter().all(|relation| *relation == Relation::About));
}

/// A stream that ends here, what comes after it is for the next run.
const SPLIT: i64 = 11_000 * MS;

/// What a stream taught, up to the split.
fn learned_of(shop: &Service) -> Vec<u8> {
    let mut correlator = Correlator::new(Limits::default());
    correlator.follow();
    let spans = shop.spans.iter().filter(|(_, span)| span.end < SPLIT);
    spans.for_each(|(_, span)| correlator.add_span(&SHOP, span));
    let count = shop.lines.partition_point(|line| line.time < SPLIT);
    shop.each_line(0..count, &mut |record, _| correlator.observe(record));
    (2..=11).for_each(|second| correlator.advance(second * 1_000 * MS, Memory::default()));
    correlator.learned()
}

/// So few lines after the split that nothing could be learned from them: how many there are in spans, linked, and rightly so.
fn linked_after(shop: &Service, correlator: &mut Correlator) -> (usize, usize, usize) {
    let first = shop.lines.partition_point(|line| line.time < SPLIT);
    let numbers = first + 100..first + 115;
    let (from, to) = (shop.lines[numbers.start].time, shop.lines[numbers.end].time);
    let spans = shop.spans.iter().filter(|(_, span)| span.end > from && span.start < to);
    spans.for_each(|(_, span)| correlator.add_span(&SHOP, span));
    shop.each_line(numbers.clone(), &mut |record, _| correlator.observe(record));
    correlator.advance(SPLIT + 2_000 * MS, Memory::default());
    let (mut with_span, mut linked, mut right) = (0, 0, 0);
    shop.each_line(numbers, &mut |record, number| {
        let (truth, link) = (shop.lines[number].truth, sure_link(correlator, record));
        with_span += usize::from(truth.is_some());
        linked += usize::from(link.is_some());
        right += usize::from(link.zip(truth).is_some_and(|(link, (request, _))| link.trace_id == ids(request, 1).0));
    });
    (with_span, linked, right)
}

#[test]
fn what_a_stream_learned_serves_the_next_run() {
    let shop = service(1_500);
    let learned = learned_of(&shop);
    let mut next = Correlator::new(Limits::default()).with_learned(&learned).unwrap();
    assert_eq!(next.learned().len(), learned.len(), "all that was kept is kept again");
    let (with_span, linked, right) = linked_after(&shop, &mut next);
    assert!(right == linked && right * 10 >= with_span * 7, "{right} of {linked} of {with_span}");
    let mut anew = Correlator::new(Limits::default());
    anew.follow();
    let (_, linked, _) = linked_after(&shop, &mut anew);
    assert!(linked <= right / 2, "{linked}");
    // What is cut or of another version is refused.
    for bytes in [&learned[..learned.len() - 1], &learned[..3], &[&[9], &learned[1..]].concat(), &[]] {
        assert!(Correlator::new(Limits::default()).with_learned(bytes).is_none());
    }
}

#[test]
fn which_threads_words_name_is_known_in_the_next_run() {
    const THREADS: [&str; 8] = ["w-0", "w-1", "w-2", "w-3", "w-4", "w-5", "w-6", "w-7"];
    let mut shop = service(1_500);
    for line in &mut shop.lines {
        line.request = None;
        if let Some((request, _)) = line.truth {
            line.text = format!("{} by pool-1-thread-{}", line.text, request % 8);
        }
    }
    for (request, span) in &mut shop.spans {
        span.attributes.push((b"thread.name", THREADS[*request % 8].as_bytes()));
    }
    let learned = learned_of(&shop);
    let mut next = Correlator::new(Limits::default()).with_learned(&learned).unwrap();
    // Others come first: numbers of resources are not what they were.
    next.number_of(&ResourceFact { service: "other", ..SHOP });
    let (with_span, linked, right) = linked_after(&shop, &mut next);
    assert!(right == linked && right * 10 >= with_span * 8, "{right} of {linked} of {with_span}");
    // The same without what was learned of threads: spans are of others.
    for (request, span) in &mut shop.spans {
        span.attributes = vec![(b"thread.name", THREADS[(*request / 8) % 8].as_bytes())];
    }
    let mut other = Correlator::new(Limits::default()).with_learned(&learned).unwrap();
    let (_, _, without) = linked_after(&shop, &mut other);
    assert!(without < right, "{without} of {right}");
}
