//! `Debug` that stays short. A file, or a server's answer, may be a megabyte, and ends up in logs and messages.
//!
//! `tests/offline/debug.rs` requires it of every public type that may hold more than a few numbers.

use std::fmt::{self, Write};

/// The most characters that one member shows.
const MEMBER: usize = 200;

/// The most characters that a value shows.
const WHOLE: usize = 900;

/// Shows at most [`MEMBER`] characters of a member.
pub(crate) struct Short<'a>(pub(crate) &'a dyn fmt::Debug);

impl fmt::Debug for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        cut(f, MEMBER, |shown| write!(shown, "{:?}", self.0))
    }
}

/// Writes what `show` writes, cut where it becomes long.
pub(crate) fn whole(f: &mut fmt::Formatter<'_>, show: impl Fn(&mut fmt::Formatter<'_>) -> fmt::Result) -> fmt::Result {
    whole_by(f, &show)
}

/// What shows a value.
type Show<'a> = &'a dyn Fn(&mut fmt::Formatter<'_>) -> fmt::Result;

fn whole_by(f: &mut fmt::Formatter<'_>, show: Show<'_>) -> fmt::Result {
    let is_pretty = f.alternate();
    let shown = By(show);
    cut(f, WHOLE, |to| if is_pretty { write!(to, "{shown:#?}") } else { write!(to, "{shown:?}") })
}

/// Something that is shown by this function.
struct By<'a>(Show<'a>);

impl fmt::Debug for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

/// Writes what [`short_debug`] shows of a struct: its members, each shortened.
pub(crate) fn structure(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    members: &[(&str, &dyn fmt::Debug)],
    is_all: bool,
) -> fmt::Result {
    whole_by(f, &|f| {
        let mut shown = f.debug_struct(name);
        for (name, member) in members {
            shown.field(name, &Short(*member));
        }
        if is_all { shown.finish() } else { shown.finish_non_exhaustive() }
    })
}

fn cut(f: &mut fmt::Formatter<'_>, most: usize, write: impl FnOnce(&mut Limited) -> fmt::Result) -> fmt::Result {
    let mut shown = Limited { text: String::new(), left: most, is_cut: false };
    // Stops where the limit is reached, so that a large value costs no more than a small one.
    let written = write(&mut shown);
    f.write_str(&shown.text)?;
    match written {
        Err(fmt::Error) if shown.is_cut => f.write_char('…'),
        other => other,
    }
}

struct Limited {
    text: String,
    left: usize,
    is_cut: bool,
}

impl Write for Limited {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = text.char_indices().nth(self.left).map(|(end, _)| end);
        self.text.push_str(&text[..end.unwrap_or(text.len())]);
        self.left = self.left.saturating_sub(text.chars().take(self.left).count());
        self.is_cut |= end.is_some();
        if end.is_some() { Err(fmt::Error) } else { Ok(()) }
    }
}

/// `Debug` of a type by its members, each shortened, and the whole shortened too. All must be named, or the list ends
/// with `; ..`:
///
/// - `short_debug! { User { user_id, email } }`, and `User { user_id; .. }` where the others are not worth showing;
/// - `short_debug! { Value(text) }` for members without names;
/// - `short_debug! { enum Ended { Never, At(time), Failed { reason, code } } }`.
macro_rules! short_debug {
    (@end $shown:ident) => { $shown.finish() };
    (@end $shown:ident ..) => { $shown.finish_non_exhaustive() };
    (@is_all) => { true };
    (@is_all ..) => { false };
    (@struct $f:ident $name:ident { $($member:ident),* $(; $rest:tt)? }) => {
        $crate::base::debug::structure(
            $f,
            stringify!($name),
            &[$((stringify!($member), $member as &dyn ::std::fmt::Debug)),*],
            $crate::base::debug::short_debug!(@is_all $($rest)?),
        )
    };
    (@struct $f:ident $name:ident $(( $($place:ident),* ))?) => {
        $crate::base::debug::whole($f, |f| $crate::base::debug::short_debug!(@show f $name $(( $($place),* ))?))
    };
    (@show $f:ident $name:ident) => { $f.write_str(stringify!($name)) };
    (@show $f:ident $name:ident ( $($place:ident),* )) => {{
        let mut shown = $f.debug_tuple(stringify!($name));
        $(shown.field(&$crate::base::debug::Short($place));)*
        shown.finish()
    }};
    (@show $f:ident $name:ident { $($member:ident),* $(; $rest:tt)? }) => {{
        let mut shown = $f.debug_struct(stringify!($name));
        $(shown.field(stringify!($member), &$crate::base::debug::Short($member));)*
        $crate::base::debug::short_debug!(@end shown $($rest)?)
    }};
    (enum $of:ident $(<$life:lifetime>)? {
        $($variant:ident $(( $($place:ident),* ))? $({ $($member:ident),* $(; $rest:tt)? })?),* $(,)?
    }) => {
        impl $(<$life>)? ::std::fmt::Debug for $of $(<$life>)? {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                $crate::base::debug::whole(f, |f| match self {
                    $(Self::$variant $(( $($place),* ))? $({ $($member),* $(, $rest)? })? => {
                        $crate::base::debug::short_debug!(
                            @show f $variant $(( $($place),* ))? $({ $($member),* $(; $rest)? })?
                        )
                    })*
                })
            }
        }
    };
    ($($of:ident $(<$life:lifetime>)? $(( $($place:ident),* ))? $({ $($member:ident),* $(; $rest:tt)? })?)*) => {
        $(
            impl $(<$life>)? ::std::fmt::Debug for $of $(<$life>)? {
                fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                    let Self $(( $($place),* ))? $({ $($member),* $(, $rest)? })? = self;
                    $crate::base::debug::short_debug!(
                        @struct f $of $(( $($place),* ))? $({ $($member),* $(; $rest)? })?
                    )
                }
            }
        )*
    };
}
pub(crate) use short_debug;

#[cfg(test)]
mod tests {
    use super::*;

    struct Many {
        a: String,
        b: String,
        c: Vec<u64>,
        d: String,
        e: String,
        f: String,
        hidden: (),
    }
    struct Two(u8, String);
    enum Some {
        Nothing,
        Text(String),
        Both { text: String, number: u8 },
    }
    short_debug! {
        Many { a, b, c, d, e, f; .. }
        Two(number, text)
    }
    short_debug! { enum Some { Nothing, Text(text), Both { text, number } } }

    #[test]
    fn long_values_are_cut_and_short_ones_are_whole() {
        assert_eq!(format!("{:?}", Short(&"ä".repeat(3))), "\"äää\"");
        let long = format!("{:?}", Short(&"ä".repeat(1_000_000)));
        assert_eq!((long.chars().count(), long.ends_with('…')), (MEMBER + 1, true));
        assert_eq!(format!("{:#?}", Short(&[1, 2])), "[1, 2]");
        let exact = "x".repeat(MEMBER - 2);
        assert_eq!(format!("{:?}", Short(&exact)), format!("{exact:?}"));
    }

    #[test]
    fn types_are_shown_by_their_members_and_not_longer_than_one_can_read() {
        let text = || "ä".repeat(1_000_000);
        let long = Many { a: text(), b: text(), c: vec![7; 10_000], d: text(), e: text(), f: text(), hidden: () };
        let () = long.hidden;
        for shown in [format!("{long:?}"), format!("{long:#?}")] {
            assert_eq!((shown.chars().count(), shown.ends_with('…')), (WHOLE + 1, true), "{shown}");
        }
        let few = Many { c: vec![7], ..Many { a: "x".into(), ..empty() } };
        assert_eq!(format!("{few:?}"), r#"Many { a: "x", b: "", c: [7], d: "", e: "", f: "", .. }"#);
        assert_eq!(format!("{:?}", Two(1, "x".into())), r#"Two(1, "x")"#);
        assert_eq!(format!("{:#?}", Two(1, "x".into())), "Two(\n    1,\n    \"x\",\n)");
        let all = [Some::Nothing, Some::Text("x".into()), Some::Both { text: "y".into(), number: 2 }];
        assert_eq!(format!("{all:?}"), r#"[Nothing, Text("x"), Both { text: "y", number: 2 }]"#);
    }

    fn empty() -> Many {
        let text = String::new;
        Many { a: text(), b: text(), c: Vec::new(), d: text(), e: text(), f: text(), hidden: () }
    }
}
