//! The groups of a URL as serde's data model.

use std::fmt;

use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::error::{NO_PART, ParseError};
use crate::service::url_args::UrlArgs;

/// All groups together.
pub(crate) struct Groups<'de> {
    args: &'de UrlArgs,
}

impl<'de> Groups<'de> {
    pub(crate) fn new(args: &'de UrlArgs) -> Self {
        Self { args }
    }

    fn field(&self, index: usize) -> String {
        self.args
            .names()
            .nth(index)
            .flatten()
            .map_or_else(|| index.to_string(), Into::into)
    }

    /// The one group that there is.
    fn only(&self) -> Result<Group<'de>, ParseError> {
        match self.args.len() {
            1 => Ok(Group {
                text: self.args.get(0),
            }),
            count => Err(ParseError::mistake(format_args!(
                "the pattern has {count} groups where one is asked for"
            ))),
        }
    }
}

macro_rules! single {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
            let group = self.only()?;
            let text = group.text;
            group.$method(visitor).map_err(|error| error.at(&self.field(0), text))
        }
    )*};
}

impl<'de> Deserializer<'de> for Groups<'de> {
    type Error = ParseError;

    single! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string
        deserialize_bytes deserialize_byte_buf deserialize_identifier
    }

    /// No groups are no value: one view of two routes asks for "this argument, or none".
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
        if self.args.is_empty() {
            return visitor.visit_none();
        }
        let group = self.only()?;
        let text = group.text;
        group
            .deserialize_option(visitor)
            .map_err(|error| error.at(&self.field(0), text))
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
        if self.args.names().any(|name| name.is_some()) {
            self.deserialize_map(visitor)
        } else {
            self.deserialize_seq(visitor)
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
        visitor.visit_seq(InOrder {
            groups: self,
            next: 0,
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        if self.args.len() != len {
            let groups = self.args.len();
            return Err(ParseError::mistake(format_args!(
                "the pattern has {groups} groups where {len} are asked for"
            )));
        }
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
        visitor.visit_map(ByName {
            groups: self,
            next: 0,
            absent: true,
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        visitor.visit_map(ByName {
            groups: self,
            next: 0,
            absent: false,
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        let group = self.only()?;
        let text = group.text;
        group
            .deserialize_enum(name, variants, visitor)
            .map_err(|error| error.at(&self.field(0), text))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
        visitor.visit_unit()
    }
}

struct InOrder<'de> {
    groups: Groups<'de>,
    next: usize,
}

impl<'de> SeqAccess<'de> for InOrder<'de> {
    type Error = ParseError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ParseError> {
        if self.next >= self.groups.args.len() {
            return Ok(None);
        }
        let index = self.next;
        self.next += 1;
        let text = self.groups.args.get(index);
        seed.deserialize(Group { text })
            .map(Some)
            .map_err(|error| error.at(&self.groups.field(index), text))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.groups.args.len() - self.next)
    }
}

/// The groups that have names.
struct ByName<'de> {
    groups: Groups<'de>,
    next: usize,
    /// Whether those that took no part are among them. To a struct they are missing, so that
    /// `serde(default)` has its say; a map has a key for each.
    absent: bool,
}

impl<'de> MapAccess<'de> for ByName<'de> {
    type Error = ParseError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ParseError> {
        for name in self.groups.args.names().skip(self.next) {
            let told = self.absent || self.groups.args.get(self.next).is_some();
            if let Some(name) = name.filter(|_| told) {
                return seed
                    .deserialize(BorrowedStrDeserializer::new(name))
                    .map(Some);
            }
            self.next += 1;
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, ParseError> {
        let index = self.next;
        self.next += 1;
        let text = self.groups.args.get(index);
        seed.deserialize(Group { text })
            .map_err(|error| error.at(&self.groups.field(index), text))
    }
}

/// One group.
struct Group<'de> {
    text: Option<&'de str>,
}

impl<'de> Group<'de> {
    fn text(&self) -> Result<&'de str, ParseError> {
        self.text.ok_or_else(|| de::Error::custom(NO_PART))
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty, $what:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
            let value: $type = self.text()?.parse().map_err(|_| <ParseError as de::Error>::custom(format_args!("is not {}", $what)))?;
            visitor.$visit(value)
        }
    )*};
}

macro_rules! text {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
            self.deserialize_str(visitor)
        }
    )*};
}

fn whole(min: impl fmt::Display, max: impl fmt::Display) -> String {
    format!("a number from {min} to {max}")
}

impl<'de> Deserializer<'de> for Group<'de> {
    type Error = ParseError;

    numbers! {
        deserialize_bool visit_bool bool, "`true` or `false`";
        deserialize_i8 visit_i8 i8, whole(i8::MIN, i8::MAX);
        deserialize_i16 visit_i16 i16, whole(i16::MIN, i16::MAX);
        deserialize_i32 visit_i32 i32, whole(i32::MIN, i32::MAX);
        deserialize_i64 visit_i64 i64, whole(i64::MIN, i64::MAX);
        deserialize_i128 visit_i128 i128, whole(i128::MIN, i128::MAX);
        deserialize_u8 visit_u8 u8, whole(u8::MIN, u8::MAX);
        deserialize_u16 visit_u16 u16, whole(u16::MIN, u16::MAX);
        deserialize_u32 visit_u32 u32, whole(u32::MIN, u32::MAX);
        deserialize_u64 visit_u64 u64, whole(u64::MIN, u64::MAX);
        deserialize_u128 visit_u128 u128, whole(u128::MIN, u128::MAX);
        deserialize_f32 visit_f32 f32, "a number";
        deserialize_f64 visit_f64 f64, "a number";
        deserialize_char visit_char char, "one character";
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
        match self.text {
            Some(text) => visitor.visit_borrowed_str(text),
            None => visitor.visit_none(),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
        visitor.visit_borrowed_str(self.text()?)
    }

    text! { deserialize_string deserialize_bytes deserialize_byte_buf deserialize_identifier }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
        match self.text {
            Some(_) => visitor.visit_some(self),
            None => visitor.visit_none(),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        visitor.visit_enum(Word(self.text()?))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParseError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        unit unit_struct seq tuple tuple_struct map struct
    }
}

/// A group as a variant without data: `any(asc,desc)` as an enum.
struct Word<'de>(&'de str);

impl<'de> EnumAccess<'de> for Word<'de> {
    type Error = ParseError;
    type Variant = NoData;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, NoData), ParseError> {
        Ok((seed.deserialize(StrDeserializer::new(self.0))?, NoData))
    }
}

struct NoData;

impl<'de> VariantAccess<'de> for NoData {
    type Error = ParseError;

    fn unit_variant(self) -> Result<(), ParseError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, ParseError> {
        Err(de::Error::custom("has no data for this variant"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, ParseError> {
        Err(de::Error::custom("has no data for this variant"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, ParseError> {
        Err(de::Error::custom("has no data for this variant"))
    }
}
