//! A map that takes little room while it holds little.
//!
//! In go keys and values, out they come in the order of the keys. A run may remember some hundred thousand files, most of
//! which have one stream, one destination and one range; a journal may have many thousands of each.

use std::collections::BTreeMap;

/// Entries up to which a list is searched and shifted; more are kept in a tree.
const LIST_MAX: usize = 16;

/// A map in the order of its keys.
#[derive(Debug, Clone)]
pub struct SmallMap<K, V>(Entries<K, V>);

#[derive(Debug, Clone)]
enum Entries<K, V> {
    List(Vec<(K, V)>),
    #[allow(clippy::box_collection)] // unboxed, it would make each list larger
    Tree(Box<BTreeMap<K, V>>),
}

impl<K, V> Default for SmallMap<K, V> {
    fn default() -> SmallMap<K, V> {
        SmallMap(Entries::List(Vec::new()))
    }
}

impl<K: Ord + Copy, V> SmallMap<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Entries::List(list) => list.len(),
            Entries::Tree(tree) => tree.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        match &self.0 {
            Entries::List(list) => list.iter().find(|(known, _)| known == key).map(|(_, value)| value),
            Entries::Tree(tree) => tree.get(key),
        }
    }

    /// The value of a key, made if there is none.
    pub fn or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        if self.get(&key).is_none() {
            self.insert(key, V::default());
        }
        match &mut self.0 {
            Entries::List(list) => {
                let at = list.partition_point(|(known, _)| *known < key);
                &mut list[at].1
            }
            Entries::Tree(tree) => tree.entry(key).or_default(),
        }
    }

    /// Sets the value of a key.
    pub fn insert(&mut self, key: K, value: V) {
        match &mut self.0 {
            Entries::List(list) => {
                let at = list.partition_point(|(known, _)| *known < key);
                if list.get(at).is_some_and(|(known, _)| *known == key) {
                    list[at].1 = value;
                } else if list.len() < LIST_MAX {
                    if list.is_empty() {
                        // Most lists stay as they are.
                        list.reserve_exact(1);
                    }
                    list.insert(at, (key, value));
                } else {
                    let mut tree: BTreeMap<K, V> = std::mem::take(list).into_iter().collect();
                    tree.insert(key, value);
                    self.0 = Entries::Tree(Box::new(tree));
                }
            }
            Entries::Tree(tree) => drop(tree.insert(key, value)),
        }
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &K) {
        match &mut self.0 {
            Entries::List(list) => list.retain(|(known, _)| known != key),
            Entries::Tree(tree) => drop(tree.remove(key)),
        }
    }

    /// Keeps those entries for which this holds.
    pub fn retain(&mut self, mut keeps: impl FnMut(&K, &mut V) -> bool) {
        match &mut self.0 {
            Entries::List(list) => list.retain_mut(|(key, value)| keeps(key, value)),
            Entries::Tree(tree) => tree.retain(keeps),
        }
    }

    /// The last entry whose key is not above this one.
    pub fn last_up_to(&self, key: &K) -> Option<(K, &V)> {
        match &self.0 {
            Entries::List(list) => list.iter().rfind(|(known, _)| known <= key).map(|(key, value)| (*key, value)),
            Entries::Tree(tree) => tree.range(..=*key).next_back().map(|(key, value)| (*key, value)),
        }
    }

    /// The last entry whose key is below this one.
    pub fn last_below(&self, key: &K) -> Option<(K, &V)> {
        match &self.0 {
            Entries::List(list) => list.iter().rfind(|(known, _)| known < key).map(|(key, value)| (*key, value)),
            Entries::Tree(tree) => tree.range(..*key).next_back().map(|(key, value)| (*key, value)),
        }
    }

    /// All entries, by their keys.
    pub fn iter(&self) -> Box<dyn Iterator<Item = (&K, &V)> + '_> {
        match &self.0 {
            Entries::List(list) => Box::new(list.iter().map(|(key, value)| (key, value))),
            Entries::Tree(tree) => Box::new(tree.iter()),
        }
    }

    /// All values, by their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Calls for each value, by their keys.
    pub fn for_each_mut(&mut self, change: impl FnMut(&mut V)) {
        match &mut self.0 {
            Entries::List(list) => list.iter_mut().map(|(_, value)| value).for_each(change),
            Entries::Tree(tree) => tree.values_mut().for_each(change),
        }
    }
}

impl<K: Ord + Copy, V: PartialEq> PartialEq for SmallMap<K, V> {
    fn eq(&self, other: &SmallMap<K, V>) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<K: Ord + Copy, V: Eq> Eq for SmallMap<K, V> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map_however_much_it_holds(
            changes in proptest::collection::vec((0u8..5, 0u8..60, any::<u16>()), 0..200),
        ) {
            let (mut map, mut model) = (SmallMap::<u8, u16>::default(), BTreeMap::new());
            for (change, key, value) in changes {
                match change {
                    0 => {
                        map.remove(&key);
                        model.remove(&key);
                    }
                    1 => {
                        *map.or_default(key) = value;
                        *model.entry(key).or_default() = value;
                    }
                    2 if value % 16 == 0 => {
                        map.retain(|known, _| known % 3 != key % 3);
                        model.retain(|known, _| known % 3 != key % 3);
                    }
                    _ => {
                        map.insert(key, value);
                        model.insert(key, value);
                    }
                }
                prop_assert!(map.iter().eq(model.iter()) && map.values().eq(model.values()));
                prop_assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
                prop_assert_eq!(map.get(&key), model.get(&key));
                prop_assert!(map.last_up_to(&key) == model.range(..=key).next_back().map(|(key, value)| (*key, value)));
                prop_assert!(map.last_below(&key) == model.range(..key).next_back().map(|(key, value)| (*key, value)));
                let mut refilled = SmallMap::default();
                model.iter().for_each(|(key, value)| refilled.insert(*key, *value));
                prop_assert_eq!(&map, &refilled);
            }
            map.for_each_mut(|value| *value ^= 1);
            model.values_mut().for_each(|value| *value ^= 1);
            prop_assert!(map.iter().eq(model.iter()));
        }
    }

    #[test]
    fn an_empty_one_and_one_with_an_entry_take_no_room_for_more() {
        let mut map = SmallMap::<u64, u64>::default();
        assert_eq!(size_of_val(&map), size_of::<Vec<u8>>());
        map.insert(1, 2);
        let Entries::List(list) = &map.0 else { panic!("one entry is a list") };
        assert_eq!(list.capacity(), 1);
    }
}
