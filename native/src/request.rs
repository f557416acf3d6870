//! JSON to the bytes of a struct: what a request's body becomes.

use data_encoding::BASE64;
use smallvec::SmallVec;

use crate::distinct::{Distinct, regardless_of_order};
use crate::scan::Scanner;
use crate::text;
use crate::thrift::{Halt, Sure, kind};
use crate::types::{Indices, Keys, Type};
use crate::values::{Host, Nobody};

// So deep may be what no field wants. Deeper JSON is for the plain codec, which has a limit of its own.
const UNKNOWN_DEPTH: usize = 100;

/// A field of a struct that is read from JSON and written to Thrift.
#[derive(Debug)]
pub struct RequestField {
    /// The field's id.
    pub id: i16,
    /// The field's key in JSON; none: JSON does not have it.
    pub key: Option<Box<str>>,
    /// The field's type.
    pub declared: Type,
    /// Whether its numbers and bools may be text.
    pub as_text: bool,
    /// Whether a struct without it is wrong.
    pub required: bool,
    /// What is sent for it where it is absent, its type and id in front; empty: nothing.
    pub absent: Box<[u8]>,
    /// Its place among the values that are handed out beside the bytes.
    pub pick: Option<usize>,
}

impl RequestField {
    /// The field's type and id, as they stand in front of its value.
    #[inline]
    pub fn head(&self) -> [u8; 3] {
        let [high, low] = self.id.to_be_bytes();
        [self.declared.kind(), high, low]
    }
}

/// A struct that is read from JSON and written to Thrift.
#[derive(Debug)]
pub struct RequestStruct {
    /// Its fields, in the order of their declaration.
    pub fields: Vec<RequestField>,
    by_key: Keys,
    /// Whether exactly one field must be there.
    pub is_union: bool,
    /// How many values it hands out.
    pub picks: usize,
}

impl RequestStruct {
    /// The struct with these fields.
    pub fn new(fields: Vec<RequestField>, is_union: bool) -> Self {
        RequestStruct {
            by_key: Keys::new(fields.iter().enumerate().filter_map(|(at, field)| Some((field.key.clone()?, at)))),
            picks: fields.iter().filter_map(|field| field.pick).max().map_or(0, |most| most + 1),
            fields,
            is_union,
        }
    }

    /// The greatest index of a struct that a field names.
    pub fn greatest_struct(&self) -> Option<usize> {
        self.fields.iter().filter_map(|field| field.declared.greatest_struct()).max()
    }

    /// Writes what is sent for the fields that are absent; unsure if one of them must be there.
    pub fn finish(&self, out: &mut Vec<u8>, filled: &Indices) -> Sure<()> {
        if self.is_union {
            return if filled.count() == 1 { Ok(()) } else { Err(Halt::Unsure) };
        }
        for (at, field) in self.fields.iter().enumerate() {
            if !filled.has(at) {
                if field.required {
                    return Err(Halt::Unsure);
                }
                out.extend_from_slice(&field.absent);
            }
        }
        Ok(())
    }
}

/// Reads one JSON text, and writes the values that it is made of.
pub struct Reader<'a> {
    structs: &'a [RequestStruct],
    json: Scanner<'a>,
    /// What has been written.
    pub out: &'a mut Vec<u8>,
    limit: usize,
    // Whether every integer may be text.
    digits: bool,
    // Whether equal values must be known: inside the elements of a set and the keys of a map.
    is_compared: bool,
    // Whether equal ones among them may look different, their parts in another order.
    is_disordered: bool,
}

impl<'a> Reader<'a> {
    /// Reads `text`, and appends to `out`, which is not to be longer than `limit`.
    pub fn new(
        structs: &'a [RequestStruct],
        text: &'a [u8],
        out: &'a mut Vec<u8>,
        limit: usize,
        digits: bool,
    ) -> Sure<Self> {
        let text = std::str::from_utf8(text).map_err(|_| Halt::Unsure)?;
        Ok(Reader { structs, json: Scanner::new(text), out, limit, digits, is_compared: false, is_disordered: false })
    }

    /// Reads `null`, if that comes.
    #[inline]
    pub fn null(&mut self) -> Sure<bool> {
        if self.json.peek() == b'n' { self.json.word(b"null").map(|()| true) } else { Ok(false) }
    }

    /// Makes sure that nothing follows.
    pub fn finish(&mut self) -> Sure<()> {
        self.json.finish()
    }

    /// Reads an object, and lets `entry` read the value of each key.
    #[inline]
    pub fn object(&mut self, of: &Keys, mut entry: impl FnMut(&mut Self, Option<usize>) -> Sure<()>) -> Sure<()> {
        let mut goes_on = self.json.begin(b'{', b'}')?;
        while goes_on {
            let found = self.json.key(|key| of.find(key))?;
            entry(self, found)?;
            goes_on = self.json.goes_on(b'}')?;
        }
        Ok(())
    }

    /// Reads a value of this type, and writes it.
    pub fn value<H: Host>(&mut self, declared: &Type, as_text: bool, depth: usize, host: &H) -> Sure<H::Value> {
        Ok(match declared {
            Type::Bool => host.bool(self.bool(as_text)?),
            Type::Double => {
                let number = self.double(as_text)?;
                self.write_double(number)?;
                host.double(number)
            }
            Type::String => {
                let out = &mut *self.out;
                self.json.string(|string| {
                    write_string(out, string);
                    host.string(string)
                })?
            }
            Type::Binary => {
                let bytes = self.json.string(|text| BASE64.decode(text))?.map_err(|_| Halt::Unsure)?;
                write_string(self.out, &bytes);
                host.octets(&bytes)
            }
            Type::Struct(index) => self.structure(*index, depth, host)?,
            Type::List(element) => self.list(element, as_text, depth, host)?,
            Type::Set(element) => self.set(element, as_text, depth, host)?,
            Type::Map(key, value) => match **key {
                Type::Struct(_) => self.pairs(key, value, as_text, depth, host)?,
                _ => self.map(key, value, as_text, depth, host)?,
            },
            _ => {
                let number = self.integer(declared, as_text)?;
                write_integer(self.out, declared, number);
                host.integer(number)
            }
        })
    }

    fn bool(&mut self, as_text: bool) -> Sure<bool> {
        let value = match self.json.peek() {
            b't' => self.json.word(b"true").map(|()| true)?,
            b'f' => self.json.word(b"false").map(|()| false)?,
            b'"' if as_text => self.json.string(|text| match text {
                b"true" => Ok(true),
                b"false" => Ok(false),
                _ => Err(Halt::Unsure),
            })??,
            _ => return Err(Halt::Unsure),
        };
        self.out.push(value.into());
        Ok(value)
    }

    fn integer(&mut self, declared: &Type, as_text: bool) -> Sure<i64> {
        let (low, high) = declared.range().ok_or(Halt::Unsure)?;
        if let Some(number) = self.json.small_integer() {
            return if (low..=high).contains(&number) { Ok(number) } else { Err(Halt::Unsure) };
        }
        if (as_text || self.digits) && self.json.peek() == b'"' {
            return self.json.string(|text| text::integer(text, low, high))?;
        }
        let number = self.json.number()?;
        if number.is_integer { text::integer(number.text, low, high) } else { Err(Halt::Unsure) }
    }

    fn double(&mut self, as_text: bool) -> Sure<f64> {
        if as_text && self.json.peek() == b'"' {
            return self.json.string(text::double)?;
        }
        self.json.number()?.double()
    }

    fn write_double(&mut self, number: f64) -> Sure<()> {
        if self.is_compared && number == 0.0 && number.is_sign_negative() {
            return Err(Halt::Unsure);
        }
        self.out.extend_from_slice(&number.to_be_bytes());
        Ok(())
    }

    /// Reads a struct, and writes its fields and their end.
    pub fn structure<H: Host>(&mut self, index: usize, depth: usize, host: &H) -> Sure<H::Value> {
        let depth = depth.checked_sub(1).ok_or(Halt::Unsure)?;
        let structs = self.structs;
        let declared = &structs[index];
        let mut picked = Vec::new();
        if H::WANTS {
            picked.resize_with(declared.picks, || None);
        }
        let mut filled = Indices::default();
        let (mut latest, mut is_ordered) = (0, true);
        self.object(&declared.by_key, |reader, found| {
            let Some(at) = found else {
                return reader.skip_unknown();
            };
            if reader.null()? {
                // Behind a value it would take that away.
                return if filled.has(at) { Err(Halt::Unsure) } else { Ok(()) };
            }
            // Of two the last would count.
            if !filled.add(at) {
                return Err(Halt::Unsure);
            }
            is_ordered &= at >= latest;
            latest = at;
            reader.field(&declared.fields[at], depth, host, &mut picked)
        })?;
        self.is_disordered |= !is_ordered;
        declared.finish(self.out, &filled)?;
        self.out.push(kind::STOP);
        if self.out.len() > self.limit { Err(Halt::TooLarge) } else { host.record(picked) }
    }

    /// Reads a field's value, and writes it behind the field's type and id.
    pub fn field<H: Host>(
        &mut self,
        field: &RequestField,
        depth: usize,
        host: &H,
        picked: &mut [Option<H::Value>],
    ) -> Sure<()> {
        self.out.extend_from_slice(&field.head());
        match field.pick {
            Some(place) if H::WANTS => {
                picked[place] = Some(self.value(&field.declared, field.as_text, depth, host)?);
                Ok(())
            }
            _ => self.value(&field.declared, field.as_text, depth, &Nobody),
        }
    }

    fn list<H: Host>(&mut self, element: &Type, as_text: bool, depth: usize, host: &H) -> Sure<H::Value> {
        self.items(&[element.kind()], depth, host, |reader, depth, host| reader.value(element, as_text, depth, host))
    }

    fn set<H: Host>(&mut self, element: &Type, as_text: bool, depth: usize, host: &H) -> Sure<H::Value> {
        let outer = self.compare();
        let mut ends = vec![];
        let start = self.out.len() + 5;
        let value = self.items(&[element.kind()], depth, host, |reader, depth, host| {
            let value = reader.value(element, as_text, depth, host)?;
            ends.push(reader.out.len());
            Ok(value)
        })?;
        self.distinct(start, ends.iter().map(|end| (*end, *end)), self.is_disordered)?;
        self.is_compared = outer;
        Ok(value)
    }

    /// A map whose keys are structs is an array of pairs: JSON's own keys are only text.
    fn pairs<H: Host>(&mut self, key: &Type, value: &Type, as_text: bool, depth: usize, host: &H) -> Sure<H::Value> {
        let mut ends = vec![];
        let start = self.out.len() + 6;
        let (mut entries, mut is_disordered) = (vec![], false);
        self.items(&[key.kind(), value.kind()], depth, &Nobody, |reader, depth, _| {
            reader.json.expect(b'[')?;
            let outer = reader.compare();
            let made = reader.value(key, false, depth, host)?;
            is_disordered |= reader.is_disordered;
            reader.is_compared = outer;
            let end = reader.out.len();
            reader.json.expect(b',')?;
            entries.push((made, reader.value(value, as_text, depth, host)?));
            ends.push((end, reader.out.len()));
            reader.json.expect(b']')
        })?;
        self.distinct(start, ends.into_iter(), is_disordered)?;
        host.map(entries)
    }

    fn map<H: Host>(&mut self, key: &Type, value: &Type, as_text: bool, depth: usize, host: &H) -> Sure<H::Value> {
        let depth = depth.checked_sub(1).ok_or(Halt::Unsure)?;
        self.out.extend_from_slice(&[key.kind(), value.kind(), 0, 0, 0, 0]);
        let start = self.out.len();
        let (mut ends, mut entries) = (SmallVec::<[_; 8]>::new(), vec![]);
        let mut goes_on = self.json.begin(b'{', b'}')?;
        while goes_on {
            let out = &mut *self.out;
            let made = self.json.key(|name| write_key(out, key, name, host))??;
            let end = self.out.len();
            entries.push((made, self.value(value, as_text, depth, host)?));
            ends.push((end, self.out.len()));
            goes_on = self.json.goes_on(b'}')?;
        }
        // Equal maps may have their entries in any order.
        self.is_disordered |= ends.len() > 1;
        self.count(start, ends.len())?;
        self.distinct(start, ends.into_iter(), false)?;
        host.map(entries)
    }

    /// Reads an array, writes the kinds of its items and their number, and lets `item` read and write each.
    fn items<H: Host, V>(
        &mut self,
        kinds: &[u8],
        depth: usize,
        host: &H,
        mut item: impl FnMut(&mut Self, usize, &H) -> Sure<V>,
    ) -> Sure<H::Value>
    where
        Vec<V>: Into<Vec<H::Value>>,
    {
        let depth = depth.checked_sub(1).ok_or(Halt::Unsure)?;
        self.out.extend_from_slice(kinds);
        self.out.extend_from_slice(&[0; 4]);
        let start = self.out.len();
        let mut values = vec![];
        let mut goes_on = self.json.begin(b'[', b']')?;
        while goes_on {
            values.push(item(self, depth, host)?);
            goes_on = self.json.goes_on(b']')?;
        }
        self.count(start, values.len())?;
        host.list(values.into())
    }

    /// Puts the number of items in front of them.
    fn count(&mut self, start: usize, count: usize) -> Sure<()> {
        let count = i32::try_from(count).map_err(|_| Halt::Unsure)?;
        self.out[start - 4..start].copy_from_slice(&count.to_be_bytes());
        Ok(())
    }

    /// Begins with values that are compared; gives what `is_compared` was.
    fn compare(&mut self) -> bool {
        let outer = std::mem::replace(&mut self.is_compared, true);
        // What is compared as a whole is disordered if one of its parts is.
        self.is_disordered &= outer;
        outer
    }

    /// Makes sure that what has been written from `start` on is different each time, by the end of each and of what
    /// follows it.
    fn distinct(
        &self,
        mut start: usize,
        ends: impl ExactSizeIterator<Item = (usize, usize)>,
        is_disordered: bool,
    ) -> Sure<()> {
        if ends.len() < 2 {
            return Ok(());
        }
        let (mut distinct, mut loosely) = (Distinct::default(), Distinct::default());
        for (end, next) in ends {
            let bytes = &self.out[start..end];
            if is_disordered {
                loosely.add(regardless_of_order(bytes))?;
            } else {
                distinct.add(bytes)?;
            }
            start = next;
        }
        Ok(())
    }

    /// Reads a value that nobody wants; it must be JSON all the same, with no number that no double can hold.
    pub fn skip_unknown(&mut self) -> Sure<()> {
        self.json.skip(UNKNOWN_DEPTH)
    }
}

/// Writes a string or binary.
#[inline]
pub fn write_string(out: &mut Vec<u8>, bytes: &[u8]) {
    // No input is as long as a length may be.
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Writes an integer that is in the range of its type.
#[inline]
pub fn write_integer(out: &mut Vec<u8>, declared: &Type, number: i64) {
    let bytes = number.to_be_bytes();
    let width = match declared {
        Type::I8 => 1,
        Type::I16 => 2,
        Type::I32 => 4,
        _ => 8,
    };
    out.extend_from_slice(&bytes[8 - width..]);
}

/// Writes the key of a map from the text that every key in JSON is.
fn write_key<H: Host>(out: &mut Vec<u8>, declared: &Type, key: &[u8], host: &H) -> Sure<H::Value> {
    Ok(match declared {
        Type::String => {
            write_string(out, key);
            host.string(key)
        }
        Type::Binary => {
            write_string(out, key);
            host.octets(key)
        }
        Type::Bool => {
            let value = match key {
                b"true" => true,
                b"false" => false,
                _ => return Err(Halt::Unsure),
            };
            out.push(value.into());
            host.bool(value)
        }
        Type::Double => {
            let number = text::double(key)?;
            if number == 0.0 && number.is_sign_negative() {
                return Err(Halt::Unsure); // It would have to be the same key as 0.
            }
            out.extend_from_slice(&number.to_be_bytes());
            host.double(number)
        }
        _ => {
            let (low, high) = declared.range().ok_or(Halt::Unsure)?;
            let number = text::integer(key, low, high)?;
            write_integer(out, declared, number);
            host.integer(number)
        }
    })
}
