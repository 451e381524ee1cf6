//! The fields of a node, by name.

use indexmap::{IndexMap, map};
use std::fmt;
use std::ops::Index;
use std::sync::Arc;

/// Fields of a node by name, in the order of the document.
#[derive(Clone, PartialEq)]
pub struct Fields<T>(IndexMap<String, Arc<T>, foldhash::fast::RandomState>);

impl<T> Fields<T> {
    /// The field with this name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.0.get(name).map(|field| &**field)
    }

    /// The same, for sharing.
    pub(crate) fn get_shared(&self, name: &str) -> Option<&Arc<T>> {
        self.0.get(name)
    }

    /// Whether there is a field with this name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and fields, in order.
    pub fn iter(&self) -> FieldsIter<'_, T> {
        FieldsIter(self.0.iter())
    }

    /// Names, in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Fields, in order.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &T> + Clone {
        self.0.values().map(|field| &**field)
    }
}

impl<T> FromIterator<(String, T)> for Fields<T> {
    fn from_iter<I: IntoIterator<Item = (String, T)>>(fields: I) -> Self {
        Fields(fields.into_iter().map(|(name, field)| (name, Arc::new(field))).collect())
    }
}

impl<T> Default for Fields<T> {
    fn default() -> Self {
        Fields(IndexMap::default())
    }
}

/// The field with this name, which must exist.
impl<T> Index<&str> for Fields<T> {
    type Output = T;

    fn index(&self, name: &str) -> &T {
        &self.0[name]
    }
}

impl<T: fmt::Debug> fmt::Debug for Fields<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::debug::whole(f, |f| self.0.fmt(f))
    }
}

impl<'a, T> IntoIterator for &'a Fields<T> {
    type Item = (&'a str, &'a T);
    type IntoIter = FieldsIter<'a, T>;

    fn into_iter(self) -> FieldsIter<'a, T> {
        self.iter()
    }
}

/// Names and fields of [`Fields`], in order.
pub struct FieldsIter<'a, T>(map::Iter<'a, String, Arc<T>>);

impl<T: fmt::Debug> fmt::Debug for FieldsIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::debug::whole(f, |f| self.0.fmt(f))
    }
}

impl<'a, T> Iterator for FieldsIter<'a, T> {
    type Item = (&'a str, &'a T);

    fn next(&mut self) -> Option<(&'a str, &'a T)> {
        self.0.next().map(|(name, field)| (name.as_str(), &**field))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<T> ExactSizeIterator for FieldsIter<'_, T> {}
