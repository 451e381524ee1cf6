//! A map that remembers in which order its values came.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

/// Values by their keys, in the order in which they came. To find, add or remove one takes about as long however many
/// there are.
#[derive(Debug, Clone)]
pub(super) struct InOrder<K, T> {
    places: HashMap<K, u64>,
    values: BTreeMap<u64, T>,
    next: u64,
}

impl<K, T> Default for InOrder<K, T> {
    fn default() -> Self {
        Self { places: HashMap::new(), values: BTreeMap::new(), next: 0 }
    }
}

impl<K: Eq + Hash, T> InOrder<K, T> {
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut T> {
        self.values.get_mut(self.places.get(key)?)
    }

    /// The value of this key: the one that is there, or else a new one, which comes last.
    pub(super) fn get_or_add(&mut self, key: K, new: impl FnOnce() -> T) -> &mut T {
        let place = *self.places.entry(key).or_insert(self.next);
        self.next = self.next.max(place + 1);
        self.values.entry(place).or_insert_with(new)
    }

    pub(super) fn remove(&mut self, key: &K) {
        if let Some(place) = self.places.remove(key) {
            self.values.remove(&place);
        }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.values.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_again_keeps_its_place_unless_it_was_removed() {
        let mut map = InOrder::default();
        for key in ["b", "a", "c", "a"] {
            map.get_or_add(key, || key.to_owned());
        }
        assert_eq!(map.values().collect::<Vec<_>>(), ["b", "a", "c"]);
        map.remove(&"b");
        map.remove(&"nothing");
        map.get_or_add("b", || "again".to_owned()).push('!');
        assert_eq!(map.values().collect::<Vec<_>>(), ["a", "c", "again!"]);
        assert_eq!((map.get_mut(&"b").is_some(), map.get_mut(&"d").is_some()), (true, false));
    }
}
