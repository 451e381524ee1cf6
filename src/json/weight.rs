//! What JSON costs in memory once it is read.
//!
//! A [`Value`] of `[[0],[0],…]` takes 90 times the bytes of its text, an ordinary answer of InvokeAI 5 to 8 times. So
//! an answer of 30 MB could take 2 GB. Here that is known before the memory is taken.

use std::{cell::Cell, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Error, Value};

/// The memory that an answer may always take, whatever its length: InvokeAI's OpenAPI document takes 15 MB, a session
/// of a thousand iterations 50 MB.
pub(crate) const ALWAYS: usize = 64 * 1024 * 1024;

/// Beyond that, this many halves of its text. With the text itself, and what a reader adds, that is less than 4 times.
const HALVES: usize = 5;

/// Text up to this length is not weighed: at worst it takes 12 MB.
const SMALL: usize = 128 * 1024;

/// How much memory the reading of a text may still take.
#[derive(Debug)]
pub(crate) struct Meter {
    limit: usize,
    left: Cell<Option<usize>>,
    is_small: bool,
}

impl Meter {
    /// A meter for a text of this length, which may take `always` bytes of memory in any case.
    pub(crate) fn of(length: usize, always: usize) -> Self {
        let limit = (length / 2).saturating_mul(HALVES).max(always);
        Self { limit, left: Cell::new(Some(limit)), is_small: length <= SMALL.min(always) }
    }

    /// A meter for what is already in memory as a [`Value`].
    pub(crate) fn unlimited() -> Self {
        Self { limit: usize::MAX, left: Cell::new(Some(usize::MAX)), is_small: true }
    }

    /// Whether the text is so short that nothing needs to be counted.
    pub(crate) fn is_small(&self) -> bool {
        self.is_small
    }

    /// How many bytes may be taken in all.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Whether more than that was requested.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.left.get().is_none()
    }

    /// Counts bytes that are about to be taken.
    pub(crate) fn take(&self, bytes: usize) -> Result<(), Error> {
        let left = self.left.get().and_then(|left| left.checked_sub(bytes));
        self.left.set(left);
        left.map(drop).ok_or_else(|| Error::custom(format_args!("takes more than {} bytes of memory", self.limit)))
    }
}

/// What a list grows by when it gets one more element of this size (`Vec` doubles its room).
pub(crate) fn list_growth(elements: usize, size: usize) -> usize {
    let least = if size <= 1024 { 4 } else { 1 };
    match elements {
        0 => size.saturating_mul(least),
        _ if elements >= least && elements.is_power_of_two() => size.saturating_mul(elements),
        _ => 0,
    }
}

/// What a map grows by when it gets one more entry whose key and value have these sizes, not counting the key's hash
/// and its place in the index (`indexmap` has room for 3, 7, 14, 28, … entries).
pub(crate) fn map_growth(entries: usize, key: usize, value: usize) -> usize {
    // Hash, place, and a byte of the index.
    let size = key.saturating_add(value).saturating_add(8 + 9);
    match entries {
        0 => size.saturating_mul(3).saturating_add(25),
        3 => size.saturating_mul(4),
        _ if entries.is_multiple_of(7) && (entries / 7).is_power_of_two() => size.saturating_mul(entries),
        _ => 0,
    }
}

/// What a text takes, as allocators round it.
pub(crate) fn text(length: usize) -> usize {
    if length == 0 { 0 } else { length.saturating_add(8).next_multiple_of(16).max(32) }
}

/// Counts what a text takes when it is read as a [`Value`]. Text that is not JSON is also an error.
pub(crate) fn weigh(json: &str, meter: &Meter) -> Result<(), Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    Weigh(meter).deserialize(&mut deserializer)?;
    deserializer.end()
}

/// Goes through all of a text to find its first error, in next to no memory.
pub(crate) fn look_through<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    Weigh(&Meter::unlimited()).deserialize(deserializer)
}

#[derive(Clone, Copy)]
struct Weigh<'m>(&'m Meter);

impl<'de> DeserializeSeed<'de> for Weigh<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Weigh<'_> {
    fn take<E: serde::de::Error>(self, bytes: usize) -> Result<(), E> {
        self.0.take(bytes).map_err(E::custom)
    }
}

macro_rules! weightless {
    ($($method:ident: $kind:ty),*) => {
        $(fn $method<E>(self, _: $kind) -> Result<(), E> {
            Ok(())
        })*
    };
}

impl<'de> Visitor<'de> for Weigh<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    weightless! { visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64 }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.take(text(value.len()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut count = 0;
        while elements.next_element_seed(self)?.is_some() {
            self.take(list_growth(count, size_of::<Value>()))?;
            count += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut count = 0;
        while entries.next_key_seed(self)?.is_some() {
            self.take(map_growth(count, size_of::<String>(), size_of::<Value>()))?;
            entries.next_value_seed(self)?;
            count += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(json: &str) -> usize {
        let meter = Meter::unlimited();
        weigh(json, &meter).unwrap();
        usize::MAX - meter.left.get().unwrap()
    }

    #[test]
    fn lists_and_maps_grow_as_those_of_the_libraries_do() {
        // The sums are the room that there is after this many elements.
        let list = |elements: usize| (0..elements).map(|count| list_growth(count, 8)).sum::<usize>() / 8;
        for elements in 1..100 {
            let mut real = Vec::<u64>::new();
            (0..elements).for_each(|element| real.push(element as u64));
            assert_eq!(list(elements), real.capacity(), "{elements}");
        }
        let map = |entries: usize| (0..entries).map(|count| map_growth(count, 8, 8)).sum::<usize>() / 33;
        for entries in 1..200 {
            let mut real = indexmap::IndexMap::<u64, u64>::new();
            (0..entries as u64).for_each(|entry| _ = real.insert(entry, entry));
            assert!(map(entries) >= real.capacity(), "{entries}: {} < {}", map(entries), real.capacity());
            assert!(map(entries) <= real.capacity() + entries.max(3), "{entries}: {}", map(entries));
        }
    }

    #[test]
    fn what_costs_much_is_known_before_it_is_taken() {
        // Measured with a counting allocator: 33.6, 62.8, 90.9 and 33.6 times.
        for (piece, times) in [("[]", 33), ("{\"\":0}", 62), ("[0]", 90), ("\"\"", 33)] {
            let count = 100_000;
            let json = format!("[{}]", vec![piece; count].join(","));
            let weighed = weight(&json) / json.len();
            assert!(weighed.abs_diff(times) <= times / 5, "{piece}: {weighed} times");
        }
        // Six elements have room for eight.
        let json = "[0,0,0,0,0,0]";
        for (always, fits) in [(8 * size_of::<Value>(), true), (8 * size_of::<Value>() - 1, false)] {
            let meter = Meter::of(json.len(), always);
            assert_eq!((weigh(json, &meter).is_ok(), meter.is_exceeded()), (fits, !fits));
        }
        // A long text may take more in any case.
        assert_eq!(Meter::of(1000, 100).limit(), 2500);
    }

    #[test]
    fn what_is_not_json_is_an_error() {
        for json in ["", "[", "{\"a\"}", "[1] 2", &"[".repeat(100_000)] {
            assert!(weigh(json, &Meter::unlimited()).is_err());
        }
    }
}
