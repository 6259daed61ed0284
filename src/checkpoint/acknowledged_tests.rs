//! What one run settles, and what the next one knows of it.

use proptest::prelude::*;

use super::super::groups;
use super::super::marks::Running;
use super::*;

const SOURCE: u64 = 7;
const KEY: Key = 1;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn run(destinations: &[&str], before: State, resending: Resending) -> Acknowledged {
    Acknowledged::new(&names(destinations), Some(before), resending)
}

/// The only file of a source that is met for the first time, and the index of its stream.
fn begun(acknowledged: &Acknowledged) -> (u32, u32) {
    let (file, verified) = acknowledged.meet(SOURCE, &[None])[0];
    assert_eq!(verified, 0);
    (file, acknowledged.stream(file, KEY, None).index)
}

/// The same file in the next run, the same up to a place.
fn met_again(acknowledged: &Acknowledged, verified: u64, differs: bool) -> (u32, KnownStream) {
    let unmet = acknowledged.unmet(SOURCE);
    assert_eq!(unmet.len(), 1);
    let found = Some((unmet[0].0, Comparison { verified, differs, is_whole: false }));
    let (file, same_to) = acknowledged.meet(SOURCE, &[found])[0];
    assert_eq!((file, same_to), (unmet[0].0, verified));
    (file, acknowledged.stream(file, KEY, None))
}

fn receipt(source: u32, from: u64, to: u64) -> Receipt {
    Receipt { source, from, to }
}

fn joined(stream: &KnownStream) -> Vec<(u64, u64)> {
    stream.joined.iter().map(|(end, hash)| (*end, *hash)).collect()
}

fn ranges(known: Option<&Known>) -> Vec<(u64, u64)> {
    known.map(|known| known.ranges.list()).unwrap_or_default()
}

#[test]
fn without_a_state_files_and_streams_have_numbers_and_nothing_else() {
    let acknowledged = Acknowledged::new(&names(&["a"]), None, Resending::default());
    assert!(!acknowledged.remembers());
    let found = Some((0, Comparison { verified: 5, differs: false, is_whole: false }));
    assert_eq!(acknowledged.meet(SOURCE, &[None, found]), [(0, 0), (1, 0)]);
    assert_eq!(acknowledged.meet(SOURCE + 1, &[None]), [(2, 0)]);
    let stream = acknowledged.stream(1, KEY, None);
    assert_eq!((stream.index, stream.settled), (0, vec![None]));
    assert_eq!(
        [(1, KEY), (1, KEY + 1), (2, KEY)].map(|(file, key)| acknowledged.stream(file, key, None).index),
        [0, 1, 2]
    );
    acknowledged.add(0, &[receipt(0, 0, 10)], None);
    assert_eq!(acknowledged.state().files.len(), 0);
}

#[test]
fn what_a_destination_settled_is_known_to_be_its_in_the_next_run() {
    let first = run(&["a", "b"], State::default(), Resending::default());
    let (_, stream) = begun(&first);
    first.add(1, &[receipt(stream, 0, 10), receipt(stream, 10, 20), receipt(stream, 30, 40)], None);
    let second = run(&["b", "c", "a"], first.state(), Resending::default());
    let (_, known) = met_again(&second, 40, false);
    assert_eq!(ranges(known.settled[0].as_ref()), [(0, 20), (30, 40)]);
    assert_eq!(known.settled[1..], [None, None]);
}

#[test]
fn a_file_that_differs_is_known_up_to_where_it_does_and_can_be_only_one() {
    let first = run(&["a"], State::default(), Resending::default());
    let (_, stream) = begun(&first);
    first.add(0, &[receipt(stream, 0, 40)], None);
    let second = run(&["a"], first.state(), Resending::default());
    let (file, known) = met_again(&second, 15, true);
    assert_eq!(ranges(known.settled[0].as_ref()), [(0, 15)]);
    // Nothing else is this file any more.
    assert!(second.unmet(SOURCE).is_empty() && second.unmet(SOURCE + 1).is_empty());
    let another = second.meet(SOURCE, &[Some((file, Comparison { verified: 15, differs: false, is_whole: false }))])[0];
    assert_eq!(another, (file + 1, 0));
}

#[test]
fn a_file_that_was_met_is_not_idle() {
    let first = run(&["a"], State::default(), Resending::default());
    let (_, stream) = begun(&first);
    first.add(0, &[receipt(stream, 0, 40)], None);
    let mut state = first.state();
    state.begin_run(10);
    let second = run(&["a"], state, Resending::default());
    assert_eq!(second.state().files[0].met, 0);
    met_again(&second, 40, false);
    assert_eq!(second.state().files[0].met, 1);
}

#[test]
fn what_is_not_read_from_files_is_one_file() {
    let first = run(&["a"], State::default(), Resending::default());
    let file = first.only_file(SOURCE);
    assert_eq!((first.only_file(SOURCE), first.only_file(SOURCE + 1)), (file, file + 1));
    let stream = first.stream(file, KEY, None).index;
    first.add(0, &[receipt(stream, 5, 9)], None);
    let second = run(&["a"], first.state(), Resending::default());
    let known = second.stream(second.only_file(SOURCE), KEY, None);
    assert_eq!(ranges(known.settled[0].as_ref()), [(5, 9)]);
}

#[test]
fn what_went_without_traces_or_was_refused_is_sent_again_if_that_is_asked_for() {
    let untraced = Resending { traced: false, resend: false };
    let first = run(&["a"], State::default(), untraced);
    let (_, stream) = begun(&first);
    first.add(0, &[receipt(stream, 0, 10)], None);
    let second = run(&["a"], first.state(), Resending { traced: true, resend: false });
    let (_, known) = met_again(&second, 30, false);
    second.add(0, &[receipt(known.index, 10, 20)], None);
    second.add(0, &[receipt(known.index, 20, 30)], Some((10, "bad")));
    for (traced, resend, sent) in [
        (true, false, vec![(0, 30)]),
        (false, false, vec![(0, 30)]),
        (true, true, vec![(10, 20)]),
        (false, true, vec![(0, 20)]),
    ] {
        let third = run(&["a"], second.state(), Resending { traced, resend });
        let (_, known) = met_again(&third, 30, false);
        let known = known.settled[0].as_ref().unwrap();
        assert_eq!(known.ranges.list(), sent, "{traced} {resend}");
        assert_eq!((known.untraced.list(), known.refused.list()), (vec![(0, 10)], vec![(20, 30)]));
        // A receipt may not reach over records that were settled in another way.
        assert_eq!([5, 15, 25].map(|at| known.is_apart(at, traced)), [traced, !traced, true]);
        assert_eq!(third.traced(), traced);
    }
}

#[test]
fn refusals_of_earlier_runs_are_counted_of_the_files_that_are_met() {
    let first = run(&["a", "b"], State::default(), Resending::default());
    let (_, stream) = begun(&first);
    // Which of them was refused is not known: they count once, with the first.
    first.add(0, &[receipt(stream, 0, 10), receipt(stream, 20, 30)], Some((3, "bad")));
    first.add(0, &[receipt(stream, 40, 50)], Some((2, "large")));
    first.add(0, &[receipt(stream, 60, 70)], Some((0, "nothing")));
    let second = run(&["b", "a"], first.state(), Resending::default());
    assert!(second.refused_before().iter().all(BTreeMap::is_empty));
    met_again(&second, 70, false);
    let before = second.refused_before();
    assert!(before[0].is_empty());
    assert_eq!(before[1], BTreeMap::from([("bad".to_owned(), 3), ("large".to_owned(), 2)]));
    let again = run(&["a"], first.state(), Resending { traced: true, resend: true });
    met_again(&again, 70, false);
    assert_eq!(again.refused_before(), [BTreeMap::new()]);
}

#[test]
fn what_is_joined_to_the_next_file_takes_the_place_of_what_was_settled_there() {
    let acknowledged = run(&["a"], State::default(), Resending::default());
    let (file, stream) = begun(&acknowledged);
    acknowledged.add(0, &[receipt(stream, 0, 40)], None);
    acknowledged.join(stream, 30, 55, 99);
    let known = acknowledged.stream(file, KEY, None);
    assert_eq!((ranges(known.settled[0].as_ref()), joined(&known)), (vec![(0, 30)], vec![(55, 99)]));
    // The same record, longer by another line.
    acknowledged.join(stream, 30, 60, 98);
    assert_eq!(joined(&acknowledged.stream(file, KEY, None)), [(60, 98)]);
    // A file that grew is not joined to the next one, and one that was mistaken is not known at all.
    acknowledged.grows(file, 20);
    let known = acknowledged.stream(file, KEY, None);
    assert_eq!((ranges(known.settled[0].as_ref()), known.joined.len()), (vec![(0, 20)], 0));
    acknowledged.forget(file);
    assert!(ranges(acknowledged.stream(file, KEY, None).settled[0].as_ref()).is_empty());
}

#[test]
fn each_change_is_seen_once() {
    let acknowledged = run(&["a"], State::default(), Resending::default());
    let (_, stream) = begun(&acknowledged);
    let mut changes = 0;
    assert!(!acknowledged.has_changed(&mut changes));
    acknowledged.add(0, &[receipt(stream, 0, 40)], None);
    assert!(acknowledged.has_changed(&mut changes) && !acknowledged.has_changed(&mut changes));
    acknowledged.join(stream, 30, 55, 99);
    assert!(acknowledged.has_changed(&mut changes) && !acknowledged.has_changed(&mut changes));
}

#[test]
fn marks_of_a_file_are_those_of_the_run_that_read_it_last() {
    let first = run(&["a"], State::default(), Resending::default());
    let (file, stream) = begun(&first);
    let (mut running, mut marks) = (Running::default(), Marks::default());
    running.feed(b"one\ntwo\n", &mut marks);
    first.mark(file, &marks);
    first.add(0, &[receipt(stream, 0, 8)], None);
    let second = run(&["a"], first.state(), Resending::default());
    assert_eq!(second.unmet(SOURCE)[0].1.list(), marks.list());
    assert_eq!(second.marks(file).list(), marks.list());
    assert!(second.marks(file + 1).list().is_empty());
}

#[test]
fn what_version_1_knew_goes_to_the_first_tenant_of_a_destination_and_once() {
    let mut state = State::default();
    let mut known = Ranges::default();
    known.add(0, 9);
    state.version_1.entry("otlp=http://a/".into()).or_default().insert(5, known);
    let acknowledged = run(&["otlp=http://a/ tenant=x", "otlp=http://a/ tenant=y"], state, Resending::default());
    assert!(acknowledged.knows_version_1());
    let (file, _) = acknowledged.meet(SOURCE, &[None])[0];
    let keys = version_1::Keys::one(5);
    let stream = acknowledged.stream(file, KEY, Some(&keys));
    assert_eq!(stream.settled.iter().map(|known| ranges(known.as_ref())).collect::<Vec<_>>(), [vec![(0, 9)], vec![]]);
    assert!(!acknowledged.knows_version_1());
    let other = acknowledged.stream(file, KEY + 1, Some(&keys));
    assert!(other.settled.iter().all(|known| ranges(known.as_ref()).is_empty()));
}

proptest! {
    /// Receipts come back in any order, and over any number of runs: what is known is what was settled, byte for byte.
    #[test]
    fn what_is_known_is_what_was_settled_whatever_the_order(
        runs in prop::collection::vec(prop::collection::vec((0usize..2, 0u32..2, 0u64..40, 1u64..8), 0..12), 1..4),
    ) {
        let mut model = [[[false; 50]; 2]; 2];
        let mut state = State::default();
        for receipts in &runs {
            let acknowledged = run(&["a", "b"], state, Resending::default());
            let unmet = acknowledged.unmet(SOURCE).first().map(|(file, _)| (*file, Comparison::default()));
            let (file, _) = acknowledged.meet(SOURCE, &[unmet])[0];
            let streams = [0, 1].map(|key| acknowledged.stream(file, key, None));
            for (key, stream) in streams.iter().enumerate() {
                for (known, of_destination) in stream.settled.iter().zip(&model) {
                    for (at, expected) in of_destination[key].iter().enumerate() {
                        prop_assert_eq!(known.as_ref().is_some_and(|known| known.ranges.contains(at as u64)), *expected);
                    }
                }
            }
            for (destination, key, from, length) in receipts {
                let receipt = receipt(streams[*key as usize].index, *from, from + length);
                acknowledged.add(*destination, &[receipt], None);
                let settled = &mut model[*destination][*key as usize][*from as usize..(from + length) as usize];
                settled.fill(true);
            }
            // As it is read from the disk by the next run.
            state = groups::read(&groups::tests::written(&acknowledged.state())).unwrap().loaded.state;
        }
    }
}
