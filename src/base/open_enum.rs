//! String enums that stay open.
//!
//! A server may add a value in any release. An open enum keeps a value that it does not know, and writes the same
//! string back.

/// Defines an open string enum with an `Unknown(String)` variant.
macro_rules! open_enum {
    ($(#[$docs:meta])* $name:ident { $($(#[$variant_docs:meta])* $variant:ident = $value:literal,)* }) => {
        $(#[$docs])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name {
            $(
                $(#[$variant_docs])*
                #[doc = concat!("`", $value, "`")]
                $variant,
            )*
            /// A value that this version of the crate does not know.
            Unknown(::std::string::String),
        }

        $crate::base::debug::short_debug! { enum $name { $($variant,)* Unknown(value) } }

        impl $name {
            /// Every value that this version of the crate knows.
            pub const KNOWN: &'static [&'static str] = &[$($value),*];

            /// The string that the server uses.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $value,)*
                    Self::Unknown(value) => value,
                }
            }
        }

        impl ::std::convert::From<&str> for $name {
            fn from(value: &str) -> Self {
                match value {
                    $($value => Self::$variant,)*
                    other => Self::Unknown(other.to_owned()),
                }
            }
        }

        impl ::std::convert::From<::std::string::String> for $name {
            fn from(value: ::std::string::String) -> Self {
                Self::from(value.as_str())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = ::std::convert::Infallible;

            fn from_str(value: &str) -> ::std::result::Result<Self, Self::Err> {
                Ok(Self::from(value))
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                let value = <::std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Ok(Self::from(value.as_ref()))
            }
        }
    };
}
pub(crate) use open_enum;

#[cfg(test)]
#[allow(unreachable_pub)]
mod tests {
    open_enum! {
        /// Sizes.
        Size { Small = "small", Large = "lar-ge", }
    }

    #[test]
    fn known_and_unknown_values_survive_a_round_trip() {
        for value in ["small", "lar-ge", "gigantic", ""] {
            let text = serde_json::to_string(value).unwrap();
            let size: Size = serde_json::from_str(&text).unwrap();
            assert_eq!(size.as_str(), value);
            assert_eq!(matches!(size, Size::Unknown(_)), !Size::KNOWN.contains(&value));
            assert_eq!(serde_json::to_string(&size).unwrap(), text);
        }
    }
}
