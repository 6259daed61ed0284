//! Who could have written a line: each line with the spans of its process that are open at its time.
//!
//! In go lines and the index, out come rows ordered by template, and for each row its pairs (line, span) with what they
//! have in common: the distance to the span's start and end, and which clues hit. The same look-up at shifted times tells
//! what chance alone gives (clutter). Nothing is weighed here.

use std::ops::Range;

use super::bins::{BINS, bin};
use super::habits::Counts;
use super::operations::Operations;
use super::past::{Past, Recalled};
use super::rows;
pub(crate) use super::rows::Row;
use super::times::shifted;
use super::view::View;
use crate::correlate::index::{Open, Slot};
use crate::correlate::text::hash::NumberMap;

/// Kinds of clues together: a duration in the text that is the span's (1), words they share (2, 4, 6), known lines just
/// before or after that are of the trace (8 one, 16 both).
pub(crate) const CLUES: usize = 24;
/// Of them: the duration, a rare word, and a known line beside it.
pub(crate) const DURATION: u8 = 1;
pub(crate) const RARE_WORD: u8 = 4;
/// … held by the span or one above it: both bits.
pub(crate) const OWN_WORD: u8 = 6;
pub(crate) const SIDE: u8 = 8;
/// Ends are read after the line is written, but for what clocks round away.
const LATE_NS: i64 = 2_000;
/// Pairs kept in all.
const PAIRS_MAX: usize = 24 << 20;
/// Room is made for so many pairs of each of so many lines at first: what is never used costs nothing, growing does.
const PAIRS_PER_ROW: usize = 16;
const ROWS_RESERVED: usize = 64 << 10;
/// Pairs of template and operation kept: each takes a kilobyte.
const KINDS_MAX: usize = 1 << 16;
/// Times at which chance is measured, per line: so many where a template has few lines, fewer where it has many.
const SHIFTS: usize = 8;
const SHIFTS_OF_TEMPLATE: usize = 2_000;
/// … of which so many tell of clues.
const CLUE_SHIFTS: usize = 3;
/// What all kinds of lines have by chance counts like so many lines of each.
const COMMON_LINES: f32 = 100.0;
/// Traces of a line that have a number of their own: all beyond share the last.
pub(crate) const TRACES_MAX: usize = u8::MAX as usize;

/// What belongs to one template.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) template: usize,
    pub(crate) rows: Range<usize>,
    pub(crate) pairs: Range<usize>,
    pub(crate) kinds: Range<usize>,
    pub(crate) cells: Range<usize>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Scene {
    pub(crate) rows: Vec<Row>,
    /// One for each template, in order.
    pub(crate) blocks: Vec<Block>,
    /// Lines of each template.
    pub(crate) template_lines: Vec<u32>,
    /// The service of each template.
    pub(crate) template_group: Vec<u32>,
    /// What each template says, whoever writes it.
    pub(crate) template_message: Vec<u64>,
    /// What tells it from others of its service.
    pub(crate) template_kind: Vec<u64>,
    /// The same for templates that differ by a value only.
    pub(crate) template_family: Vec<u32>,
    pub(crate) pairs: Vec<Pair>,
    /// (template, operation) of each habit.
    pub(crate) kinds: Vec<(u32, u32)>,
    /// What chance gives of each.
    pub(crate) chance: Vec<Counts>,
    /// Of each service: lines of templates that were left out, since no span was open at any line of theirs.
    pub(crate) without_pairs: NumberMap<u32, u32>,
    /// Lines some of whose spans were beyond a limit.
    pub(crate) overflow: u64,
    /// Distinct (span, template).
    pub(crate) cells: usize,
    /// Distinct spans of each operation that any line might belong to.
    pub(crate) spans_of: Vec<u32>,
    /// Spans of each operation while its process wrote lines.
    pub(crate) all_spans_of: Vec<u32>,
    /// What was known before.
    pub(crate) recalled: Recalled,
}

/// A line and a span that might have written it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) slot: Slot,
    pub(crate) kind: u32,
    pub(crate) cell: u32,
    pub(crate) start_bin: u8,
    pub(crate) end_bin: u8,
    /// Of the distance to the nearest end or start of a span below.
    pub(crate) edge_bin: u8,
    pub(crate) clues: u8,
    /// The line was certainly written after the span's end.
    pub(crate) late: bool,
    /// It was stamped after the end of all spans of the trace.
    pub(crate) ended: bool,
    /// The span went on after the one above it had ended, which was before the line: it only waits for something.
    pub(crate) waits: bool,
    /// Number of its trace among those of the line.
    pub(crate) trace: u8,
}

impl Scene {
    /// Looks all of these lines up.
    pub(crate) fn new(view: &View<'_>, wanted: impl Iterator<Item = u32>, past: Option<&Past>) -> Scene {
        let mut scene = Scene::default();
        rows::place(&mut scene, view, wanted, past);
        scene.spans_of = vec![0; view.operations.count()];
        let mut seen = vec![false; view.index.len()];
        let mut work = Work {
            kind_of: vec![u32::MAX; view.operations.count()],
            cell_of: vec![u32::MAX; view.index.len()],
            ..Work::default()
        };
        scene.pairs.reserve(PAIRS_PER_ROW * scene.rows.len().min(ROWS_RESERVED));
        let ranges = rows::ranges(&scene.rows, view);
        scene.count_spans(view, &ranges);
        let (mut from, mut kept) = (0, 0);
        while from < scene.rows.len() {
            let template = scene.rows[from].template;
            let count = scene.rows[from..].iter().take_while(|row| row.template == template).count();
            scene.rows.copy_within(from..from + count, kept);
            from += count;
            let rows = kept..kept + count;
            let (pairs, kinds, cells) = (scene.pairs.len(), scene.kinds.len(), scene.cells);
            rows::renumber(&mut scene, template as usize, rows.clone());
            scene.pair_up(view, rows.clone(), &mut work);
            if scene.pairs.len() == pairs {
                // Nothing was open at any of its lines, unless there is no room: there is nothing to learn or to decide.
                if pairs < PAIRS_MAX {
                    *scene.without_pairs.entry(scene.template_group[scene.blocks.len()]).or_default() += count as u32;
                }
                continue;
            }
            kept = rows.end;
            scene.shift(view, rows.clone(), &ranges, &mut work);
            scene.blocks.push(Block {
                template: scene.blocks.len(),
                rows,
                pairs: pairs..scene.pairs.len(),
                kinds: kinds..scene.kinds.len(),
                cells: cells..scene.cells,
            });
            work.clear();
        }
        rows::keep(&mut scene, kept);
        if let Some(past) = past {
            past.recall(&mut scene, view.operations);
        }
        scene.share_chance(view.operations.count());
        for pair in &scene.pairs {
            if !std::mem::replace(&mut seen[pair.slot as usize], true) {
                scene.spans_of[view.operations.of(pair.slot) as usize] += 1;
            }
        }
        scene
    }

    /// What runs beside lines of one kind by chance runs beside others of the service too: kinds with few lines know it from
    /// these. Without that, learning ends up elsewhere with other moments to measure at.
    fn share_chance(&mut self, operations: usize) {
        let mut sums = vec![([[0.0f32; BINS]; 3], 0.0f32); operations];
        for (kind, (template, operation)) in self.kinds.iter().enumerate() {
            let (sums, lines) = &mut sums[*operation as usize];
            *lines += self.template_lines[*template as usize] as f32;
            let own = [&self.chance[kind].start, &self.chance[kind].end, &self.chance[kind].edge];
            for (sum, own) in sums.as_flattened_mut().iter_mut().zip(own.into_iter().flatten()) {
                *sum += own;
            }
        }
        for (kind, (template, operation)) in self.kinds.iter().enumerate() {
            let (sums, all) = &sums[*operation as usize];
            let lines = self.template_lines[*template as usize] as f32;
            let (scale, common) = (lines / (lines + COMMON_LINES), COMMON_LINES / all);
            let Counts { start, end, edge, .. } = &mut self.chance[kind];
            for (own, sum) in [start, end, edge].into_iter().flatten().zip(sums.as_flattened()) {
                *own = (*own + common * sum) * scale;
            }
        }
    }

    /// Of each trace of a row: what its pairs have together, `least` each.
    pub(crate) fn sums_by_trace(
        &self,
        operations: &Operations,
        weights: &[f32],
        row: &Row,
        least: f32,
        sums: &mut Vec<(u32, f32)>,
    ) {
        sums.clear();
        for (pair, weight) in self.pairs[row.pairs()].iter().zip(&weights[row.pairs()]) {
            let (number, weight) = (usize::from(pair.trace), weight.max(least));
            // Traces are numbered as they come.
            match sums.get_mut(number) {
                Some((_, sum)) if number < TRACES_MAX => *sum += weight,
                _ if number < TRACES_MAX => sums.push((operations.trace(pair.slot), weight)),
                _ => {
                    let trace = operations.trace(pair.slot);
                    match sums.iter_mut().find(|(other, _)| *other == trace) {
                        Some((_, sum)) => *sum += weight,
                        None => sums.push((trace, weight)),
                    }
                }
            }
        }
    }

    /// The trace that has more than `sure` of a row.
    pub(crate) fn sure_trace(&self, operations: &Operations, weights: &[f32], row: &Row, sure: f32) -> Option<u32> {
        let pairs = || self.pairs[row.pairs()].iter().zip(&weights[row.pairs()]);
        let mut sums = [0.0; TRACES_MAX + 1];
        let mut count = 0;
        for (pair, weight) in pairs() {
            let number = usize::from(pair.trace);
            sums[number] += weight;
            count = count.max(number + 1);
        }
        if count > TRACES_MAX {
            let mut all = Vec::new();
            self.sums_by_trace(operations, weights, row, 0.0, &mut all);
            return all.into_iter().find(|(_, sum)| *sum > sure).map(|(trace, _)| trace);
        }
        let number = sums[..count].iter().position(|sum| *sum > sure)?;
        let (pair, _) = pairs().find(|(pair, _)| usize::from(pair.trace) == number)?;
        Some(operations.trace(pair.slot))
    }

    fn count_spans(&mut self, view: &View<'_>, ranges: &[(i64, i64)]) {
        let mut of_resource: NumberMap<u32, (i64, i64)> = NumberMap::default();
        for (range, resources) in ranges.iter().zip(view.resources).filter(|(range, _)| range.0 <= range.1) {
            for resource in *resources {
                let all = of_resource.entry(*resource).or_insert(*range);
                *all = (all.0.min(range.0), all.1.max(range.1));
            }
        }
        self.all_spans_of = vec![0; view.operations.count()];
        for slot in 0..view.index.len() as Slot {
            let span = view.index.span(slot);
            if of_resource.get(&span.resource).is_some_and(|range| span.start <= range.1 && span.end >= range.0) {
                self.all_spans_of[view.operations.of(slot) as usize] += 1;
            }
        }
    }

    fn pair_up(&mut self, view: &View<'_>, range: Range<usize>, work: &mut Work) {
        for at in range {
            let row = self.rows[at];
            let line = &view.lines.rows[row.line as usize];
            view.open_at(&row, row.time, &mut work.open);
            view.words_of(line, &mut work.words);
            let near = view.neighbours.around(line.writer, row.time);
            let is_bare = view.is_bare(line, &work.words, near);
            self.rows[at].first = self.pairs.len() as u32;
            work.traces.clear();
            work.ends.clear();
            let mut is_whole = true;
            for open in &work.open {
                if self.pairs.len() >= PAIRS_MAX {
                    is_whole = false;
                    break;
                }
                let slot = open.slot;
                let operation = view.operations.of(slot);
                let kind = &mut work.kind_of[operation as usize];
                if *kind == u32::MAX {
                    if self.kinds.len() >= KINDS_MAX {
                        is_whole = false;
                        continue;
                    }
                    *kind = self.kinds.len() as u32;
                    work.operations.push(operation);
                    self.kinds.push((row.template, operation));
                }
                let cell = &mut work.cell_of[slot as usize];
                if *cell == u32::MAX {
                    *cell = self.cells as u32;
                    self.cells += 1;
                    work.slots.push(slot);
                }
                let trace = number_in(&mut work.traces, view.operations.trace(slot));
                match work.ends.get_mut(usize::from(trace)) {
                    Some(end) => *end = open.end.max(*end),
                    None => work.ends.push(open.end),
                }
                self.pairs.push(Pair {
                    slot,
                    kind: *kind,
                    cell: *cell,
                    start_bin: bin(row.time - open.start),
                    end_bin: bin(open.end - row.time),
                    edge_bin: view.edges.bin(slot, row.time),
                    clues: if is_bare { 0 } else { view.clues(line, &work.words, near, open) },
                    late: false,
                    ended: false,
                    waits: view.edges.outlives_parent(slot, row.low),
                    trace,
                });
            }
            self.overflow += u64::from(!is_whole);
            self.rows[at].count = self.pairs.len() as u32 - self.rows[at].first;
            self.mark_late(at, &work.ends);
        }
        self.chance.resize(self.kinds.len(), Counts::default());
    }

    /// Marks the pairs of traces all of whose spans here had ended when the line was written.
    fn mark_late(&mut self, at: usize, ends: &[i64]) {
        let row = self.rows[at];
        for pair in &mut self.pairs[row.pairs()] {
            let end = ends[usize::from(pair.trace)];
            pair.late = row.low > end.saturating_add(LATE_NS);
            pair.ended = row.time > end;
        }
    }

    /// The same lines at other times: what they share with spans by chance.
    fn shift(&mut self, view: &View<'_>, range: Range<usize>, ranges: &[(i64, i64)], work: &mut Work) {
        let shifts = (SHIFTS_OF_TEMPLATE / range.len().max(1)).clamp(1, SHIFTS);
        let (share, clue_share) = (1.0 / shifts as f32, 1.0 / shifts.min(CLUE_SHIFTS) as f32);
        for at in range {
            let row = self.rows[at];
            let line = &view.lines.rows[row.line as usize];
            let range = ranges.get(line.writer as usize).copied().unwrap_or((row.time, row.time));
            view.words_of(line, &mut work.words);
            for number in 0..shifts {
                let time = shifted(row.time, range, &mut work.random);
                view.open_at(&row, time, &mut work.open);
                let tells_clues = number < CLUE_SHIFTS && !work.open.is_empty();
                let near = if tells_clues { view.neighbours.around(line.writer, time) } else { [None; 2] };
                let is_bare = view.is_bare(line, &work.words, near);
                for open in &work.open {
                    let kind = work.kind_of[view.operations.of(open.slot) as usize] as usize;
                    if kind == u32::MAX as usize {
                        continue;
                    }
                    let chance = &mut self.chance[kind];
                    chance.start[bin(time - open.start) as usize] += share;
                    chance.end[bin(open.end - time) as usize] += share;
                    chance.edge[view.edges.bin(open.slot, time) as usize] += share;
                    if tells_clues {
                        let clues = if is_bare { 0 } else { view.clues(line, &work.words, near, open) };
                        chance.clues[clues as usize] += clue_share;
                    }
                }
            }
        }
    }
}

#[derive(Default)]
struct Work {
    kind_of: Vec<u32>,
    cell_of: Vec<u32>,
    operations: Vec<u32>,
    slots: Vec<Slot>,
    open: Vec<Open>,
    words: Vec<(u32, bool)>,
    traces: Vec<u32>,
    ends: Vec<i64>,
    random: u64,
}

fn number_in(traces: &mut Vec<u32>, trace: u32) -> u8 {
    let known = traces.iter().position(|other| *other == trace);
    let number = known.unwrap_or_else(|| {
        traces.push(trace);
        traces.len() - 1
    });
    number.min(TRACES_MAX) as u8
}

impl Work {
    fn clear(&mut self) {
        for operation in self.operations.drain(..) {
            self.kind_of[operation as usize] = u32::MAX;
        }
        for slot in self.slots.drain(..) {
            self.cell_of[slot as usize] = u32::MAX;
        }
    }
}
