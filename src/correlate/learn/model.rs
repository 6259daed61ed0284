//! What a stream learned at its last estimation: lines are decided by it until the next.
//!
//! In go candidates with what was learned of them, out comes for later candidates what is known of their templates and of
//! their classes. Templates of which no line was seen for some estimations go. No line and no span is known here.

use super::association::Association;
use super::candidates::{Block, Candidates, Templates};
use super::continuations::Continuations;
use super::factors::adjacent_lines::OutcomeFactors;
use super::factors::by_trace::{NEUTRAL, TraceFactors};
use super::factors::shared_words::WordFactors;
use super::factors::threads::ThreadNames;
use super::features::tables::FeatureTables;
use super::habit::Habit;
use super::histograms::Histograms;
use super::operations::Operations;
use super::pick_span::Choices;
use super::request_keys::Agreement;
use super::span_habits::FamilyHabits;
use super::stream_tuning::{MODEL_COARSE_LINES, MODEL_FAMILY_LINES, MODEL_PREFERENCE_LEAST};
use super::written_time::Delays;
use crate::correlate::stored::stored;
use crate::correlate::text::hash::{NumberMap, NumberSet, mix};

/// Classes that a stream decides lines by: each takes five kilobytes. Of more, those go that were not seen for longest.
const CLASSES_MAX: usize = 1 << 12;
/// Templates whose digits of the second are known.
const DIGITS_MAX: usize = 1 << 16;
/// Words that it is known how rare they are.
const WORDS_MAX: usize = 1 << 18;

/// See the module.
#[derive(Debug)]
pub(crate) struct Model {
    pub(super) templates: NumberMap<u64, TemplateModel>,
    /// Of templates that differ by a value only.
    pub(super) families: NumberMap<u64, FamilyHabits>,
    /// By a family, or a coarse form: the template that has most lines of it, which stands in for those that are not known.
    pub(super) stand_ins: NumberMap<u64, StandIn>,
    /// Of templates that are not known.
    pub(super) unknown: TemplateModel,
    /// Of operations in which no line of a template is written.
    pub(super) never: ClassModel,
    /// How well the values of keys agreed on a trace.
    pub(crate) agreement: Agreement,
    /// Of each service: the share of its lines without a recorded span.
    pub(crate) without_span: NumberMap<u32, f32>,
    pub(crate) delays: Delays,
    /// Which threads words name.
    pub(crate) threads: ThreadNames,
    /// Kinds that go on with a record.
    pub(crate) continuations: Continuations,
    pub(super) digits: NumberMap<u64, u8>,
    /// Words that many traces hold.
    pub(crate) common_words: NumberSet<u32>,
    /// How rare words of lines are that are not of the rarest.
    pub(crate) rarities: NumberMap<u32, u8>,
    /// Number of estimations.
    pub(super) estimations: u32,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct StandIn {
    template: u64,
    lines: u32,
    seen: u32,
}

stored!(StandIn { template, lines, seen });

/// What is known of a template.
#[derive(Debug)]
pub(crate) struct TemplateModel {
    pub(crate) lines: u32,
    family: u64,
    /// The share of its lines without a recorded span.
    pub(crate) none_share: f32,
    pub(crate) concurrency: f32,
    pub(crate) after_end: f32,
    pub(crate) shared_words: WordFactors,
    pub(crate) adjacent_lines: OutcomeFactors,
    pub(crate) threads: TraceFactors,
    /// By operation, in order.
    classes: Vec<(u64, ClassModel)>,
    /// The last estimation that saw lines of it.
    seen: u32,
}

stored!(TemplateModel {
    lines,
    family,
    none_share,
    concurrency,
    after_end,
    shared_words,
    adjacent_lines,
    classes,
    seen,
    threads
});

/// What is known of a template in an operation.
#[derive(Debug)]
pub(crate) struct ClassModel {
    pub(crate) habit: Habit,
    clutter: Histograms,
    /// Lines that a span takes.
    pub(crate) capacity: f32,
}

stored!(ClassModel { habit, clutter, capacity });

/// What is known of candidates: of each template and each class.
pub(crate) struct Recalled<'m> {
    pub(crate) templates: Vec<&'m TemplateModel>,
    pub(crate) classes: Vec<&'m ClassModel>,
}

impl Default for Model {
    fn default() -> Model {
        let unknown = TemplateModel {
            lines: 0,
            family: 0,
            none_share: 1.0,
            concurrency: 1.0,
            after_end: 1.0,
            shared_words: WordFactors::default(),
            adjacent_lines: OutcomeFactors::default(),
            threads: NEUTRAL,
            classes: Vec::new(),
            seen: 0,
        };
        let mut habit = Habit::blank(1);
        habit.preference = 0.0;
        let never = ClassModel { habit, clutter: Histograms::default(), capacity: 1.0 };
        let (templates, families, stand_ins, agreement, without_span) = Default::default();
        let (delays, threads, continuations, digits, common_words, rarities) = Default::default();
        Model {
            templates,
            families,
            stand_ins,
            unknown,
            never,
            agreement,
            without_span,
            delays,
            threads,
            continuations,
            digits,
            common_words,
            rarities,
            estimations: 0,
        }
    }
}

fn key(service: u32, template: u64) -> u64 {
    mix(u64::from(service), template)
}

impl Model {
    /// A kind of lines of a service makes a template.
    pub(crate) fn is_template(&self, service: u32, kind: u64) -> bool {
        self.templates.contains_key(&key(service, kind))
    }

    /// … or one stands in for it.
    pub(crate) fn is_known(&self, service: u32, kind: u64) -> bool {
        self.is_template(service, kind) || self.stand_ins.contains_key(&key(service, kind))
    }

    /// What is known of a template among candidates, and the lines that it is known by: fewer where another stands in for it.
    fn known(&self, candidates: &Candidates, template: usize) -> Option<(&TemplateModel, u32)> {
        let Templates { service, key: own, family_key, .. } = &candidates.templates;
        let service = service[template];
        if let Some(known) = self.templates.get(&key(service, own[template])) {
            return Some((known, known.lines));
        }
        let is_coarse = own[template] == family_key[template];
        let known = self.templates.get(&self.stand_ins.get(&key(service, family_key[template]))?.template)?;
        let most = if is_coarse { MODEL_COARSE_LINES } else { MODEL_FAMILY_LINES };
        Some((known, known.lines.min(most)))
    }

    /// Bytes that are kept, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let classes: usize = self.templates.values().map(|known| known.classes.len()).sum();
        let habits: usize = self.families.values().map(FamilyHabits::bytes).sum();
        classes * size_of::<(u64, ClassModel)>()
            + self.templates.len() * size_of::<(u64, TemplateModel)>()
            + habits
            + self.threads.bytes()
            + self.stand_ins.len() * size_of::<(u64, StandIn)>()
            + self.digits.len() * size_of::<(u64, u8)>()
            + (self.common_words.len() + self.rarities.len()) * size_of::<(u32, u8)>()
    }

    /// Digits of the second in lines of a template, 0 where that is not known.
    pub(crate) fn digits_of(&self, service: u32, template: u64) -> u8 {
        self.digits.get(&key(service, template)).copied().unwrap_or_default()
    }

    /// What is known of the spans that hold lines of the template of a block and of those that differ by a value only.
    pub(crate) fn family(&self, candidates: &Candidates, block: &Block) -> Option<&FamilyHabits> {
        let templates = &candidates.templates;
        let own = key(templates.service[block.template], templates.family_key[block.template]);
        let stand_in = || self.families.get(&self.known(candidates, block.template)?.0.family);
        self.families.get(&own).or_else(stand_in)
    }

    /// Tells the lines of a template among candidates, and the clutter of its classes, which begin with `first`.
    pub(crate) fn recall(&self, candidates: &mut Candidates, template: usize, first: usize, operations: &Operations) {
        let (known, lines) = self.known(candidates, template).unwrap_or((&self.unknown, 0));
        candidates.templates.lines[template] = lines;
        for ((_, operation), clutter) in candidates.classes[first..].iter().zip(&mut candidates.clutter[first..]) {
            if let Some(class) = known.class(operations.key(*operation)) {
                clutter.clone_from(&class.clutter);
            }
        }
    }

    /// What is known of the templates and classes of candidates.
    pub(crate) fn recalled(&self, candidates: &Candidates, operations: &Operations) -> Recalled<'_> {
        let known = |block: &Block| self.known(candidates, block.template).map_or(&self.unknown, |(known, _)| known);
        let templates: Vec<&TemplateModel> = candidates.blocks.iter().map(known).collect();
        let class = |(template, operation): &(u32, u32)| {
            templates[*template as usize].class(operations.key(*operation)).unwrap_or(&self.never)
        };
        let classes = candidates.classes.iter().map(class).collect();
        Recalled { templates, classes }
    }

    /// Learns from an estimation: what was known of the same templates before is in it.
    pub(crate) fn take_in(
        &mut self,
        candidates: &Candidates,
        mut association: Association,
        choices: Choices,
        tables: &FeatureTables<'_>,
    ) {
        self.estimations += 1;
        self.without_span.extend(association.without_span(candidates));
        for block in &candidates.blocks {
            self.take_in_template(candidates, &mut association, block, tables.operations);
        }
        for (block, habits) in choices.habits {
            let templates = &candidates.templates;
            let template = candidates.blocks[block as usize].template;
            let known = habits.into_iter().map(|(operation, habit)| (tables.operations.key(operation), habit));
            let family = key(templates.service[template], templates.family_key[template]);
            self.families.insert(family, FamilyHabits::new(known, self.estimations));
        }
        if self.rarities.len() + self.common_words.len() > WORDS_MAX {
            self.rarities.clear();
            self.common_words.clear();
        }
        self.threads.take_in(std::mem::take(&mut association.context.threads.names));
        self.rarities.extend(association.context.shared_words.rarities);
        self.common_words.extend(tables.trace_words.common());
        self.delays.take_in(Delays::new(candidates.rows.iter().map(|row| &tables.lines.rows[row.line as usize])));
        if self.digits.len() > DIGITS_MAX {
            self.digits.clear();
        }
        for line in candidates.rows.iter().map(|row| &tables.lines.rows[row.line as usize]) {
            let service = tables.operations.service_of_writer(line.writer);
            let digits = self.digits.entry(key(service, line.template.fine)).or_default();
            *digits = line.digits.max(*digits);
        }
        self.find_stand_ins(candidates, tables);
        self.bound();
    }

    fn find_stand_ins(&mut self, candidates: &Candidates, tables: &FeatureTables<'_>) {
        let Templates { service, key: own, family_key, lines, .. } = &candidates.templates;
        let seen = self.estimations;
        let mut offer = |kind: u64, template: usize| {
            let service = service[template];
            let offered = StandIn { template: key(service, own[template]), lines: lines[template], seen };
            let known = self.stand_ins.entry(key(service, kind)).or_insert(offered);
            if known.seen < seen || known.lines < offered.lines {
                *known = offered;
            }
        };
        for block in &candidates.blocks {
            offer(family_key[block.template], block.template);
            let mut last = None;
            for row in &candidates.rows[block.rows.clone()] {
                let coarse = tables.lines.rows[row.line as usize].template.coarse;
                if last.replace(coarse) != Some(coarse) {
                    offer(coarse, block.template);
                }
            }
        }
    }

    fn take_in_template(
        &mut self,
        candidates: &Candidates,
        association: &mut Association,
        block: &Block,
        operations: &Operations,
    ) {
        let template = block.template;
        let mut classes = Vec::new();
        let own = key(candidates.templates.service[template], candidates.templates.key[template]);
        for class in block.classes.clone() {
            let Some(habit) = association.habits[class].take() else { continue };
            if habit.preference >= MODEL_PREFERENCE_LEAST {
                let (clutter, capacity) = (candidates.clutter[class].clone(), association.capacity[class]);
                classes.push((operations.key(candidates.classes[class].1), ClassModel { habit, clutter, capacity }));
            }
        }
        classes.sort_unstable_by_key(|class| class.0);
        let context = &association.context;
        let known = TemplateModel {
            lines: candidates.templates.lines[template],
            family: key(candidates.templates.service[template], candidates.templates.family_key[template]),
            none_share: association.posteriors.none_share[template],
            concurrency: context.concurrency.ratios[template],
            after_end: context.after_end[template],
            shared_words: context.shared_words.factors[template],
            adjacent_lines: context.adjacent_lines.factors[template],
            threads: context.threads.factors[template],
            classes,
            seen: self.estimations,
        };
        self.templates.insert(own, known);
    }

    /// Of more classes than there is room for, those go that were not seen for longest.
    fn bound(&mut self) {
        let count = |templates: &NumberMap<u64, TemplateModel>| -> usize {
            templates.values().map(|known| known.classes.len() + 1).sum()
        };
        while count(&self.templates) > CLASSES_MAX {
            let oldest = self.templates.values().map(|known| known.seen).min().unwrap_or_default();
            if oldest == self.estimations {
                let mut lines: Vec<u32> = self.templates.values().map(|known| known.lines).collect();
                let half = lines.len() / 2;
                let least = *lines.select_nth_unstable(half).1;
                self.templates.retain(|_, known| known.lines > least);
                break;
            }
            self.templates.retain(|_, known| known.seen > oldest);
            self.families.retain(|_, known| known.seen > oldest);
        }
        if self.families.len() > CLASSES_MAX {
            self.families.retain(|_, known| known.seen == self.estimations);
        }
        let templates = &self.templates;
        self.stand_ins.retain(|_, stand_in| templates.contains_key(&stand_in.template));
    }
}

impl TemplateModel {
    fn class(&self, operation: u64) -> Option<&ClassModel> {
        let at = self.classes.binary_search_by_key(&operation, |class| class.0).ok()?;
        Some(&self.classes[at].1)
    }
}
