//! Reading JSON text member by member, leaving its texts where they are.
//!
//! Serde's derived readers do nearly the same, but they skip unknown members without looking: a number beyond all
//! bounds, half a surrogate pair or nesting that is too deep would slip through.

use super::table::Ordered;
use super::text::{Source, Text};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// Reads a whole text; `None` if anything in it is odd.
pub(super) fn read<'de, T: Read<'de>>(source: &'de Arc<Source>) -> Option<T> {
    let mut deserializer = serde_json::Deserializer::from_str(source.as_str());
    let read = T::read(source, &mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(read)
}

/// The only error there is: nobody reads it, because the text is then read the other way.
pub(super) fn odd<E: Error>() -> E {
    E::custom("odd")
}

/// What can be read from a text.
pub(super) trait Read<'de>: Sized {
    fn read<D: Deserializer<'de>>(source: &Arc<Source>, deserializer: D) -> Result<Self, D::Error>;
}

/// Items of lists and objects: read as `From`, and then accepted or odd.
pub(super) trait Odd {
    type From;
    type Into;

    /// How many members an object usually has: room for this many is made before the first is read.
    const USUAL: usize = 0;

    fn accept(from: Self::From) -> Option<Self::Into>;
}

/// Something to read, with the text that it is in.
pub(super) struct In<'s, T>(&'s Arc<Source>, PhantomData<T>);

impl<'s, T> In<'s, T> {
    pub(super) fn new(source: &'s Arc<Source>) -> Self {
        In(source, PhantomData)
    }

    pub(super) fn source(&self) -> &'s Arc<Source> {
        self.0
    }
}

impl<'de, T: Read<'de>> DeserializeSeed<'de> for In<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::read(self.0, deserializer)
    }
}

/// Declares a struct of optional members. A member that appears twice is odd; unknown members are skipped.
macro_rules! read_object {
    ($name:ident { $($member:ident: $type:ty = $key:literal),* $(,)? }) => {
        struct $name {
            $($member: Option<$type>,)*
        }

        impl<'de> $crate::workflow::read_json::Read<'de> for $name {
            fn read<D: serde::Deserializer<'de>>(
                source: &std::sync::Arc<$crate::workflow::text::Source>,
                deserializer: D,
            ) -> Result<Self, D::Error> {
                deserializer.deserialize_map($crate::workflow::read_json::In::<$name>::new(source))
            }
        }

        impl<'de> serde::de::Visitor<'de> for $crate::workflow::read_json::In<'_, $name> {
            type Value = $name;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut members: A) -> Result<$name, A::Error> {
                use $crate::workflow::read_json::{In, Key, Passed, odd};
                $(let mut $member = None;)*
                while let Some(key) = members.next_key::<Key<'de>>()? {
                    match key.as_str() {
                        $($key => {
                            let read = members.next_value_seed(In::<$type>::new(self.source()))?;
                            if $member.replace(read).is_some() {
                                return Err(odd());
                            }
                        })*
                        _ => { members.next_value::<Passed>()?; }
                    }
                }
                Ok($name { $($member,)* })
            }
        }
    };
}
pub(super) use read_object;

/// The name of a member.
pub(super) struct Key<'de>(Cow<'de, str>);

impl Key<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;

        impl<'de> Visitor<'de> for Visit {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(name)))
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(Visit)
    }
}

impl<'de> Read<'de> for Text {
    fn read<D: Deserializer<'de>>(source: &Arc<Source>, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(In::<Text>::new(source))
    }
}

impl<'de> Visitor<'de> for In<'_, Text> {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text, E> {
        Ok(Text::part(self.0, text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(text.into())
    }
}

/// A text; anything else counts as an empty one.
#[derive(Default)]
pub(super) struct Lenient(pub(super) Text);

impl<'de> Read<'de> for Lenient {
    fn read<D: Deserializer<'de>>(source: &Arc<Source>, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(In::<Lenient>::new(source))
    }
}

impl<'de> Visitor<'de> for In<'_, Lenient> {
    type Value = Lenient;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Lenient, E> {
        Ok(Lenient(Text::part(self.0, text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Lenient, E> {
        Ok(Lenient(text.into()))
    }

    fn visit_unit<E: Error>(self) -> Result<Lenient, E> {
        Ok(Lenient::default())
    }
}

/// True or false.
pub(super) struct Flag(pub(super) bool);

impl<'de> Read<'de> for Flag {
    fn read<D: Deserializer<'de>>(_: &Arc<Source>, deserializer: D) -> Result<Self, D::Error> {
        bool::deserialize(deserializer).map(Flag)
    }
}

/// JSON of any kind, as a tree.
pub(super) struct Tree(pub(super) Value);

impl<'de> Read<'de> for Tree {
    fn read<D: Deserializer<'de>>(_: &Arc<Source>, deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Tree)
    }
}

impl<'de> Read<'de> for Number {
    fn read<D: Deserializer<'de>>(_: &Arc<Source>, deserializer: D) -> Result<Self, D::Error> {
        Number::deserialize(deserializer)
    }
}

/// Items of one kind.
pub(super) struct List<T: Odd>(pub(super) Vec<T::Into>);

impl<'de, T: Odd> Read<'de> for List<T>
where
    T::From: Read<'de>,
{
    fn read<D: Deserializer<'de>>(source: &Arc<Source>, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(In::<List<T>>::new(source))
    }
}

impl<'de, T: Odd> Visitor<'de> for In<'_, List<T>>
where
    T::From: Read<'de>,
{
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<List<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(In::<T::From>::new(self.0))? {
            list.push(T::accept(item).ok_or_else(odd)?);
        }
        Ok(List(list))
    }
}

/// Members of one kind, by name. A name that appears twice is odd.
pub(super) struct Members<T: Odd>(pub(super) Ordered<Text, T::Into>);

impl<'de, T: Odd> Read<'de> for Members<T>
where
    T::From: Read<'de>,
{
    fn read<D: Deserializer<'de>>(source: &Arc<Source>, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(In::<Members<T>>::new(source))
    }
}

impl<'de, T: Odd> Visitor<'de> for In<'_, Members<T>>
where
    T::From: Read<'de>,
{
    type Value = Members<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Members<T>, A::Error> {
        let mut read = Ordered::with_capacity_and_hasher(T::USUAL, Default::default());
        while let Some(name) = members.next_key_seed(In::<Text>::new(self.0))? {
            let member = members.next_value_seed(In::<T::From>::new(self.0))?;
            let member = T::accept(member).ok_or_else(odd)?;
            if read.insert(name, member).is_some() {
                return Err(odd());
            }
        }
        Ok(Members(read))
    }
}

/// JSON of any kind that is skipped, but must be readable: what nobody looks at is kept, and returned as a tree when
/// one is asked for.
pub(super) struct Passed;

impl<'de> Deserialize<'de> for Passed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // `deserialize_any` reads numbers and texts and counts the depth; `deserialize_ignored_any` does not.
        deserializer.deserialize_any(Passed)
    }
}

impl<'de> Visitor<'de> for Passed {
    type Value = Passed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Passed, E> {
        Ok(Passed)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Passed, E> {
        Ok(Passed)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Passed, E> {
        Ok(Passed)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Passed, E> {
        Ok(Passed)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Passed, E> {
        Ok(Passed)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Passed, E> {
        Ok(Passed)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Passed, A::Error> {
        while items.next_element::<Passed>()?.is_some() {}
        Ok(Passed)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Passed, A::Error> {
        while members.next_key::<Key<'de>>()?.is_some() {
            members.next_value::<Passed>()?;
        }
        Ok(Passed)
    }
}
