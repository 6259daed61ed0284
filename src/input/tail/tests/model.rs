//! Random actions of writers, rotation and the follower, against a model that knows every byte that was written.
//!
//! What is written are units that are all different, most of them a line each. In the end each unit that still exists must
//! have been given: once and in order, or at least once where the follower was started again from an earlier state. What
//! was destroyed may be missing, and no more than that may be counted as lost; what was seen before it was deleted is
//! given or counted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use proptest::prelude::*;

use super::follows::gzip;
use super::memory::{Memory, Writer};
use super::recorder::{Follower, config};
use crate::files::followed::FollowedFile;
use crate::input::tail::config::Start;

const FAMILIES: [&str; 2] = ["/l/a.log", "/pods/shop_web_6a8f6021-1d43-4f44-a2a2-8818a01320fe/app/0.log"];
/// Rotations that are kept.
const KEPT: usize = 4;

#[derive(Debug, Clone)]
enum Action {
    /// So many units, the last one perhaps without its line feed.
    Write {
        family: usize,
        units: usize,
        is_half: bool,
    },
    /// To the file that was rotated away last.
    WriteLate {
        family: usize,
        units: usize,
    },
    /// By renaming; the new file is there at once, or with the next write.
    Rotate {
        family: usize,
        creates: bool,
    },
    /// Something may happen between both steps.
    CopyAndTruncate {
        family: usize,
        between: Between,
    },
    /// The oldest rotation that is plain.
    Compress {
        family: usize,
        between: Between,
    },
    Truncate {
        family: usize,
    },
    Delete {
        family: usize,
    },
    DeleteOldest {
        family: usize,
    },
    /// By renaming another file over it.
    Replace {
        family: usize,
        units: usize,
    },
    Pass {
        ms: u64,
        is_blind: bool,
    },
    OnlyLook {
        ms: u64,
        is_blind: bool,
    },
    /// With what was remembered so many actions ago.
    Restart {
        ago: usize,
    },
}

#[derive(Debug, Clone, Copy)]
enum Between {
    Nothing,
    Looking,
    Reading,
    Writing,
}

fn between() -> impl Strategy<Value = Between> {
    prop_oneof![Just(Between::Nothing), Just(Between::Looking), Just(Between::Reading), Just(Between::Writing)]
}

fn action(with_restarts: bool) -> impl Strategy<Value = Action> {
    let family = || 0..FAMILIES.len();
    let time = || prop_oneof![0..200_u64, 0..7_000_u64, 0..100_000_u64];
    let blind = || prop::bool::weighted(0.3);
    prop_oneof![
            8 => (family(), 1..6_usize, prop::bool::weighted(0.2)).prop_map(|(family, units, is_half)| Action::Write { family, units, is_half }),
            2 => (family(), 1..3_usize).prop_map(|(family, units)| Action::WriteLate { family, units }),
            3 => (family(), any::<bool>()).prop_map(|(family, creates)| Action::Rotate { family, creates }),
            2 => (family(), between()).prop_map(|(family, between)| Action::CopyAndTruncate { family, between }),
            2 => (family(), between()).prop_map(|(family, between)| Action::Compress { family, between }),
            1 => family().prop_map(|family| Action::Truncate { family }),
            1 => family().prop_map(|family| Action::Delete { family }),
            1 => family().prop_map(|family| Action::DeleteOldest { family }),
            1 => (family(), 1..6_usize).prop_map(|(family, units)| Action::Replace { family, units }),
            6 => (time(), blind()).prop_map(|(ms, is_blind)| Action::Pass { ms, is_blind }),
            2 => (time(), blind()).prop_map(|(ms, is_blind)| Action::OnlyLook { ms, is_blind }),
    2 => (0..4_usize).prop_map(move |ago| if with_restarts { Action::Restart { ago } } else { Action::Pass { ms: 10, is_blind: false } }),
        ]
}

/// A unit that was written.
#[derive(Debug, Clone)]
struct Unit {
    /// The file that it was written to, counted over all.
    generation: usize,
    bytes: usize,
    /// Where it ends in its file.
    end: u64,
    has_ended: bool,
    is_late: bool,
    is_destroyed: bool,
    /// So much of its file had been seen before that was deleted.
    seen_of_deleted: u64,
}

struct Family {
    log: &'static str,
    generation: Option<usize>,
    rotated: Vec<Rotated>,
    old: Option<(usize, Writer, u64)>,
    stamps: usize,
}

#[derive(Debug)]
struct Rotated {
    generation: usize,
    name: String,
    is_packed: bool,
}

struct Model {
    memory: Memory,
    follower: Follower<Memory>,
    families: Vec<Family>,
    units: BTreeMap<String, Unit>,
    generations: usize,
    lengths: HashMap<usize, u64>,
    /// All files begin with this.
    head: String,
    ledgers: Vec<BTreeMap<u32, FollowedFile>>,
    /// Files that were written in the place of others: how much of them was seen is not known if those were not seen to go.
    in_place: BTreeSet<usize>,
    was_restarted: bool,
    /// Events were lost: what is found late comes late.
    was_blind: bool,
    /// Files that were written to between copying and truncating: a copy that is shorter than what was read of them tells
    /// nothing, unless it was seen before.
    may_double: BTreeSet<usize>,
    /// Files that were copied: nothing tells that an unread one is the same as its copy, once it is gone.
    copied: BTreeSet<usize>,
    /// Those of them that were not looked at since; and those of which the original was deleted before that: which of both
    /// came first is told by nothing.
    copied_unseen: Vec<(usize, usize)>,
    unordered: BTreeSet<usize>,
    time: u64,
}

impl Model {
    fn new(open_files_max: usize, turn_bytes: usize, has_head: bool) -> Model {
        let memory = Memory::default();
        memory.folder("/l");
        memory.folder("/pods");
        let mut config = config(Start::Beginning);
        config.limits.open_files_max = open_files_max;
        config.limits.turn_bytes = turn_bytes;
        let family = |log| Family { log, generation: None, rotated: Vec::new(), old: None, stamps: 0 };
        Model {
            follower: Follower::new(memory.clone(), config),
            memory,
            families: FAMILIES.map(family).into(),
            units: BTreeMap::new(),
            generations: 0,
            lengths: HashMap::new(),
            head: if has_head { "head of every file\n".repeat(20) } else { String::new() },
            ledgers: Vec::new(),
            in_place: BTreeSet::new(),
            was_restarted: false,
            was_blind: false,
            may_double: BTreeSet::new(),
            copied: BTreeSet::new(),
            copied_unseen: Vec::new(),
            unordered: BTreeSet::new(),
            time: 0,
        }
    }

    fn generation(&mut self, writer: &Writer) -> usize {
        self.generations += 1;
        writer.append(self.head.as_bytes());
        self.lengths.insert(self.generations, self.head.len() as u64);
        self.generations
    }

    fn write(&mut self, writer: &Writer, generation: usize, units: usize, is_half: bool, is_late: bool) {
        for at in 0..units {
            let number = self.units.len();
            let unit = format!("{number}:{}", "x".repeat(number * 37 % 190));
            let ends = !is_half || at + 1 < units;
            let text = format!("{unit};{}", if ends { "\n" } else { "" });
            writer.append(text.as_bytes());
            let length = self.lengths.entry(generation).or_default();
            *length += text.len() as u64;
            let (bytes, end) = (text.len(), *length);
            let unit_facts =
                Unit { generation, bytes, end, has_ended: ends, is_late, is_destroyed: false, seen_of_deleted: 0 };
            self.units.insert(unit, unit_facts);
        }
    }

    fn append(&mut self, family: usize, units: usize, is_half: bool) {
        let writer = self.memory.writer(self.families[family].log);
        let generation = match self.families[family].generation {
            Some(generation) => generation,
            None => self.generation(&writer),
        };
        self.families[family].generation = Some(generation);
        self.write(&writer, generation, units, is_half, false);
    }

    fn destroy(&mut self, generation: usize, from: u64, seen: u64) {
        let seen = if self.in_place.contains(&generation) { 0 } else { seen };
        for unit in self.units.values_mut().filter(|unit| unit.generation == generation && unit.end > from) {
            (unit.is_destroyed, unit.seen_of_deleted) = (true, seen);
        }
    }

    /// How much was seen of what is written to. Where it could not be kept open, the next file may have both its name and
    /// its inode, and nothing tells that there were two.
    fn seen_of_log(&mut self, family: usize) -> u64 {
        let of_family = self.copied_unseen.iter().filter(|(of, _)| *of == family).map(|(_, generation)| *generation);
        self.unordered.extend(of_family);
        let is_kept = self.follower.config.limits.open_files_max > 1;
        if is_kept { self.memory.seen(self.families[family].log) } else { 0 }
    }

    /// Makes room for another rotation; gives its name.
    fn shift(&mut self, family: usize) -> String {
        if self.families[family].rotated.len() == KEPT {
            self.delete_oldest(family);
        }
        let of = &mut self.families[family];
        of.stamps += 1;
        if family == 1 {
            return format!(
                "{}.20261130-{:02}{:02}{:02}",
                of.log,
                of.stamps / 3600,
                of.stamps / 60 % 60,
                of.stamps % 60
            );
        }
        for (at, rotated) in of.rotated.iter_mut().enumerate().rev() {
            let name = format!("{}.{}{}", of.log, at + 2, if rotated.is_packed { ".gz" } else { "" });
            self.memory.rename(&rotated.name, &name);
            rotated.name = name;
        }
        format!("{}.1", of.log)
    }

    fn delete_oldest(&mut self, family: usize) {
        if let Some(oldest) = self.families[family].rotated.pop() {
            let seen = if oldest.is_packed { 0 } else { self.memory.seen(&oldest.name) };
            self.memory.remove(&oldest.name);
            self.destroy(oldest.generation, 0, seen);
        }
    }

    fn rotate(&mut self, family: usize, creates: bool) {
        let Some(generation) = self.families[family].generation.take() else { return };
        let name = self.shift(family);
        let log = self.families[family].log;
        let writer = self.memory.writer(log);
        self.memory.rename(log, &name);
        self.families[family].old = Some((generation, writer, self.time));
        self.families[family].rotated.insert(0, Rotated { generation, name, is_packed: false });
        if creates {
            self.append(family, 0, false);
        }
    }

    fn copy_and_truncate(&mut self, family: usize, between: Between) {
        let Some(generation) = self.families[family].generation.take() else { return };
        let name = self.shift(family);
        let log = self.families[family].log;
        let copy = self.memory.read(log).unwrap();
        self.memory.writer(&name).append(&copy);
        if matches!(between, Between::Writing) {
            // What comes between both is lost, unless it is read in time.
            self.may_double.insert(generation);
            let writer = self.memory.writer(log);
            self.write(&writer, generation, 2, false, false);
            self.pass(100, false);
        }
        self.between(between);
        self.memory.truncate(log);
        self.destroy(generation, copy.len() as u64, 0);
        self.copied.insert(generation);
        self.copied_unseen.push((family, generation));
        self.lengths.insert(generation, copy.len() as u64);
        self.families[family].rotated.insert(0, Rotated { generation, name, is_packed: false });
        self.append(family, 0, false);
        self.in_place.extend(self.families[family].generation);
    }

    fn compress(&mut self, family: usize, between: Between) {
        let Some(at) = self.families[family].rotated.iter().rposition(|rotated| !rotated.is_packed) else { return };
        let name = self.families[family].rotated[at].name.clone();
        let packed = gzip(&self.memory.read(&name).unwrap());
        self.memory.writer(&format!("{name}.tmp")).append(&packed);
        self.between(between);
        self.memory.rename(&format!("{name}.tmp"), &format!("{name}.gz"));
        self.between(between);
        self.memory.remove(&name);
        let rotated = &mut self.families[family].rotated[at];
        (rotated.name, rotated.is_packed) = (format!("{name}.gz"), true);
        let generation = rotated.generation;
        if self.families[family].old.as_ref().is_some_and(|old| old.0 == generation) {
            self.families[family].old = None;
        }
    }

    fn between(&mut self, between: Between) {
        match between {
            Between::Nothing | Between::Writing => {}
            Between::Looking => self.look(100, false),
            Between::Reading => self.pass(100, false),
        }
    }

    fn pass(&mut self, ms: u64, is_blind: bool) {
        self.copied_unseen.clear();
        self.was_blind |= is_blind;
        self.time += ms;
        if is_blind {
            self.follower.pass_blind(ms)
        } else {
            self.follower.pass(ms)
        }
        self.memory.tick();
    }

    fn look(&mut self, ms: u64, is_blind: bool) {
        self.copied_unseen.clear();
        self.was_blind |= is_blind;
        self.time += ms;
        let memory = self.memory.clone();
        self.follower.only_look(Duration::from_millis(ms), &mut || {
            let events = memory.events();
            if is_blind { Vec::new() } else { events }
        });
        self.memory.tick();
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Write { family, units, is_half } => self.append(family, units, is_half),
            Action::WriteLate { family, units } => {
                if let Some((generation, writer, since)) = self.families[family].old.clone() {
                    let is_there = self.families[family].rotated.iter().any(|r| r.generation == generation);
                    if is_there {
                        let is_late = self.time - since > 4_000;
                        self.write(&writer, generation, units, false, is_late);
                    }
                }
            }
            Action::Rotate { family, creates } => self.rotate(family, creates),
            Action::CopyAndTruncate { family, between } => self.copy_and_truncate(family, between),
            Action::Compress { family, between } => self.compress(family, between),
            Action::Truncate { family } => {
                if let Some(generation) = self.families[family].generation.take() {
                    self.memory.truncate(self.families[family].log);
                    self.destroy(generation, 0, 0);
                    self.append(family, 0, false);
                    self.in_place.extend(self.families[family].generation);
                }
            }
            Action::Delete { family } => {
                if let Some(generation) = self.families[family].generation.take() {
                    let seen = self.seen_of_log(family);
                    self.memory.remove(self.families[family].log);
                    self.destroy(generation, 0, seen);
                }
            }
            Action::DeleteOldest { family } => self.delete_oldest(family),
            Action::Replace { family, units } => {
                let log = self.families[family].log;
                let old = self.families[family].generation.take();
                let writer = self.memory.writer(&format!("{log}.tmp"));
                let generation = self.generation(&writer);
                self.write(&writer, generation, units, false, false);
                let seen = self.seen_of_log(family);
                self.memory.rename(&format!("{log}.tmp"), log);
                old.into_iter().for_each(|old| self.destroy(old, 0, seen));
                self.families[family].generation = Some(generation);
            }
            Action::Pass { ms, is_blind } => self.pass(ms, is_blind),
            Action::OnlyLook { ms, is_blind } => self.look(ms, is_blind),
            Action::Restart { ago } => {
                let at = self.ledgers.len().saturating_sub(1 + ago);
                let ledger = self.ledgers.get(at).cloned().unwrap_or_default();
                self.follower.restart(ledger);
                // What earlier runs have left is not what later ones begin with.
                self.ledgers.truncate(at + 1);
                self.was_restarted = true;
            }
        }
        self.ledgers.push(self.follower.sink.remembered());
    }

    /// The units that were given, of all families.
    fn given(&self) -> Vec<(usize, String)> {
        let mut all = Vec::new();
        for (at, family) in self.families.iter().enumerate() {
            let text = self.follower.sink.text(family.log);
            let text = text.replace(&self.head, "").replace('\n', "");
            let mut units: Vec<String> = text.split(';').map(str::to_owned).collect();
            assert_eq!(units.pop().as_deref(), Some(""), "half a unit was given");
            all.extend(units.into_iter().map(|unit| (at, unit)));
        }
        all
    }

    fn check(&mut self) {
        self.pass(300_000, false);
        let given = self.given();
        let mut times: HashMap<&str, usize> = HashMap::new();
        for (_, unit) in &given {
            assert!(self.units.contains_key(unit), "{unit} was never written");
            *times.entry(unit).or_default() += 1;
        }
        // What ends within a line is given when another file follows.
        let newest = |family: &Family| family.generation.or(family.rotated.first().map(|rotated| rotated.generation));
        let unfinished: BTreeSet<usize> = self.families.iter().filter_map(newest).collect();
        let (mut missing, mut seen_and_missing) = (0, 0);
        for (name, unit) in &self.units {
            let times = times.get(name.as_str()).copied().unwrap_or_default();
            let may_double = self.was_restarted || self.may_double.contains(&unit.generation);
            assert!(times <= 1 || may_double, "{name} came {times} times: {unit:?}");
            if times > 0 {
                continue;
            }
            let is_unfinished = unfinished.contains(&unit.generation) && !unit.has_ended;
            assert!(unit.is_destroyed || is_unfinished, "{name} did not come: {unit:?}");
            if unit.is_destroyed {
                missing += unit.bytes as u64;
                seen_and_missing += if unit.end <= unit.seen_of_deleted { unit.bytes as u64 } else { 0 };
            }
        }
        let lost = self.follower.sink.lost();
        // Heads of files are not counted in units; what is packed is counted as it is on disk.
        let heads = (self.head.len() + 40) * self.generations;
        // What an earlier run was given may be lost for one that is to read it again.
        let of_copied =
            |unit: &&Unit| self.copied.contains(&unit.generation) || self.was_restarted && unit.is_destroyed;
        let copied: usize = self.units.values().filter(of_copied).map(|unit| unit.bytes).sum();
        assert!(lost <= missing + (heads + copied) as u64, "{lost} bytes counted as lost, of {missing}");
        let tells = !self.was_restarted && self.head.is_empty();
        assert!(!tells || lost >= seen_and_missing, "{lost} counted as lost, {seen_and_missing} were seen");
        // An unread file that is truncated and begins as before is told from what it was by nothing.
        if !self.was_restarted && !self.was_blind && self.head.is_empty() {
            for family in 0..FAMILIES.len() {
                let is_ordered = |unit: &Unit| {
                    !unit.is_late
                        && !self.may_double.contains(&unit.generation)
                        && !self.unordered.contains(&unit.generation)
                };
                let of_family = given.iter().filter(|(of, _)| *of == family).map(|(_, unit)| &self.units[unit]);
                let order: Vec<_> =
                    of_family.filter(|unit| is_ordered(unit)).map(|unit| (unit.generation, unit.end)).collect();
                assert!(order.is_sorted(), "{order:?}");
            }
        }
    }
}

fn run(actions: &[Action], open_files_max: usize, turn_bytes: usize, has_head: bool) {
    let mut model = Model::new(open_files_max, turn_bytes, has_head);
    actions.iter().for_each(|action| model.act(action));
    model.check();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn each_line_that_exists_is_given_once_and_in_order(
        actions in prop::collection::vec(action(false), 1..40),
        open_files_max in prop_oneof![Just(1_usize), Just(100)],
        turn_bytes in prop_oneof![Just(1_usize), Just(300), Just(100_000)],
        has_head: bool,
    ) {
        run(&actions, open_files_max, turn_bytes, has_head);
    }

    #[test]
    fn each_line_that_exists_is_given_at_least_once_over_restarts(
        actions in prop::collection::vec(action(true), 1..40),
        open_files_max in prop_oneof![Just(1_usize), Just(100)],
        turn_bytes in prop_oneof![Just(1_usize), Just(300), Just(100_000)],
        has_head: bool,
    ) {
        run(&actions, open_files_max, turn_bytes, has_head);
    }
}
