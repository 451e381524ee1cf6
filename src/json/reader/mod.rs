//! Reads types from text, either as `serde_json` does or leniently, and knows where it is.
//!
//! A type that is read by two deserializers is compiled twice. So both ways are one deserializer here, and what does
//! not depend on the type is not generic.

mod fault;

use std::{borrow::Cow, sync::LazyLock};

use serde::{
    Deserialize as _, Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, Error as _, IntoDeserializer as _, MapAccess, SeqAccess, Unexpected,
        Visitor,
        value::{BorrowedStrDeserializer, CowStrDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::{Error, value::RawValue};

use fault::{Fault, Step};

use crate::json::weight::{self, Meter};

/// Deepest nesting that is read; the same limit that `serde_json` puts on text.
const MAX_DEPTH: usize = 128;

/// The name by which `serde_json` asks for the text of a value as it is. It is a secret of `serde_json`, so it is asked for.
static RAW: LazyLock<&str> = LazyLock::new(|| {
    let mut name = "";
    // It fails, since there is nothing to read.
    _ = <&RawValue>::deserialize(Overheard(&mut name));
    name
});

/// Only keeps by which name a type asks for what it has within.
struct Overheard<'a>(&'a mut &'static str);

impl<'de> Deserializer<'de> for Overheard<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> std::result::Result<V::Value, Error> {
        Err(Error::custom("there is nothing to read"))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> std::result::Result<V::Value, Error> {
        *self.0 = name;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

type Result<T> = std::result::Result<T, Fault>;

/// Reads a text. With a meter it is read leniently, and takes no more memory than the meter allows; it must be JSON.
/// Without one, it is read as `serde_json` does.
pub(super) fn read<T: DeserializeOwned>(text: &str, meter: Option<&Meter>) -> Result<T> {
    let mut reader = Reader { text, at: 0, depth: 0, meter };
    let value = T::deserialize(&mut reader)?;
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(Fault::custom("trailing characters")),
    }
}

/// A float that is a whole number.
pub(crate) fn whole(float: f64) -> Option<i64> {
    // Beyond 2^53 a float is not exact.
    (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then_some(float as i64)
}

struct Reader<'de, 'm> {
    text: &'de str,
    at: usize,
    depth: usize,
    meter: Option<&'m Meter>,
}

/// A number of JSON.
enum Number {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

/// What does not depend on the type.
impl<'de> Reader<'de, '_> {
    /// The first byte of what comes next.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let space = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r')).count();
        self.at += space;
        rest.get(space).copied()
    }

    fn take(&self, bytes: usize) -> Result<()> {
        self.meter.map_or(Ok(()), |meter| meter.take(bytes).map_err(Fault::from))
    }

    fn skip(&mut self, expected: u8) -> Result<()> {
        if self.peek() != Some(expected) {
            return Err(Fault::custom(format_args!("expected `{}`", char::from(expected))));
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<()> {
        match self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            true => self.at += word.len(),
            false => return Err(Fault::custom("expected value")),
        }
        Ok(())
    }

    /// Goes into a list or an object.
    fn enter(&mut self) -> Result<()> {
        if self.depth >= MAX_DEPTH {
            return Err(Fault::custom("is nested too deeply"));
        }
        self.at += 1;
        self.depth += 1;
        Ok(())
    }

    /// Goes to the next entry; `false` after the last one.
    fn advance(&mut self, is_first: &mut bool, end: u8) -> Result<bool> {
        if self.peek() == Some(end) {
            self.at += 1;
            self.depth -= 1;
            return Ok(false);
        }
        if !std::mem::take(is_first) {
            self.skip(b',')?;
        }
        Ok(true)
    }

    /// The text of the next value.
    fn raw(&mut self) -> Result<&'de RawValue> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&'de RawValue>();
        let value = values.next().ok_or_else(|| Fault::custom("EOF while parsing a value"))??;
        self.at += values.byte_offset();
        Ok(value)
    }

    fn string(&mut self) -> Result<Cow<'de, str>> {
        self.skip(b'"')?;
        let (start, bytes) = (self.at, self.text.as_bytes());
        let mut has_escapes = false;
        loop {
            match bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    has_escapes = true;
                    self.at += 2;
                }
                None | Some(0..0x20) => {
                    return Err(Fault::custom("a string that does not end, or a control character"));
                }
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        match has_escapes {
            true => Ok(Cow::Owned(serde_json::from_str(self.text.get(start - 1..self.at).unwrap_or_default())?)),
            false => Ok(Cow::Borrowed(self.text.get(start..self.at - 1).unwrap_or_default())),
        }
    }

    fn number(&mut self) -> Result<Number> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        let text = &rest[..length.count()];
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit());
        self.at += text.len();
        // More than one digit does not begin with 0, and `-0` is a float.
        let is_plain = is_whole && !digits.is_empty() && (!digits.starts_with('0') || text == "0");
        if is_plain && let Ok(unsigned) = text.parse() {
            return Ok(Number::Unsigned(unsigned));
        }
        if is_plain && let Ok(signed) = text.parse() {
            return Ok(Number::Signed(signed));
        }
        Ok(Number::Float(serde_json::from_str(text)?))
    }
}

impl<'de> Reader<'de, '_> {
    /// A value that is neither a list nor an object, or not the kind that is wanted.
    fn scalar<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        match self.peek() {
            Some(b'"') => match self.string()? {
                Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                Cow::Owned(text) => visitor.visit_string(text),
            },
            Some(b'n') => self.word("null").and_then(|()| visitor.visit_unit()),
            Some(b't') => self.word("true").and_then(|()| visitor.visit_bool(true)),
            Some(b'f') => self.word("false").and_then(|()| visitor.visit_bool(false)),
            Some(b'{') => Err(Fault::invalid_type(Unexpected::Map, &visitor)),
            Some(b'[') => Err(Fault::invalid_type(Unexpected::Seq, &visitor)),
            Some(_) => match self.number()? {
                Number::Unsigned(number) => visitor.visit_u64(number),
                Number::Signed(number) => visitor.visit_i64(number),
                Number::Float(number) => visitor.visit_f64(number),
            },
            None => Err(Fault::custom("EOF while parsing a value")),
        }
    }

    fn integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        if !matches!(self.peek(), Some(b'-' | b'0'..=b'9')) || self.meter.is_none() {
            return self.scalar(visitor);
        }
        match self.number()? {
            Number::Unsigned(number) => visitor.visit_u64(number),
            Number::Signed(number) => visitor.visit_i64(number),
            Number::Float(number) => match whole(number) {
                Some(whole) => visitor.visit_i64(whole),
                None => visitor.visit_f64(number),
            },
        }
    }

    fn text<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        self.peek();
        let start = self.at;
        if self.meter.is_some() {
            // Escapes only make it longer than what is kept.
            let length = self.raw()?.get().len();
            self.take(weight::text(length.saturating_sub(2)))?;
            self.at = start;
        }
        self.scalar(visitor)
    }

    fn list<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        if self.peek() != Some(b'[') {
            return self.scalar(visitor);
        }
        let depth = self.depth;
        self.enter()?;
        let value = visitor.visit_seq(Elements { reader: self, is_first: true, count: 0 })?;
        self.leave(depth, b']').map(|()| value)
    }

    fn object<V: Visitor<'de>>(&mut self, visitor: V, is_struct: bool) -> Result<V::Value> {
        match self.peek() {
            Some(b'{') => {}
            Some(b'[') if is_struct => return self.list(visitor),
            _ => return self.scalar(visitor),
        }
        let depth = self.depth;
        self.enter()?;
        let key = Cow::Borrowed("");
        let members = Members { reader: self, is_struct, is_first: true, count: 0, key_size: 0, key };
        let value = visitor.visit_map(members)?;
        self.leave(depth, b'}').map(|()| value)
    }

    /// Leaves a list or an object of which nothing is left. A visitor that knows how many entries there are does not ask
    /// for one more.
    fn leave(&mut self, depth: usize, end: u8) -> Result<()> {
        if self.depth > depth {
            self.skip(end)?;
            self.depth = depth;
        }
        Ok(())
    }

    /// As `serde_json` reads it.
    fn as_it_is<T>(
        &mut self,
        read: impl FnOnce(&mut serde_json::Deserializer<serde_json::de::StrRead<'de>>) -> serde_json::Result<T>,
    ) -> Result<T> {
        let json = self.raw()?.get();
        if let Some(meter) = self.meter {
            weight::weigh(json, meter)?;
        }
        Ok(read(&mut serde_json::Deserializer::from_str(json))?)
    }
}

macro_rules! by {
    ($by:ident: $($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.$by(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Reader<'de, '_> {
    type Error = Fault;

    by! {
        integer:
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    by! { scalar: deserialize_bool deserialize_f32 deserialize_f64 deserialize_char deserialize_unit deserialize_identifier }

    by! { text: deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf }

    by! { list: deserialize_seq }

    // This fills a `Value`, inside which nothing changes.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.as_it_is(|json| json.deserialize_any(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek() {
            Some(b'n') => self.word("null").and_then(|()| visitor.visit_none()),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        self.scalar(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value> {
        if name != *RAW {
            return visitor.visit_newtype_struct(self);
        }
        let json = self.raw()?.get();
        // It is kept as it is, quotes included.
        self.take(weight::text(json.len()))?;
        visitor.visit_map(Raw(Some(json)))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, _: usize, visitor: V) -> Result<V::Value> {
        self.list(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.object(visitor, false)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.object(visitor, true)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.as_it_is(|json| json.deserialize_enum(name, variants, visitor))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.raw()?;
        visitor.visit_unit()
    }
}

struct Elements<'a, 'de, 'm> {
    reader: &'a mut Reader<'de, 'm>,
    is_first: bool,
    count: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de, '_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        if !self.reader.advance(&mut self.is_first, b']')? {
            return Ok(None);
        }
        let index = self.count;
        self.count += 1;
        let read = match self.reader.take(weight::list_growth(index, size_of::<T::Value>())) {
            Ok(()) => seed.deserialize(&mut *self.reader),
            Err(fault) => Err(fault),
        };
        read.map(Some).map_err(|fault| fault.within(Step::Element(index)))
    }
}

struct Members<'a, 'de, 'm> {
    reader: &'a mut Reader<'de, 'm>,
    is_struct: bool,
    is_first: bool,
    count: usize,
    key_size: usize,
    key: Cow<'de, str>,
}

impl<'de> Members<'_, 'de, '_> {
    /// Goes to the value of the next member; `false` after the last one.
    fn next(&mut self, key_size: usize) -> Result<bool> {
        loop {
            if !self.reader.advance(&mut self.is_first, b'}')? {
                return Ok(false);
            }
            self.key = self.reader.string()?;
            self.reader.skip(b':')?;
            if self.is_struct && self.reader.meter.is_some() && self.reader.peek() == Some(b'n') {
                self.reader.word("null")?;
                continue;
            }
            if !self.is_struct {
                self.reader.take(weight::text(self.key.len()))?;
                self.key_size = key_size;
            }
            return Ok(true);
        }
    }

    /// Counts the value that is about to be read.
    fn grow(&mut self, size: usize) -> Result<()> {
        if !self.is_struct {
            self.reader.take(weight::map_growth(self.count, self.key_size, size))?;
        }
        self.count += 1;
        Ok(())
    }

    fn fault(&self, fault: Fault) -> Fault {
        fault.within(Step::Member(self.key.clone().into_owned()))
    }
}

impl<'de> MapAccess<'de> for Members<'_, 'de, '_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        match self.next(size_of::<K::Value>())? {
            true => seed.deserialize(Key(&self.key)).map(Some),
            false => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        let read = match self.grow(size_of::<V::Value>()) {
            Ok(()) => seed.deserialize(&mut *self.reader),
            Err(fault) => Err(fault),
        };
        read.map_err(|fault| self.fault(fault))
    }
}

/// The name of a member. A map may have numbers as keys, which JSON writes as names.
struct Key<'a>(&'a str);

impl<'a> Key<'a> {
    fn text(self) -> CowStrDeserializer<'a, Fault> {
        Cow::Borrowed(self.0).into_deserializer()
    }
}

macro_rules! numeric {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            let mut reader = Reader { text: self.0, at: 0, depth: 0, meter: None };
            match reader.number() {
                Ok(Number::Unsigned(number)) if reader.at == self.0.len() => visitor.visit_u64(number),
                Ok(Number::Signed(number)) if reader.at == self.0.len() => visitor.visit_i64(number),
                _ => visitor.visit_str(self.0),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = Fault;

    numeric! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    forward_to_deserialize_any! {
        bool f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.text().deserialize_enum(name, variants, visitor)
    }
}

/// What a [`RawValue`] is read from.
struct Raw<'de>(Option<&'de str>);

impl<'de> MapAccess<'de> for Raw<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        match self.0 {
            Some(_) => seed.deserialize(BorrowedStrDeserializer::new(*RAW)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        seed.deserialize(BorrowedStrDeserializer::new(self.0.take().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests;
