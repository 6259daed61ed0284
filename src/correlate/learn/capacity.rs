//! Capacity: a span takes the lines of a template as often as is typical of its class, not more.
//!
//! In go the weights of a template's pairs, out come the same after spans beyond their capacity have given lines to others,
//! or to none (iterative scaling). How likely a line is in a span is not known here.

use super::candidates::{Block, Candidates};
use super::tuning::{
    CAPACITY_CONVERGED, CAPACITY_KEPT_LEAST, CAPACITY_KEPT_LEAST_UNRECORDED, CAPACITY_QUANTILE,
    CAPACITY_QUANTILE_UNRECORDED, CAPACITY_ROUNDS,
};
use super::working_set::WorkingSet;

/// Lines of one template in one span that are told apart.
const CAPS: usize = 64;

/// See the module.
#[derive(Debug)]
pub(crate) struct Capacity {
    /// Of each class: expected lines in all, and how many a span may take.
    pub(crate) sums: Vec<f32>,
    pub(crate) caps: Vec<f32>,
    pub(crate) cells: Vec<Cell>,
    /// Of the template in the working set: rows some of whose spans keep less than they take.
    giving: Vec<usize>,
    changing: Changing,
}

/// A span and a template that may be written in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    class: u32,
    /// Lines that it takes.
    pub(crate) taken: f32,
    /// The part of them that it keeps.
    part: f32,
    /// … in all rounds together: where the next begins.
    kept: f32,
}

impl Cell {
    fn gives(&self) -> bool {
        self.part != 1.0 || self.kept != 1.0
    }
}

/// Cells that give or take while a template is shared, each once.
#[derive(Debug, Default)]
struct Changing {
    cells: Vec<u32>,
    is_in: Vec<bool>,
}

impl Changing {
    fn clear(&mut self) {
        for cell in self.cells.drain(..) {
            self.is_in[cell as usize] = false;
        }
    }

    fn take(&mut self, cell: u32) {
        if !std::mem::replace(&mut self.is_in[cell as usize], true) {
            self.cells.push(cell);
        }
    }
}

impl Capacity {
    pub(crate) fn new(candidates: &Candidates) -> Capacity {
        let [sums, caps] = [0.0, 1.0].map(|value| vec![value; candidates.classes.len()]);
        let mut cells = vec![Cell { class: 0, taken: 0.0, part: 1.0, kept: 1.0 }; candidates.cells];
        for pair in &candidates.pairs {
            cells[pair.cell as usize].class = pair.class;
        }
        let changing = Changing { cells: Vec::new(), is_in: vec![false; candidates.cells] };
        Capacity { sums, caps, cells, giving: Vec::new(), changing }
    }

    /// Scales the weights so that no span takes more than its capacity.
    /// `none`: the share of its lines without a span.
    pub(crate) fn share(&mut self, block: &Block, none: f32, working: &mut WorkingSet) {
        let unrecorded = (2.0 * none).min(1.0);
        let Capacity { caps, cells, giving, changing, .. } = self;
        let least = CAPACITY_KEPT_LEAST * (CAPACITY_KEPT_LEAST_UNRECORDED / CAPACITY_KEPT_LEAST).powf(unrecorded);
        // What was given away in the round before is given away first, and got back where too much was.
        cells[block.cells.clone()].iter_mut().for_each(|cell| cell.part = cell.kept);
        changing.clear();
        let mut grows = true;
        for sharing in 0..=CAPACITY_ROUNDS {
            // Lines all of whose spans keep everything are as they were.
            if std::mem::take(&mut grows) {
                giving.clear();
                for (at, row) in working.rows.iter().enumerate() {
                    let pairs = &working.pairs[row.pairs()];
                    if pairs.iter().any(|pair| cells[pair.cell as usize].gives()) {
                        giving.push(at);
                        pairs.iter().for_each(|pair| changing.take(pair.cell));
                    }
                }
            }
            for at in giving.iter().copied() {
                let range = working.rows[at].pairs();
                let pairs = &working.pairs[range.clone()];
                let weights = &mut working.weights[range];
                let none = &mut working.rows[at].none;
                let mut all = *none;
                for (pair, weight) in pairs.iter().zip(weights.iter_mut()) {
                    let cell = &mut cells[pair.cell as usize];
                    cell.taken -= *weight;
                    *weight *= cell.part;
                    all += *weight;
                }
                let scale = 1.0 / all.max(1e-12);
                *none *= scale;
                for (pair, weight) in pairs.iter().zip(weights.iter_mut()) {
                    *weight *= scale;
                    cells[pair.cell as usize].taken += *weight;
                }
            }
            let mut moved = 0.0f32;
            let mut share = |cell: &mut Cell| {
                let cap = caps[cell.class as usize];
                if cell.kept == 1.0 && cell.taken <= cap {
                    cell.part = 1.0;
                    return;
                }
                let next = (cell.kept * cap / cell.taken.max(1e-9)).clamp(least, 1.0);
                cell.part = next / cell.kept;
                grows |= cell.kept == 1.0;
                cell.kept = next;
                moved = moved.max((cell.part - 1.0).abs());
            };
            if sharing == 0 {
                for number in &working.cells {
                    let cell = &mut cells[*number as usize];
                    share(cell);
                    if cell.gives() {
                        changing.take(*number);
                    }
                }
            } else {
                // Of the others nothing has been given or taken since.
                changing.cells.iter().for_each(|number| share(&mut cells[*number as usize]));
            }
            if moved < 1.0 - CAPACITY_CONVERGED {
                break;
            }
        }
    }

    /// The capacity of each class: a low quantile of the lines per span, most spans have so many or more. Not the mean,
    /// since unrecorded requests that come in the same burst would raise it. `none`: the share of its lines without a span.
    pub(crate) fn find_caps(&mut self, candidates: &Candidates, block: &Block, none: f32, working: &WorkingSet) {
        let unrecorded = (2.0 * none).min(1.0);
        let share = CAPACITY_QUANTILE + (CAPACITY_QUANTILE_UNRECORDED - CAPACITY_QUANTILE) * unrecorded;
        let mut spans = vec![[0u32; CAPS]; block.classes.len()];
        for cell in working.cells.iter().map(|cell| &self.cells[*cell as usize]) {
            if cell.taken > 0.5 {
                let class = cell.class as usize - block.classes.start;
                // Rounded.
                spans[class][((cell.taken + 0.5) as usize).min(CAPS) - 1] += 1;
            }
        }
        for (class, spans) in block.classes.clone().zip(&spans) {
            let all_spans = candidates.spans_of[candidates.classes[class].1 as usize];
            let all: u32 = spans.iter().sum();
            let mut below = 0;
            let quantile = spans.iter().position(|count| {
                below += count;
                below as f32 > share * all as f32
            });
            let mean = (self.sums[class] / all_spans.max(1) as f32).round().max(1.0);
            self.caps[class] = (quantile.unwrap_or(0) as f32 + 1.0).min(mean);
        }
    }
}
