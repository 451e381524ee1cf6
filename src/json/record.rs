//! Reading and writing objects with known members.
//!
//! What `serde` derives for a struct is a dozen functions, each of which the compiler checks, and most of which are the
//! same for all structs. For the two hundred generated types, and for those that answers are read into, only what differs
//! is written: which member gets which value. They can be read from anything that has members with names.

use std::{fmt, marker::PhantomData};

use indexmap::IndexMap;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor},
    ser::SerializeStruct,
};

/// A type that is read from the members of an object.
pub(crate) trait Record<'de>: Sized {
    /// For errors.
    const NAME: &'static str;

    /// Names of the members in JSON.
    const MEMBERS: &'static [&'static str];

    fn read<A: MapAccess<'de>>(from: A) -> Result<Self, A::Error>;
}

pub(crate) fn read<'de, T: Record<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    from.deserialize_struct(T::NAME, T::MEMBERS, Object(PhantomData))
}

struct Object<T>(PhantomData<T>);

impl<'de, T: Record<'de>> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "struct {}", T::NAME)
    }

    fn visit_map<A: MapAccess<'de>>(self, from: A) -> Result<T, A::Error> {
        T::read(from)
    }
}

/// Names of members. A gap between their places would be a member that is never read, so it does not compile.
pub(crate) const fn in_order(places: &[usize], names: &'static [&'static str]) -> &'static [&'static str] {
    let mut at = 0;
    while at < places.len() {
        assert!(places[at] == at, "members are numbered from 0 on");
        at += 1;
    }
    names
}

/// The place of the next member in this list; beyond its end if the member is unknown.
pub(crate) fn next<'de, A: MapAccess<'de>>(
    from: &mut A,
    members: &'static [&'static str],
) -> Result<Option<usize>, A::Error> {
    from.next_key_seed(Name(members))
}

struct Name(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Name {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("field identifier")
    }

    fn visit_u64<E>(self, place: u64) -> Result<usize, E> {
        Ok(usize::try_from(place).unwrap_or(usize::MAX))
    }

    fn visit_str<E>(self, name: &str) -> Result<usize, E> {
        Ok(self.0.iter().position(|member| *member == name).unwrap_or(self.0.len()))
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<usize, E> {
        Ok(self.0.iter().position(|member| member.as_bytes() == name).unwrap_or(self.0.len()))
    }
}

/// Reads the value of a member, which may come once.
pub(crate) fn value<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    from: &mut A,
    member: &mut Option<T>,
    name: &'static str,
) -> Result<(), A::Error> {
    if member.is_some() {
        return Err(A::Error::duplicate_field(name));
    }
    *member = Some(from.next_value()?);
    Ok(())
}

/// Skips the value of a member that the type does not have.
pub(crate) fn ignore<'de, A: MapAccess<'de>>(from: &mut A) -> Result<(), A::Error> {
    from.next_value().map(|IgnoredAny| ())
}

/// The first member that must come and did not.
pub(crate) fn missing<E: Error>(is_there: &[bool], members: &'static [&'static str]) -> E {
    let place = is_there.iter().position(|is_there| !is_there);
    E::missing_field(place.and_then(|place| members.get(place)).copied().unwrap_or_default())
}

/// What may be missing in JSON.
pub(crate) trait Omittable {
    fn is_left_out(&self) -> bool;
}

impl<T> Omittable for Option<T> {
    fn is_left_out(&self) -> bool {
        self.is_none()
    }
}

impl<T> Omittable for Vec<T> {
    fn is_left_out(&self) -> bool {
        self.is_empty()
    }
}

impl<K, V> Omittable for IndexMap<K, V> {
    fn is_left_out(&self) -> bool {
        self.is_empty()
    }
}

/// Writes the members of an object up to the first fault, so that nothing has to be asked after each.
pub(crate) struct Writer<S: Serializer>(Result<S::SerializeStruct, S::Error>);

impl<S: Serializer> Writer<S> {
    /// For each member, whether it is written.
    pub(crate) fn new(to: S, name: &'static str, written: &[bool]) -> Self {
        Self(to.serialize_struct(name, written.iter().filter(|written| **written).count()))
    }

    /// Writes a member, unless it may be and is left out.
    pub(crate) fn put<T: Serialize>(&mut self, name: &'static str, value: &T, is_written: bool) {
        let Ok(to) = &mut self.0 else { return };
        if let Err(error) = if is_written { to.serialize_field(name, value) } else { to.skip_field(name) } {
            self.0 = Err(error);
        }
    }

    pub(crate) fn end(self) -> Result<S::Ok, S::Error> {
        self.0?.end()
    }
}

/// `Deserialize` of structs: `readable! { Image { 0 name "image_name", 1 board nullable } }`. Of each member, its place
/// in the list, its name, its name in JSON if that is another, and a word if it may be missing. Without a word, it must
/// come; `default(3)` says what a missing one is.
macro_rules! readable {
    (@name $member:ident $name:literal) => { $name };
    (@name $member:ident) => { stringify!($member) };
    (@is_there [] $member:ident) => { $member.is_some() };
    (@is_there [$($kind:tt)+] $member:ident) => { true };
    (@take [] $member:ident) => { $member };
    (@take [$kind:ident] $member:ident) => { $member.unwrap_or_default() };
    (@take [$kind:ident ($otherwise:expr)] $member:ident) => { $member.unwrap_or_else(|| $otherwise) };
    (@taken [] $member:ident) => { Some($member) };
    (@taken [$($kind:tt)+] $member:ident) => { $member };
    // Reads the members of an object into this.
    (@read $from:ident $members:expr => $($into:ident)::+ {
        $($place:literal $member:ident $($name:literal)? $($kind:ident $(($otherwise:expr))?)?),* $(,)?
    }) => {{
        $(let mut $member = None;)*
        while let Some(place) = $crate::json::record::next(&mut $from, $members)? {
            match place {
                $($place => $crate::json::record::value(&mut $from, &mut $member, $crate::json::record::readable!(@name $member $($name)?)),)*
                _ => $crate::json::record::ignore(&mut $from),
            }?;
        }
        let is_there = [$($crate::json::record::readable!(@is_there [$($kind $(($otherwise))?)?] $member)),*];
        // The first of the tuple is for types all of whose members may be missing.
        let (Some(()), $($crate::json::record::readable!(@taken [$($kind $(($otherwise))?)?] $member)),*) =
            (Some(()), $($crate::json::record::readable!(@take [$($kind $(($otherwise))?)?] $member)),*)
        else {
            return Err($crate::json::record::missing(&is_there, $members));
        };
        Ok($($into)::+ { $($member),* })
    }};
    ($($of:ident { $($place:literal $member:ident $($name:literal)? $($kind:ident $(($otherwise:expr))?)?),* $(,)? })*) => {$(
        impl<'de> $crate::json::record::Record<'de> for $of {
            const NAME: &'static str = stringify!($of);
            const MEMBERS: &'static [&'static str] = $crate::json::record::in_order(
                &[$($place),*],
                &[$($crate::json::record::readable!(@name $member $($name)?)),*],
            );

            fn read<A: ::serde::de::MapAccess<'de>>(mut from: A) -> ::std::result::Result<Self, A::Error> {
                $crate::json::record::readable!(@read from <Self as $crate::json::record::Record<'de>>::MEMBERS => Self {
                    $($place $member $($name)? $($kind $(($otherwise))?)?),*
                })
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $of {
            fn deserialize<D: ::serde::Deserializer<'de>>(from: D) -> ::std::result::Result<Self, D::Error> {
                $crate::json::record::read(from)
            }
        }
    )*};
}
pub(crate) use readable;

/// `Deserialize` and `Serialize` of structs. As `readable!`, and the word also says how a member is written:
///
/// - without a word, it is always written;
/// - `nullable`: an `Option` that may be missing, but is written as `null`;
/// - `default`: what may be missing, but is written;
/// - `optional`: what may be missing, and is not written if it is empty.
macro_rules! record {
    (@written [optional] $value:expr) => { !$crate::json::record::Omittable::is_left_out(&$value) };
    (@written [$($kind:tt)*] $value:expr) => { true };
    ($($of:ident { $($place:literal $member:ident $($name:literal)? $($kind:ident $(($otherwise:expr))?)?),* $(,)? })*) => {$(
        $crate::json::record::readable! { $of { $($place $member $($name)? $($kind $(($otherwise))?)?),* } }

        impl ::serde::Serialize for $of {
            fn serialize<S: ::serde::Serializer>(&self, to: S) -> ::std::result::Result<S::Ok, S::Error> {
                let written = [$($crate::json::record::record!(@written [$($kind $(($otherwise))?)?] self.$member)),*];
                let mut to = $crate::json::record::Writer::new(to, stringify!($of), &written);
                $(to.put($crate::json::record::readable!(@name $member $($name)?), &self.$member, written[$place]);)*
                to.end()
            }
        }
    )*};
}
pub(crate) use record;

#[cfg(test)]
mod tests {
    /// The same by both ways.
    #[derive(Debug, Default, PartialEq)]
    struct Image {
        name: String,
        width: i64,
        type_: Option<String>,
        board: Option<Box<Image>>,
        tags: Vec<String>,
    }

    record! {
        Image {
            0 name, 1 width, 2 type_ "type" nullable, 3 board optional, 4 tags optional,
        }
    }

    mod derived {
        #[derive(Debug, serde::Deserialize, serde::Serialize)]
        pub(super) struct Image {
            name: String,
            width: i64,
            #[serde(rename = "type")]
            type_: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            board: Option<Box<Image>>,
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            tags: Vec<String>,
        }
    }

    #[test]
    fn what_is_read_and_written_and_refused_is_as_derived() {
        for json in [
            r#"{"name": "a", "width": 1}"#,
            r#"{"width": 1, "tags": ["x"], "unknown": [{}], "name": "a", "type": null}"#,
            r#"{"name": "a", "width": 1, "type": "b", "board": {"name": "c", "width": 2, "tags": []}}"#,
            r#"{"name": "a", "width": 1, "board": {"name": "c"}}"#,
            r#"{"name": "a", "width": 1, "name": "b"}"#,
            r#"{"name": "a", "tags": null}"#,
            r#"{"name": 7}"#,
            r#"{"name": "a", "width": null}"#,
            "{}",
            "7",
            "null",
        ] {
            let here: Result<Image, _> = serde_json::from_str(json);
            let there: Result<derived::Image, _> = serde_json::from_str(json);
            let text = |error: &serde_json::Error| error.to_string();
            assert_eq!(here.as_ref().err().map(text), there.as_ref().err().map(text), "{json}");
            if let (Ok(here), Ok(there)) = (here, there) {
                let (here_value, there_value) =
                    (serde_json::to_value(&here).unwrap(), serde_json::to_value(&there).unwrap());
                assert_eq!(here_value, there_value, "{json}");
                assert_eq!(serde_json::to_string(&here).unwrap(), serde_json::to_string(&there).unwrap());
                assert_eq!(serde_json::from_value::<Image>(here_value).unwrap(), here);
            }
        }
    }
}
