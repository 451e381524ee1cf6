//! Texts of a workflow. Nearly all are parts of the file that they were read from, and stay in it.

use serde::{Serialize, Serializer};
use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// The text of a file, shared by all its parts.
pub(super) struct Source(Box<str>);

/// A text that is cheap to copy.
#[derive(Clone)]
pub(super) struct Text(Kept);

#[derive(Clone)]
enum Kept {
    /// First byte in the file, and the end of the part; no file is larger than [`MAX_FILE`](super::json::MAX_FILE).
    Part {
        source: Arc<Source>,
        start: u32,
        end: u32,
    },
    Own(Arc<str>),
    Fixed(&'static str),
}

impl Source {
    pub(super) fn new(text: &str) -> Arc<Self> {
        Arc::new(Source(text.into()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Text {
    pub(super) const fn fixed(text: &'static str) -> Self {
        Text(Kept::Fixed(text))
    }

    /// A part of a file. If it is not one, it is copied.
    pub(super) fn part(source: &Arc<Source>, part: &str) -> Self {
        if part.is_empty() {
            return Text::default();
        }
        let start = (part.as_ptr() as usize).wrapping_sub(source.0.as_ptr() as usize);
        let inside = start < source.0.len() && part.len() <= source.0.len() - start;
        match (u32::try_from(start), u32::try_from(start.wrapping_add(part.len()))) {
            (Ok(start), Ok(end)) if inside => Text(Kept::Part { source: source.clone(), start, end }),
            _ => part.into(),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        match &self.0 {
            Kept::Part { source, start, end } => source.0.get(*start as usize..*end as usize).unwrap_or_default(),
            Kept::Own(text) => text,
            Kept::Fixed(text) => text,
        }
    }

    /// The same text without what `shorten` takes off its ends.
    pub(super) fn shortened(self, shorten: impl FnOnce(&str) -> &str) -> Self {
        let short = shorten(&self);
        if short.len() == self.len() {
            return self;
        }
        match &self.0 {
            Kept::Part { source, .. } => Text::part(source, short),
            _ => short.into(),
        }
    }
}

impl Default for Text {
    fn default() -> Self {
        Text::fixed("")
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        if text.is_empty() { Text::default() } else { Text(Kept::Own(text.into())) }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

/// Hashed and compared as its characters, so that any `str` can be looked up in tables of texts.
impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stay_in_their_source() {
        let source = Source::new("name: größe ");
        let part = Text::part(&source, &source.as_str()[5..]);
        assert_eq!((part.as_str(), Arc::strong_count(&source)), (" größe ", 2));
        let short = part.shortened(str::trim);
        assert_eq!((short.as_str(), Arc::strong_count(&source)), ("größe", 2), "still a part");
    }

    #[test]
    fn other_texts_are_copied() {
        let source = Source::new("name");
        assert_eq!(Text::part(&source, "elsewhere"), "elsewhere");
        assert_eq!(Text::part(&source, ""), "");
        assert_eq!(Arc::strong_count(&source), 1);
    }
}
