//! Reading objects of several kinds, of which one member says the kind.
//!
//! `serde` derives this by way of a copy of the object in a tree of its own, from which every type that it can hold is
//! compiled once more. Here the copy is the tree that is in the program anyway.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value};

/// A type whose kinds are objects.
pub(crate) trait Tagged: Sized {
    /// The member that says the kind.
    const TAG: &'static str;

    fn read<'de, A: MapAccess<'de>>(kind: &str, from: A) -> Result<Self, A::Error>;
}

pub(crate) fn read<'de, T: Tagged, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    from_value(&Value::Object(Map::deserialize(from)?)).map_err(D::Error::custom)
}

/// Reads what is in a tree already.
pub(crate) fn from_value<T: Tagged>(value: &Value) -> Result<T, serde_json::Error> {
    let kind = match value.get(T::TAG) {
        Some(Value::String(kind)) => kind,
        Some(_) => return Err(Error::custom(format_args!("the member `{}` is not a string", T::TAG))),
        None => return Err(Error::missing_field(T::TAG)),
    };
    value.deserialize_map(Kind(kind, PhantomData))
}

struct Kind<'k, T>(&'k str, PhantomData<T>);

impl<'de, T: Tagged> Visitor<'de> for Kind<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, from: A) -> Result<T, A::Error> {
        T::read(self.0, from)
    }
}

/// Reads past the members of a kind that has none that matter.
pub(crate) fn skip<'de, A: MapAccess<'de>>(mut from: A) -> Result<(), A::Error> {
    while from.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// `Deserialize` of an enum: `tagged! { Shape by "type" { "circle" | "disc" => Circle { 0 radius } } else Other }`. Its
/// variants are written as `readable!` takes them. Without an `else`, other kinds are refused.
macro_rules! tagged {
    (@else $from:ident $kind:ident) => { Err(::serde::de::Error::custom(format_args!("`{}` is not a known kind", $kind))) };
    (@else $from:ident $kind:ident $other:ident) => { $crate::json::tagged::skip($from).map(|()| Self::$other) };
    ($of:ident by $tag:literal {
        $($($kind:literal)|+ => $variant:ident {
            $($place:literal $member:ident $($name:literal)? $($word:ident $(($otherwise:expr))?)?),* $(,)?
        }),* $(,)?
    } $(else $other:ident)?) => {
        impl $crate::json::tagged::Tagged for $of {
            const TAG: &'static str = $tag;

            fn read<'de, A: ::serde::de::MapAccess<'de>>(
                kind: &str,
                mut from: A,
            ) -> ::std::result::Result<Self, A::Error> {
                match kind {
                    $($($kind)|+ => $crate::json::record::readable!(
                        @read from const {
                            $crate::json::record::in_order(
                                &[$($place),*],
                                &[$($crate::json::record::readable!(@name $member $($name)?)),*],
                            )
                        } => Self::$variant {
                            $($place $member $($name)? $($word $(($otherwise))?)?),*
                        }
                    ),)*
                    _ => $crate::json::tagged::tagged!(@else from kind $($other)?),
                }
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $of {
            fn deserialize<D: ::serde::Deserializer<'de>>(from: D) -> ::std::result::Result<Self, D::Error> {
                $crate::json::tagged::read(from)
            }
        }
    };
}
pub(crate) use tagged;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq)]
    enum Shape {
        Circle { radius: f64, label: Option<String>, tags: Vec<u8> },
        Point {},
        Other,
    }

    tagged! {
        Shape by "type" {
            "circle" | "disc" => Circle { 0 radius, 1 label nullable, 2 tags default },
            "point" => Point {},
        } else Other
    }

    #[derive(Debug, PartialEq)]
    enum Known {
        Point { x: u64 },
    }

    tagged! { Known by "is" { "point" => Point { 0 x } } }

    mod derived {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        #[serde(tag = "type", rename_all = "lowercase")]
        pub(super) enum Shape {
            #[serde(alias = "disc")]
            Circle {
                radius: f64,
                label: Option<String>,
                #[serde(default)]
                tags: Vec<u8>,
            },
            Point {},
            #[serde(other)]
            Other,
        }
    }

    #[test]
    fn what_is_read_and_refused_is_as_derived() {
        for json in [
            json!({"type": "circle", "radius": 1.5, "label": "a", "tags": [1]}),
            json!({"radius": 2, "unknown": {}, "type": "disc", "label": null}),
            json!({"type": "circle"}),
            json!({"type": "circle", "radius": 1, "tags": null}),
            json!({"type": "circle", "radius": "1"}),
            json!({"type": "point", "x": 1}),
            json!({"type": "square", "side": 1}),
            json!({"radius": 1}),
        ] {
            let here: Result<Shape, _> = serde_json::from_value(json.clone());
            let there: Result<derived::Shape, _> = serde_json::from_value(json.clone());
            let shown = |shape: Result<String, serde_json::Error>| shape.map_err(|error| error.to_string());
            let there = shown(there.map(|shape| format!("{shape:?}")));
            assert_eq!(shown(here.map(|shape| format!("{shape:?}"))), there, "{json}");
            let in_place: Result<Shape, _> = from_value(&json);
            assert_eq!(shown(in_place.map(|shape| format!("{shape:?}"))), there, "{json}");
        }
        assert!(serde_json::from_str::<Shape>("[]").is_err());
        assert!(serde_json::from_str::<Shape>(r#"{"type": 7}"#).is_err());
    }

    #[test]
    fn without_another_variant_unknown_kinds_are_refused() {
        assert_eq!(serde_json::from_str::<Known>(r#"{"x": 7, "is": "point"}"#).unwrap(), Known::Point { x: 7 });
        let error = serde_json::from_str::<Known>(r#"{"is": "line"}"#).unwrap_err();
        assert_eq!(error.to_string().split(" at ").next(), Some("`line` is not a known kind"));
    }
}
