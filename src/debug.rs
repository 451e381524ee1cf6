//! `Debug` that stays short. A file, or an answer of a server, may be a megabyte, and ends up in logs and messages.

use std::fmt::{self, Write};

/// Most characters that one member shows.
const MOST: usize = 100;

/// At most so many characters of a value.
pub(crate) struct Short<'a>(pub(crate) &'a dyn fmt::Debug);

impl fmt::Debug for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = Limited { text: String::new(), left: MOST, is_cut: false };
        // Stops where the limit is reached, so that a large value costs no more than a small one.
        let written = write!(shown, "{:?}", self.0);
        f.write_str(&shown.text)?;
        match written {
            Err(fmt::Error) if shown.is_cut => f.write_char('…'),
            other => other,
        }
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

/// Shows these members of a type, each shortened. Others are left out.
macro_rules! short_debug {
    ($($of:ident { $($member:ident),* $(,)? })*) => {
        $(
            /// Shows what matters, shortened.
            impl ::std::fmt::Debug for $of {
                fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                    f.debug_struct(stringify!($of))
                        $(.field(stringify!($member), &$crate::debug::Short(&self.$member)))*
                        .finish_non_exhaustive()
                }
            }
        )*
    };
}
pub(crate) use short_debug;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut_and_short_ones_are_whole() {
        assert_eq!(format!("{:?}", Short(&"ä".repeat(3))), "\"äää\"");
        let long = format!("{:?}", Short(&"ä".repeat(1_000_000)));
        assert_eq!((long.chars().count(), long.ends_with('…')), (MOST + 1, true));
        assert_eq!(format!("{:#?}", Short(&[1, 2])), "[1, 2]");
        let exact = "x".repeat(MOST - 2);
        assert_eq!(format!("{:?}", Short(&exact)), format!("{exact:?}"));
    }
}
