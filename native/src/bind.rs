//! A request to the bytes of a method's arguments: each field from the first of its sources that has a value.

use crate::distinct::Distinct;
use crate::pairs::{Names, Texts};
use crate::request::{Reader, RequestField, RequestStruct, write_integer, write_string};
use crate::text;
use crate::thrift::{DEPTH, Halt, Sure, kind};
use crate::types::{Indices, Keys, Type};
use crate::values::{Host, Nobody};

// The arguments struct is one level, what is in it another, and its fields a third.
const FIELD_DEPTH: usize = DEPTH - 2;

/// Where a field finds its text.
#[derive(Debug)]
pub struct Place {
    /// The slot of the texts.
    pub slot: usize,
    /// The slot where that has none.
    pub otherwise: Option<usize>,
    /// Whether blanks around the items of a list are no part of them.
    pub trims: bool,
    /// Whether the text is all there is of its kind, so that nothing in it separates items.
    pub whole: bool,
}

/// A struct that is filled from a request, and where its fields come from.
#[derive(Debug)]
pub struct Part {
    /// The struct; the keys of its fields are not looked at.
    pub declared: RequestStruct,
    /// For each field the places that go before the JSON body.
    pub early: Vec<Vec<Place>>,
    /// For each field the places that come after it.
    pub late: Vec<Vec<Place>>,
    /// For each field the struct that is filled by its own fields' places, and always there.
    pub inside: Vec<Option<Part>>,
}

impl Part {
    /// The greatest index of a struct that a field names.
    pub fn greatest_struct(&self) -> Option<usize> {
        let inside = self.inside.iter().flatten().filter_map(Part::greatest_struct).max();
        self.declared.greatest_struct().max(inside)
    }

    /// Whether there are places for each field.
    pub fn is_complete(&self) -> bool {
        let count = self.declared.fields.len();
        [self.early.len(), self.late.len(), self.inside.len()] == [count; 3]
            && self.inside.iter().flatten().all(Part::is_complete)
    }
}

/// What is looked for in a request.
#[derive(Debug, Default)]
pub struct Sources {
    /// Names in the query.
    pub query: Names,
    /// Names in the query of a request that has no body.
    pub plain: Names,
    /// Names in a form.
    pub form: Names,
    /// Names of headers.
    pub headers: Names,
    /// Names of cookies.
    pub cookies: Names,
    /// The slot of the body as a whole.
    pub body: Option<usize>,
    /// The slot of the request's target.
    pub target: Option<usize>,
}

/// What a JSON body is.
#[derive(Debug)]
pub enum JsonBody {
    /// An object with the keys of fields; without any it is not looked at.
    Object(Keys),
    /// The value of the first field.
    Whole,
}

/// What a request's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// There is none.
    None,
    /// JSON.
    Json,
    /// An urlencoded form.
    Form,
}

/// What one request offers.
pub struct Inputs<'a> {
    /// Its query, undecoded.
    pub query: &'a [u8],
    /// Its body.
    pub body: &'a [u8],
    /// What that is.
    pub kind: BodyKind,
    /// The texts of path, headers and cookies; [`Binder::bind`] adds the others.
    pub texts: Texts<'a>,
}

/// Binds the requests of one method.
#[derive(Debug)]
pub struct Binder {
    /// The argument that is a struct, or else the arguments themselves.
    pub outermost: Part,
    /// The id of the argument that is a struct.
    pub argument: Option<i16>,
    /// What a JSON body is.
    pub json: JsonBody,
    /// What else is looked for.
    pub sources: Sources,
    /// Whether every integer in JSON may be text.
    pub digits: bool,
}

impl Binder {
    /// How many values are handed out.
    pub fn picks(&self) -> usize {
        self.outermost.declared.picks
    }

    /// Appends the bytes of the arguments, and gives the values that are handed out beside them.
    pub fn bind<H: Host>(
        &self,
        structs: &[RequestStruct],
        mut inputs: Inputs,
        out: &mut Vec<u8>,
        limit: usize,
        host: &H,
    ) -> Sure<Vec<Option<H::Value>>> {
        self.gather(&mut inputs)?;
        let mut filling = Filling { structs, out, limit, digits: self.digits, host };
        if let Some(argument) = self.argument {
            let [high, low] = argument.to_be_bytes();
            filling.out.extend_from_slice(&[kind::STRUCT, high, low]);
        }
        let picked = filling.fill(&self.outermost, &inputs.texts, &|filling, filled| {
            if inputs.kind == BodyKind::Json { self.read_json(filling, filled, inputs.body) } else { Ok(()) }
        })?;
        if self.argument.is_some() {
            filling.out.push(kind::STOP);
        }
        if filling.out.len() > limit { Err(Halt::TooLarge) } else { Ok(picked) }
    }

    fn gather<'a>(&self, inputs: &mut Inputs<'a>) -> Sure<()> {
        let sources = &self.sources;
        if !sources.query.is_empty() {
            inputs.texts.add_pairs(inputs.query, &sources.query)?;
        }
        if !sources.plain.is_empty() && inputs.kind == BodyKind::None {
            inputs.texts.add_pairs(inputs.query, &sources.plain)?;
        }
        if inputs.kind == BodyKind::Form {
            inputs.texts.add_pairs(inputs.body, &sources.form)?;
        }
        if let (Some(slot), false) = (sources.body, inputs.body.is_empty()) {
            inputs.texts.add(slot, inputs.body.into());
        }
        Ok(())
    }

    fn read_json<H: Host>(&self, filling: &mut Filling<H>, filled: &mut Filled<H>, body: &[u8]) -> Sure<()> {
        let fields = &self.outermost.declared.fields;
        let Filling { structs, out, limit, digits, host } = filling;
        let keys = match &self.json {
            JsonBody::Object(keys) if keys.is_empty() => return Ok(()),
            JsonBody::Object(keys) => Some(keys),
            JsonBody::Whole => None,
        };
        let mut reader = Reader::new(structs, body, out, *limit, *digits)?;
        if reader.null()? {
            return reader.finish();
        }
        let Some(keys) = keys else {
            filled.indices.add(0);
            reader.field(&fields[0], FIELD_DEPTH + 1, *host, &mut filled.picked)?;
            return reader.finish();
        };
        let mut seen = Indices::default();
        reader.object(keys, |reader, found| {
            let Some(at) = found else {
                return reader.skip_unknown();
            };
            // Of two values of one key the last would count, of two keys the first.
            if !seen.add(at) {
                return Err(Halt::Unsure);
            }
            if filled.indices.has(at) {
                return reader.skip_unknown();
            }
            if reader.null()? {
                return Ok(());
            }
            filled.indices.add(at);
            reader.field(&fields[at], FIELD_DEPTH, *host, &mut filled.picked)
        })?;
        reader.finish()
    }
}

/// What has been found of a struct.
struct Filled<H: Host> {
    indices: Indices,
    picked: Vec<Option<H::Value>>,
}

/// Arguments that are being written.
struct Filling<'a, H: Host> {
    structs: &'a [RequestStruct],
    out: &'a mut Vec<u8>,
    limit: usize,
    digits: bool,
    host: &'a H,
}

impl<H: Host> Filling<'_, H> {
    /// Writes the fields of a struct and their end; `between` is for what comes after the early places.
    fn fill(
        &mut self,
        part: &Part,
        texts: &Texts,
        between: &dyn Fn(&mut Self, &mut Filled<H>) -> Sure<()>,
    ) -> Sure<Vec<Option<H::Value>>> {
        let mut filled = Filled { indices: Indices::default(), picked: Vec::new() };
        if H::WANTS {
            filled.picked.resize_with(part.declared.picks, || None);
        }
        self.fill_from_texts(part, &part.early, texts, &mut filled)?;
        between(self, &mut filled)?;
        self.fill_from_texts(part, &part.late, texts, &mut filled)?;
        for (at, inside) in part.inside.iter().enumerate() {
            if let Some(inside) = inside {
                self.out.extend_from_slice(&part.declared.fields[at].head());
                self.fill(inside, texts, &|_, _| Ok(()))?;
                filled.indices.add(at);
            }
        }
        part.declared.finish(self.out, &filled.indices)?;
        self.out.push(kind::STOP);
        Ok(filled.picked)
    }

    fn fill_from_texts(
        &mut self,
        part: &Part,
        places: &[Vec<Place>],
        texts: &Texts,
        filled: &mut Filled<H>,
    ) -> Sure<()> {
        for (at, places) in places.iter().enumerate() {
            if filled.indices.has(at) {
                continue;
            }
            for place in places {
                if self.fill_from_place(&part.declared.fields[at], place, texts, filled)? {
                    filled.indices.add(at);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Writes a field if the place has a value of it.
    fn fill_from_place(
        &mut self,
        field: &RequestField,
        place: &Place,
        texts: &Texts,
        filled: &mut Filled<H>,
    ) -> Sure<bool> {
        let mut found = texts.of(place.slot).peekable();
        if found.peek().is_some() {
            return self.fill_from_found(field, place, found, filled);
        }
        match place.otherwise {
            Some(slot) => self.fill_from_found(field, place, texts.of(slot), filled),
            None => Ok(false),
        }
    }

    fn fill_from_found<'t>(
        &mut self,
        field: &RequestField,
        place: &Place,
        found: impl Iterator<Item = &'t [u8]> + Clone,
        filled: &mut Filled<H>,
    ) -> Sure<bool> {
        let before = self.out.len();
        self.out.extend_from_slice(&field.head());
        let host = self.host;
        let is_there = match field.pick {
            Some(at) if H::WANTS => {
                let value = self.value(field, place, found, host)?;
                let is_there = value.is_some();
                filled.picked[at] = value;
                is_there
            }
            _ => self.value(field, place, found, &Nobody)?.is_some(),
        };
        if !is_there {
            self.out.truncate(before);
        }
        Ok(is_there)
    }

    /// Writes a value, unless the texts count as absent.
    fn value<'t, V: Host>(
        &mut self,
        field: &RequestField,
        place: &Place,
        mut found: impl Iterator<Item = &'t [u8]> + Clone,
        host: &V,
    ) -> Sure<Option<V::Value>> {
        let declared = &field.declared;
        match declared {
            Type::List(element) if place.whole && **element == Type::I8 => {
                found.next().map(|first| octets(self.out, first, host)).transpose()
            }
            Type::List(element) | Type::Set(element) if !place.whole && element.is_scalar() => {
                let given = found.filter(|text| !text.is_empty());
                match (given.clone().next(), given.clone().nth(1)) {
                    (None, _) => Ok(None),
                    (Some(only @ [b'[', ..]), None) => self.json(field, only, host),
                    _ => items(self.out, declared, element, place.trims, given, host).map(Some),
                }
            }
            _ if declared.is_scalar() => match found.next() {
                Some(first) if !first.is_empty() || *declared == Type::String => {
                    scalar(self.out, declared, first, host).map(Some)
                }
                _ => Ok(None),
            },
            _ => match found.next() {
                Some(first) if !first.is_empty() => self.json(field, first, host),
                _ => Ok(None),
            },
        }
    }

    /// Writes a value whose text is JSON; null is the absence of one.
    fn json<V: Host>(&mut self, field: &RequestField, text: &[u8], host: &V) -> Sure<Option<V::Value>> {
        let mut reader = Reader::new(self.structs, text, self.out, self.limit, self.digits)?;
        let value = match reader.null()? {
            true => None,
            false => Some(reader.value(&field.declared, field.as_text, FIELD_DEPTH, host)?),
        };
        reader.finish()?;
        Ok(value)
    }
}

fn scalar<H: Host>(out: &mut Vec<u8>, declared: &Type, text: &[u8], host: &H) -> Sure<H::Value> {
    Ok(match declared {
        Type::Bool => {
            let value = text::bool(text)?;
            out.push(value.into());
            host.bool(value)
        }
        Type::Double => {
            let number = text::double(text)?;
            out.extend_from_slice(&number.to_be_bytes());
            host.double(number)
        }
        Type::String => {
            write_string(out, text);
            // Bytes that are not UTF-8 pass as they are, for Thrift does not mind.
            host.string(text)
        }
        Type::Binary => {
            write_string(out, text);
            host.octets(text)
        }
        _ => {
            let (low, high) = declared.range().ok_or(Halt::Unsure)?;
            let number = text::integer(text, low, high)?;
            write_integer(out, declared, number);
            host.integer(number)
        }
    })
}

/// Every text counts, each split at its commas.
fn items<'t, H: Host>(
    out: &mut Vec<u8>,
    declared: &Type,
    element: &Type,
    trims: bool,
    given: impl Iterator<Item = &'t [u8]>,
    host: &H,
) -> Sure<H::Value> {
    let start = begin_list(out, element);
    let (mut values, mut ends) = (vec![], vec![]);
    for item in given.flat_map(|text| text.split(|byte| *byte == b',')) {
        values.push(scalar(out, element, if trims { text::trimmed(item) } else { item }, host)?);
        ends.push(out.len());
    }
    if matches!(declared, Type::Set(_)) {
        distinct(&out[start..], element, ends.iter().map(|end| end - start))?;
    }
    end_list(out, start, values.len())?;
    host.list(values)
}

fn distinct(written: &[u8], element: &Type, ends: impl ExactSizeIterator<Item = usize>) -> Sure<()> {
    if ends.len() < 2 {
        return Ok(());
    }
    let (mut distinct, mut start) = (Distinct::default(), 0);
    for end in ends {
        let bytes = &written[start..end];
        // It equals 0, and looks different.
        if *element == Type::Double && bytes == (-0.0f64).to_be_bytes() {
            return Err(Halt::Unsure);
        }
        distinct.add(bytes)?;
        start = end;
    }
    Ok(())
}

/// A raw body as a list of signed bytes.
fn octets<H: Host>(out: &mut Vec<u8>, text: &[u8], host: &H) -> Sure<H::Value> {
    let start = begin_list(out, &Type::I8);
    out.extend_from_slice(text);
    end_list(out, start, text.len())?;
    host.list(text.iter().map(|byte| host.integer((*byte as i8).into())).collect())
}

fn begin_list(out: &mut Vec<u8>, element: &Type) -> usize {
    out.extend_from_slice(&[element.kind(), 0, 0, 0, 0]);
    out.len()
}

fn end_list(out: &mut [u8], start: usize, count: usize) -> Sure<()> {
    let count = i32::try_from(count).map_err(|_| Halt::Unsure)?;
    out[start - 4..start].copy_from_slice(&count.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(id: i16, declared: Type, key: Option<&str>) -> RequestField {
        let key = key.map(Into::into);
        RequestField { id, key, declared, as_text: false, required: false, absent: Box::default(), pick: None }
    }

    fn place(slot: usize) -> Vec<Place> {
        vec![Place { slot, otherwise: None, trims: false, whole: false }]
    }

    /// Binds an i32 from the query, texts from query or form, and points from a JSON body.
    fn binder() -> (Vec<RequestStruct>, Binder) {
        let point = RequestStruct::new(
            vec![
                RequestField { required: true, ..field(1, Type::I32, Some("x")) },
                RequestField { absent: (*b"\x08\0\x02\0\0\0\x09").into(), ..field(2, Type::I32, Some("y")) },
            ],
            false,
        );
        let fields = vec![
            field(1, Type::I32, None),
            field(2, Type::Set(Box::new(Type::String)), None),
            field(3, Type::Set(Box::new(Type::Struct(0))), None),
        ];
        let names = |names: &[(&str, usize)]| {
            Names::new(names.iter().map(|(name, slot)| (name.as_bytes().into(), *slot)).collect())
        };
        let outermost = Part {
            declared: RequestStruct::new(fields, false),
            early: vec![place(0), place(1), vec![]],
            late: vec![vec![], vec![], vec![]],
            inside: vec![None, None, None],
        };
        let json = JsonBody::Object(Keys::new([("n".into(), 0), ("points".into(), 2)]));
        let sources = Sources { query: names(&[("n", 0)]), form: names(&[("t", 1)]), ..Sources::default() };
        (vec![point], Binder { outermost, argument: Some(1), json, sources, digits: false })
    }

    fn bound(query: &str, kind: BodyKind, body: &str) -> Sure<Vec<u8>> {
        let (structs, binder) = binder();
        let inputs = Inputs { query: query.as_bytes(), body: body.as_bytes(), kind, texts: Texts::default() };
        let mut out = Vec::new();
        binder.bind(&structs, inputs, &mut out, 1000, &Nobody)?;
        Ok(out)
    }

    fn arguments(fields: &[u8]) -> Sure<Vec<u8>> {
        Ok([b"\x0c\0\x01", fields, b"\0\0"].concat())
    }

    #[test]
    fn takes_each_field_from_its_first_source() {
        assert_eq!(bound("n=7&n=8", BodyKind::None, ""), arguments(b"\x08\0\x01\0\0\0\x07"));
        assert_eq!(bound("n=7", BodyKind::Json, r#"{"n": 8}"#), arguments(b"\x08\0\x01\0\0\0\x07"));
        assert_eq!(bound("n=", BodyKind::Json, r#"{"n": 8}"#), arguments(b"\x08\0\x01\0\0\0\x08"));
        assert_eq!(bound("", BodyKind::Json, r#"{"n": null, "other": [1e5]}"#), arguments(b""));
        assert_eq!(
            bound("", BodyKind::Form, "t=a,b&n=7"),
            arguments(b"\x0e\0\x02\x0b\0\0\0\x02\0\0\0\x01a\0\0\0\x01b")
        );
    }

    #[test]
    fn fills_what_is_absent() {
        let point = b"\x0e\0\x03\x0c\0\0\0\x01\x08\0\x01\0\0\0\x05\x08\0\x02\0\0\0\x09\0";
        assert_eq!(bound("", BodyKind::Json, r#"{"points": [{"x": 5}]}"#), arguments(point));
    }

    #[test]
    fn is_unsure_of_what_does_not_fit() {
        for body in [
            "",
            "{",
            "[]",
            r#"{"n": "8"}"#,
            r#"{"n": 1.0}"#,
            r#"{"n": 2147483648}"#,
            r#"{"n": 1, "n": 1}"#,
            "{} x",
            r#"{"points": [{}]}"#,
            r#"{"points": [null]}"#,
            r#"{"points": {"x": 1}}"#,
            r#"{"other": 1e999}"#,
            r#"{"points": [{"x": 1}, {"x": 1}]}"#,
            r#"{"points": [{"x": 1, "y": 2}, {"y": 2, "x": 1}]}"#,
        ] {
            assert_eq!(bound("", BodyKind::Json, body), Err(Halt::Unsure), "{body}");
        }
        assert_eq!(bound("n=x", BodyKind::None, ""), Err(Halt::Unsure));
        assert_eq!(bound("", BodyKind::Form, "t=a&t=a"), Err(Halt::Unsure));
    }

    #[test]
    fn bounds_what_it_writes() {
        let points = |count: usize| {
            let points: Vec<String> = (0..count).map(|x| format!("{{\"x\":{x}}}")).collect();
            bound("", BodyKind::Json, &format!("{{\"points\":[{}]}}", points.join(",")))
        };
        assert!(points(50).is_ok());
        assert_eq!(points(100), Err(Halt::TooLarge));
    }
}
