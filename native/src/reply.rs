//! The bytes of a result struct to JSON: what a reply becomes.

use std::io::Write;

use crate::distinct::{Distinct, regardless_of_order};
use crate::json;
use crate::thrift::{Bytes, DEPTH, Halt, Sure, kind, least};
use crate::types::{Ids, Indices, Type};
use crate::values::{Host, Nobody};

/// A field of a struct that is read from Thrift and written as JSON.
#[derive(Debug)]
pub struct ReplyField {
    /// The field's id.
    pub id: i16,
    /// The field's key in JSON, with quotes and colon; none: JSON does not show it.
    pub key: Option<Box<[u8]>>,
    /// The field's type.
    pub declared: Type,
    /// Whether its `i64`s are text.
    pub as_text: bool,
    /// Whether a struct without it is wrong.
    pub required: bool,
    /// The JSON that stands for it where it is absent.
    pub default: Option<Box<[u8]>>,
    /// Its place among the values that are handed out beside the JSON.
    pub pick: Option<usize>,
}

/// A struct that is read from Thrift and written as JSON.
#[derive(Debug)]
pub struct ReplyStruct {
    fields: Vec<ReplyField>,
    by_id: Ids,
    // Whether something has to be done about absent fields.
    watched: bool,
    picks: usize,
}

impl ReplyStruct {
    /// The struct with these fields.
    pub fn new(fields: Vec<ReplyField>) -> Self {
        ReplyStruct {
            by_id: Ids::new(fields.iter().map(|field| field.id)),
            watched: fields.iter().any(|field| field.required || field.default.is_some()),
            picks: fields.iter().filter_map(|field| field.pick).max().map_or(0, |most| most + 1),
            fields,
        }
    }

    /// The types of its fields.
    pub fn types(&self) -> impl ExactSizeIterator<Item = &Type> {
        self.fields.iter().map(|field| &field.declared)
    }

    /// The greatest index of a struct that a field names.
    pub fn greatest_struct(&self) -> Option<usize> {
        self.fields.iter().filter_map(|field| field.declared.greatest_struct()).max()
    }
}

/// What is wanted of a field's value.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// Nothing.
    Nothing,
    /// All of it.
    Whole,
    /// Some fields of the structs in it.
    Parts(Selection),
}

/// What is wanted of a struct, for each of its fields.
#[derive(Debug, Clone)]
pub struct Selection {
    /// By the field's index.
    pub fields: Vec<Wanted>,
}

/// One of the fields that a method's result may have: its success, or an exception.
#[derive(Debug, Clone)]
pub struct Case {
    /// The field's id.
    pub id: i16,
    /// The field's type.
    pub declared: Type,
    /// What is wanted of its value; none: all.
    pub selection: Option<Selection>,
}

/// What a reply says.
#[derive(Debug)]
pub struct Answer<V> {
    /// Which of the cases it is; none: the result is empty, as that of a void method is.
    pub case: Option<usize>,
    /// The values that are handed out beside it.
    pub picked: Vec<Option<V>>,
}

/// Reads a result struct in which one case may be there, or none, and appends the JSON of its value.
pub fn answer<H: Host>(
    structs: &[ReplyStruct],
    cases: &[Case],
    payload: &[u8],
    out: &mut Vec<u8>,
    limit: usize,
    host: &H,
) -> Sure<Answer<H::Value>> {
    let mut writer = Writer { structs, bytes: Bytes::new(payload), out, limit, is_compared: false };
    let (mut found, mut picked) = (None, Vec::new());
    loop {
        let field = writer.bytes.byte()?;
        if field == kind::STOP {
            return Ok(Answer { case: found, picked });
        }
        let id = writer.bytes.i16()?;
        match cases.iter().position(|case| case.id == id) {
            Some(at) => {
                if cases[at].declared.kind() != field || found.is_some() {
                    return Err(Halt::Unsure);
                }
                found = Some(at);
                writer.outermost(&cases[at], host, &mut picked)?;
            }
            None => writer.bytes.skip(field, DEPTH - 1)?,
        }
    }
}

struct Writer<'a> {
    structs: &'a [ReplyStruct],
    bytes: Bytes<'a>,
    out: &'a mut Vec<u8>,
    limit: usize,
    // Whether equal values must look equal, but for the order of their parts.
    is_compared: bool,
}

impl Writer<'_> {
    fn outermost<H: Host>(&mut self, case: &Case, host: &H, picked: &mut Vec<Option<H::Value>>) -> Sure<()> {
        let selection = case.selection.as_ref();
        match case.declared {
            Type::Struct(index) => self.structure(index, DEPTH - 1, selection, host, picked),
            _ => self.value(&case.declared, false, DEPTH - 1, selection),
        }
    }

    fn structure<H: Host>(
        &mut self,
        index: usize,
        depth: usize,
        selection: Option<&Selection>,
        host: &H,
        picked: &mut Vec<Option<H::Value>>,
    ) -> Sure<()> {
        let depth = depth.checked_sub(1).ok_or(Halt::Unsure)?;
        let structs = self.structs;
        let declared = &structs[index];
        if H::WANTS {
            picked.resize_with(declared.picks, || None);
        }
        let mut seen = Indices::default();
        self.out.push(b'{');
        loop {
            let kind = self.bytes.byte()?;
            if kind == kind::STOP {
                break;
            }
            let id = self.bytes.i16()?;
            let Some(at) = declared.by_id.find(id) else {
                self.bytes.skip(kind, depth)?;
                continue;
            };
            let field = &declared.fields[at];
            if field.declared.kind() != kind || !seen.add(at) {
                return Err(Halt::Unsure);
            }
            if let (true, Some(place)) = (H::WANTS, field.pick) {
                picked[place] = Some(pick(&field.declared, &mut self.bytes.again(), host)?);
            }
            self.field(field, depth, wanted(selection, at))?;
        }
        if declared.watched {
            self.absent(declared, &seen, selection)?;
        }
        self.out.push(b'}');
        if self.out.len() > self.limit { Err(Halt::TooLarge) } else { Ok(()) }
    }

    #[inline]
    fn field(&mut self, field: &ReplyField, depth: usize, wanted: &Wanted) -> Sure<()> {
        let selection = match wanted {
            Wanted::Nothing => return self.pass(&field.declared, depth),
            Wanted::Whole => None,
            Wanted::Parts(selection) => Some(selection),
        };
        match &field.key {
            Some(key) => {
                self.key_of_field(key);
                self.value(&field.declared, field.as_text, depth, selection)
            }
            None => self.pass(&field.declared, depth),
        }
    }

    // No value ends with an opening brace, so after one this is the first field.
    #[inline]
    fn key_of_field(&mut self, key: &[u8]) {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        self.out.extend_from_slice(key);
    }

    fn absent(&mut self, declared: &ReplyStruct, seen: &Indices, selection: Option<&Selection>) -> Sure<()> {
        for (at, field) in declared.fields.iter().enumerate() {
            if seen.has(at) {
                continue;
            }
            match (&field.default, &field.key, wanted(selection, at)) {
                (Some(default), Some(key), Wanted::Whole) => {
                    self.key_of_field(key);
                    self.out.extend_from_slice(default);
                }
                // It would have to be taken apart.
                (Some(_), Some(_), Wanted::Parts(_)) => return Err(Halt::Unsure),
                (None, ..) if field.required => return Err(Halt::Unsure),
                _ => (),
            }
        }
        Ok(())
    }

    /// Makes sure that a value which nobody wants fits its type all the same.
    fn pass(&mut self, declared: &Type, depth: usize) -> Sure<()> {
        let inner = |depth: usize| depth.checked_sub(1).ok_or(Halt::Unsure);
        match declared {
            Type::Struct(index) => self.pass_struct(*index, inner(depth)?),
            Type::Set(element) | Type::List(element) => {
                let count = self.begin_list(element)?;
                self.pass_each(&[element], count, inner(depth)?)
            }
            Type::Map(key, value) => {
                let count = self.begin_map(key, value)?;
                self.pass_each(&[key, value], count, inner(depth)?)
            }
            scalar => self.bytes.skip(scalar.kind(), 0),
        }
    }

    fn pass_each(&mut self, types: &[&Type], count: usize, depth: usize) -> Sure<()> {
        for _ in 0..count {
            for declared in types {
                self.pass(declared, depth)?;
            }
        }
        Ok(())
    }

    fn pass_struct(&mut self, index: usize, depth: usize) -> Sure<()> {
        let structs = self.structs;
        let declared = &structs[index];
        let mut seen = Indices::default();
        loop {
            let kind = self.bytes.byte()?;
            if kind == kind::STOP {
                break;
            }
            match declared.by_id.find(self.bytes.i16()?) {
                None => self.bytes.skip(kind, depth)?,
                Some(at) => {
                    let field = &declared.fields[at].declared;
                    if field.kind() != kind || !seen.add(at) {
                        return Err(Halt::Unsure);
                    }
                    self.pass(field, depth)?;
                }
            }
        }
        let is_missing = |(at, field): (usize, &ReplyField)| field.required && !seen.has(at);
        if declared.watched && declared.fields.iter().enumerate().any(is_missing) {
            return Err(Halt::Unsure);
        }
        Ok(())
    }

    fn value(&mut self, declared: &Type, as_text: bool, depth: usize, selection: Option<&Selection>) -> Sure<()> {
        match declared {
            Type::Bool => {
                let text: &[u8] = if self.bytes.byte()? == 1 { b"true" } else { b"false" };
                self.out.extend_from_slice(text);
            }
            Type::I8 => json::integer(self.out, self.bytes.i8()?.into()),
            Type::I16 => json::integer(self.out, self.bytes.i16()?.into()),
            Type::I32 => json::integer(self.out, self.bytes.i32()?.into()),
            Type::I64 if as_text => {
                self.out.push(b'"');
                json::integer(self.out, self.bytes.i64()?);
                self.out.push(b'"');
            }
            Type::I64 => json::integer(self.out, self.bytes.i64()?),
            Type::Double => {
                let number = self.bytes.double()?;
                if !number.is_finite() || (self.is_compared && is_negative_zero(number)) {
                    return Err(Halt::Unsure);
                }
                json::double(self.out, number);
            }
            Type::String => json::string(self.out, self.bytes.string()?)?,
            Type::Binary => json::base64(self.out, self.bytes.string()?),
            Type::Struct(index) => self.structure(*index, depth, selection, &Nobody, &mut Vec::new())?,
            Type::Set(element) | Type::List(element) => self.list(element, as_text, depth, selection)?,
            Type::Map(key, value) => self.map(key, value, as_text, depth, selection)?,
        }
        Ok(())
    }

    /// Reads what stands in front of the elements of a list or set, and gives their number.
    fn begin_list(&mut self, element: &Type) -> Sure<usize> {
        let kind = self.bytes.byte()?;
        let count = self.bytes.count(least(element.kind()))?;
        if kind != element.kind() && count > 0 { Err(Halt::Unsure) } else { Ok(count) }
    }

    /// The same for a map.
    fn begin_map(&mut self, key: &Type, value: &Type) -> Sure<usize> {
        let kinds = (self.bytes.byte()?, self.bytes.byte()?);
        let count = self.bytes.count(least(key.kind()) + least(value.kind()))?;
        // An empty map may name any types: some writers put zeros there.
        if kinds != (key.kind(), value.kind()) && count > 0 { Err(Halt::Unsure) } else { Ok(count) }
    }

    fn list(&mut self, element: &Type, as_text: bool, depth: usize, selection: Option<&Selection>) -> Sure<()> {
        let depth = depth.checked_sub(1).ok_or(Halt::Unsure)?;
        let count = self.begin_list(element)?;
        self.out.push(b'[');
        for at in 0..count {
            if at > 0 {
                self.out.push(b',');
            }
            self.value(element, as_text, depth, selection)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn map(
        &mut self,
        key: &Type,
        value: &Type,
        as_text: bool,
        depth: usize,
        selection: Option<&Selection>,
    ) -> Sure<()> {
        let depth = depth.checked_sub(1).ok_or(Halt::Unsure)?;
        let count = self.begin_map(key, value)?;
        if let Type::Struct(_) = key {
            return self.pairs(count, key, depth, |writer| writer.value(value, as_text, depth, selection));
        }
        let mut keys = Distinct::default();
        self.out.push(b'{');
        for at in 0..count {
            if at > 0 {
                self.out.push(b',');
            }
            let before = self.bytes.again();
            self.key(key, count > 1)?;
            keys.add(self.bytes.since(&before))?;
            self.out.push(b':');
            self.value(value, as_text, depth, selection)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// A map whose keys are structs is an array of pairs: JSON's own keys are only text.
    fn pairs(
        &mut self,
        count: usize,
        key: &Type,
        depth: usize,
        mut value: impl FnMut(&mut Self) -> Sure<()>,
    ) -> Sure<()> {
        let outer = self.is_compared;
        self.is_compared |= count > 1;
        let mut keys = Distinct::default();
        self.out.push(b'[');
        for at in 0..count {
            if at > 0 {
                self.out.push(b',');
            }
            self.out.push(b'[');
            let before = self.out.len();
            self.value(key, false, depth, None)?;
            keys.add(regardless_of_order(&self.out[before..]))?;
            self.out.push(b',');
            value(self)?;
            self.out.push(b']');
        }
        self.out.push(b']');
        self.is_compared = outer;
        Ok(())
    }

    /// A map's key as text; `several`: it must not look different from one that is equal.
    fn key(&mut self, declared: &Type, several: bool) -> Sure<()> {
        match declared {
            Type::String | Type::Binary => json::string(self.out, self.bytes.string()?)?,
            Type::Bool => {
                let byte = self.bytes.byte()?;
                if byte > 1 && several {
                    return Err(Halt::Unsure);
                }
                let key: &[u8] = if byte == 1 { b"\"true\"" } else { b"\"false\"" };
                self.out.extend_from_slice(key);
            }
            Type::Double => {
                let number = self.bytes.double()?;
                if number.is_nan() || (is_negative_zero(number) && (several || self.is_compared)) {
                    return Err(Halt::Unsure);
                }
                self.out.push(b'"');
                shortest(self.out, number)?;
                self.out.push(b'"');
            }
            _ => {
                self.out.push(b'"');
                self.value(declared, false, 0, None)?;
                self.out.push(b'"');
            }
        }
        Ok(())
    }
}

/// What is wanted of the field at this place.
#[inline]
fn wanted(selection: Option<&Selection>, at: usize) -> &Wanted {
    selection.map_or(&Wanted::Whole, |selection| &selection.fields[at])
}

/// Whether it equals 0 and looks different.
fn is_negative_zero(number: f64) -> bool {
    number == 0.0 && number.is_sign_negative()
}

/// The fewest digits that give the double again, with no exponent.
fn shortest(out: &mut Vec<u8>, number: f64) -> Sure<()> {
    if number.is_infinite() {
        out.extend_from_slice(if number > 0.0 { b"Infinity" } else { b"-Infinity" });
        return Ok(());
    }
    write!(out, "{number}").map_err(|_| Halt::Unsure)
}

/// A value for the host, of a scalar type or a list or set of scalars.
fn pick<H: Host>(declared: &Type, bytes: &mut Bytes, host: &H) -> Sure<H::Value> {
    Ok(match declared {
        Type::Bool => host.bool(bytes.byte()? == 1),
        Type::I8 => host.integer(bytes.i8()?.into()),
        Type::I16 => host.integer(bytes.i16()?.into()),
        Type::I32 => host.integer(bytes.i32()?.into()),
        Type::I64 => host.integer(bytes.i64()?),
        Type::Double => host.double(bytes.double()?),
        Type::Binary => host.octets(bytes.string()?),
        Type::String => host.string(bytes.string()?),
        Type::Set(element) | Type::List(element) if element.is_scalar() => {
            let kind = bytes.byte()?;
            let count = bytes.count(least(element.kind()))?;
            if kind != element.kind() && count > 0 {
                return Err(Halt::Unsure);
            }
            let items: Sure<Vec<_>> = (0..count).map(|_| pick(element, bytes, host)).collect();
            host.list(items?)?
        }
        _ => return Err(Halt::Unsure),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(id: i16, key: &str, declared: Type) -> ReplyField {
        let key = Some(format!("\"{key}\":").into_bytes().into());
        ReplyField { id, key, declared, as_text: false, required: false, default: None, pick: None }
    }

    /// A struct with an i32, a text of its own, and more of its kind.
    fn structs() -> Vec<ReplyStruct> {
        vec![ReplyStruct::new(vec![
            ReplyField { required: true, ..field(1, "n", Type::I32) },
            ReplyField { default: Some((*b"\"none\"").into()), ..field(2, "s", Type::String) },
            field(3, "more", Type::List(Box::new(Type::Struct(0)))),
            ReplyField { key: None, ..field(4, "", Type::Double) },
        ])]
    }

    fn answered(payload: &[u8], selection: Option<Selection>, limit: usize) -> Sure<(Option<usize>, String)> {
        let cases = [Case { id: 0, declared: Type::Struct(0), selection }];
        let mut out = Vec::new();
        let answer = answer(&structs(), &cases, payload, &mut out, limit, &Nobody)?;
        Ok((answer.case, String::from_utf8(out).unwrap()))
    }

    const USUAL: &[u8] =
        b"\x0c\0\0\x0f\0\x03\x0c\0\0\0\x01\x08\0\x01\0\0\0\x02\0\x08\0\x01\0\0\0\x01\x04\0\x04\x7f\xf8\0\0\0\0\0\0\0\0";

    #[test]
    fn writes_fields_as_they_come_and_defaults_behind() {
        let body = r#"{"more":[{"n":2,"s":"none"}],"n":1,"s":"none"}"#;
        assert_eq!(answered(USUAL, None, 1000), Ok((Some(0), body.into())));
        assert_eq!(answered(b"\0", None, 1000), Ok((None, String::new())));
    }

    #[test]
    fn writes_no_more_than_is_wanted() {
        let parts = |fields| Selection { fields };
        let inner = parts(vec![Wanted::Nothing, Wanted::Whole, Wanted::Nothing, Wanted::Nothing]);
        let outer = parts(vec![Wanted::Nothing, Wanted::Nothing, Wanted::Parts(inner), Wanted::Nothing]);
        assert_eq!(answered(USUAL, Some(outer), 1000), Ok((Some(0), r#"{"more":[{"s":"none"}]}"#.into())));
    }

    #[test]
    fn is_unsure_of_every_part_of_a_reply() {
        for end in 0..USUAL.len() {
            assert_eq!(answered(&USUAL[..end], None, 1000), Err(Halt::Unsure), "{end}");
        }
    }

    #[test]
    fn is_unsure_of_what_does_not_fit() {
        let unsure = |payload: &[u8]| assert_eq!(answered(payload, None, 1000), Err(Halt::Unsure), "{payload:?}");
        unsure(b"\x0c\0\0\0\0"); // The required field is missing,
        unsure(b"\x0c\0\0\x08\0\x01\0\0\0\x01\x08\0\x01\0\0\0\x01\0\0"); // there twice,
        unsure(b"\x0c\0\0\x0a\0\x01\0\0\0\x01\0\0\0\x01\0\0"); // of another type.
        unsure(b"\x0c\0\0\x08\0\x01\0\0\0\x01\x0b\0\x02\0\0\0\x01\xff\0\0"); // A text that is none,
        unsure(b"\x0c\0\0\x0f\0\x03\x08\0\0\0\x01\0\0\0\x01\0\0"); // elements of another type.
    }

    #[test]
    fn bounds_what_it_writes() {
        let items = |count: u32| {
            let item = b"\x08\0\x01\0\0\0\x02\0".repeat(count as usize);
            [b"\x0c\0\0\x08\0\x01\0\0\0\x01\x0f\0\x03\x0c", &count.to_be_bytes()[..], &item, b"\0\0"].concat()
        };
        assert!(answered(&items(10), None, 1000).is_ok());
        assert_eq!(answered(&items(100), None, 1000), Err(Halt::TooLarge));
    }
}
