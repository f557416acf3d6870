//! The border to Python: tuples to tables, calls to the conversions, values to objects.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::bind::{self, BodyKind, Inputs, JsonBody, Part, Place, Sources};
use crate::pairs::{Names, Texts};
use crate::reply::{self, Case, ReplyField, ReplyStruct, Selection, Wanted};
use crate::request::{RequestField, RequestStruct};
use crate::thrift::{Halt, Sure, kind};
use crate::types::{Keys, Type};
use crate::values::{Host, Nobody};

// Python's number for a STRING that is bytes, not text; never on the wire.
const BINARY: u8 = 18;

/// Whoever has this little may have as much output, however small the input.
const ALWAYS_ALLOWED: usize = 1 << 20;

// A buffer of its own for each conversion would cost as much as a small one does; a large one is not kept.
const MOST_KEPT: usize = 1 << 20;
thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

// Tables

type RequestFieldRow<'py> = (i16, Option<String>, Bound<'py, PyAny>, bool, bool, Bound<'py, PyBytes>, Option<usize>);
type RequestRow<'py> = (Vec<RequestFieldRow<'py>>, bool);
type ReplyFieldRow<'py> =
    (i16, Option<Bound<'py, PyBytes>>, Bound<'py, PyAny>, bool, bool, Option<Bound<'py, PyBytes>>, Option<usize>);
type PlaceRow = (usize, Option<usize>, bool, bool);
type PartRow<'py> = (RequestRow<'py>, Vec<Vec<PlaceRow>>, Vec<Vec<PlaceRow>>, Vec<Option<Bound<'py, PyAny>>>);
type NameRow<'py> = (Bound<'py, PyBytes>, usize);
// Of queries, queries without a body, forms, headers and cookies.
type SlotsRow<'py> = (Vec<NameRow<'py>>, Vec<NameRow<'py>>, Vec<NameRow<'py>>, Vec<NameRow<'py>>, Vec<NameRow<'py>>);
// The case, its JSON, and the values beside it.
type AnswerRow<'py> = (isize, Bound<'py, PyBytes>, Bound<'py, PyTuple>);

fn type_from(row: &Bound<'_, PyAny>) -> PyResult<Type> {
    if let Ok(number) = row.extract::<u8>() {
        return scalar_from(number);
    }
    let row = row.cast::<PyTuple>()?;
    let part = |at| -> PyResult<Box<Type>> { Ok(Box::new(type_from(&row.get_item(at)?)?)) };
    match row.get_item(0)?.extract()? {
        kind::STRUCT => Ok(Type::Struct(row.get_item(1)?.extract()?)),
        kind::MAP => Ok(Type::Map(part(1)?, part(2)?)),
        kind::SET => Ok(Type::Set(part(1)?)),
        kind::LIST => Ok(Type::List(part(1)?)),
        other => Err(PyValueError::new_err(format!("no container is of type {other}"))),
    }
}

fn scalar_from(number: u8) -> PyResult<Type> {
    Ok(match number {
        kind::BOOL => Type::Bool,
        kind::I8 => Type::I8,
        kind::I16 => Type::I16,
        kind::I32 => Type::I32,
        kind::I64 => Type::I64,
        kind::DOUBLE => Type::Double,
        kind::STRING => Type::String,
        BINARY => Type::Binary,
        other => return Err(PyValueError::new_err(format!("no scalar is of type {other}"))),
    })
}

fn request_struct((fields, is_union): RequestRow<'_>) -> PyResult<RequestStruct> {
    let fields = fields.into_iter().map(|(id, key, declared, as_text, required, absent, pick)| {
        let declared = type_from(&declared)?;
        let (key, absent) = (key.map(Into::into), absent.as_bytes().into());
        Ok(RequestField { id, key, declared, as_text, required, absent, pick })
    });
    Ok(RequestStruct::new(fields.collect::<PyResult<_>>()?, is_union))
}

fn reply_struct(fields: Vec<ReplyFieldRow<'_>>) -> PyResult<ReplyStruct> {
    let fields = fields.into_iter().map(|(id, key, declared, as_text, required, default, pick)| {
        let declared = type_from(&declared)?;
        let (key, default) = (key.map(|key| key.as_bytes().into()), default.map(|value| value.as_bytes().into()));
        Ok(ReplyField { id, key, declared, as_text, required, default, pick })
    });
    Ok(ReplyStruct::new(fields.collect::<PyResult<_>>()?))
}

/// What is wanted of values of this type: the indices of fields, each with the same for what is in it, or with None.
fn selection_from(structs: &[ReplyStruct], declared: &Type, fields: &Bound<'_, PyTuple>) -> PyResult<Selection> {
    let wrong = || PyValueError::new_err("there is no such field");
    let types: Vec<&Type> = structs[declared.innermost_struct().ok_or_else(wrong)?].types().collect();
    let mut selection = Selection { fields: vec![Wanted::Nothing; types.len()] };
    for row in fields.iter() {
        let (at, inner): (usize, Option<Bound<'_, PyTuple>>) = row.extract()?;
        *selection.fields.get_mut(at).ok_or_else(wrong)? = match inner {
            None => Wanted::Whole,
            Some(inner) => Wanted::Parts(selection_from(structs, types[at], &inner)?),
        };
    }
    Ok(selection)
}

fn checked(greatest: Option<usize>, count: usize) -> PyResult<()> {
    match greatest {
        Some(index) if index >= count => Err(PyValueError::new_err(format!("there is no struct {index}"))),
        _ => Ok(()),
    }
}

/// A struct, the places of its fields before and after the JSON body, and what is inside of them.
fn part_from(row: &Bound<'_, PyAny>) -> PyResult<Part> {
    let (declared, early, late, inside): PartRow<'_> = row.extract()?;
    let inside = inside.iter().map(|row| row.as_ref().map(part_from).transpose());
    Ok(Part {
        declared: request_struct(declared)?,
        early: places(early),
        late: places(late),
        inside: inside.collect::<PyResult<_>>()?,
    })
}

fn places(rows: Vec<Vec<PlaceRow>>) -> Vec<Vec<Place>> {
    let place = |(slot, otherwise, trims, whole)| Place { slot, otherwise, trims, whole };
    rows.into_iter().map(|row| row.into_iter().map(place).collect()).collect()
}

fn names(rows: Vec<NameRow<'_>>) -> Names {
    Names::new(rows.into_iter().map(|(name, slot)| (name.as_bytes().into(), slot)).collect())
}

// Requests

/// The structs of requests, as one immutable table; see `_native.pyi` for the rows.
#[pyclass(frozen)]
pub struct Requests {
    structs: Arc<Vec<RequestStruct>>,
}

#[pymethods]
impl Requests {
    #[new]
    fn new(rows: Vec<RequestRow<'_>>) -> PyResult<Self> {
        let structs: Vec<_> = rows.into_iter().map(request_struct).collect::<PyResult<_>>()?;
        for each in &structs {
            checked(each.greatest_struct(), structs.len())?;
        }
        Ok(Requests { structs: Arc::new(structs) })
    }

    /// What binds the requests of a method.
    #[allow(clippy::too_many_arguments)]
    fn binder(
        &self,
        outermost: Bound<'_, PyAny>,
        argument: Option<i16>,
        keys: Option<Vec<(String, usize)>>,
        slots: SlotsRow<'_>,
        path: Vec<(Py<PyString>, usize)>,
        whole: (Option<usize>, Option<usize>),
        digits: bool,
        limit: usize,
    ) -> PyResult<Binder> {
        let outermost = part_from(&outermost)?;
        checked(outermost.greatest_struct(), self.structs.len())?;
        let count = outermost.declared.fields.len();
        let is_wrong = match &keys {
            Some(keys) => keys.iter().any(|(_, field)| *field >= count),
            None => count == 0,
        };
        if is_wrong || !outermost.is_complete() {
            return Err(PyValueError::new_err("the places are not those of the fields"));
        }
        let (query, plain, form, headers, cookies) = slots;
        let sources = Sources {
            query: names(query),
            plain: names(plain),
            form: names(form),
            headers: names(headers),
            cookies: names(cookies),
            body: whole.0,
            target: whole.1,
        };
        let json = match keys {
            Some(keys) => JsonBody::Object(Keys::new(keys.into_iter().map(|(key, field)| (key.into(), field)))),
            None => JsonBody::Whole,
        };
        let binder = bind::Binder { outermost, argument, json, sources, digits };
        Ok(Binder { structs: self.structs.clone(), binder, path, limit })
    }
}

/// Binds the requests of one method.
#[pyclass(frozen)]
pub struct Binder {
    structs: Arc<Vec<RequestStruct>>,
    binder: bind::Binder,
    path: Vec<(Py<PyString>, usize)>,
    limit: usize,
}

#[pymethods]
impl Binder {
    /// The bytes of the arguments, with the values that were asked for if any were; None: the plain codec shall decide.
    #[pyo3(signature = (query, path, headers, body, kind, target, /))]
    #[allow(clippy::too_many_arguments)]
    fn bind<'py>(
        &self,
        py: Python<'py>,
        query: &[u8],
        path: &Bound<'py, PyAny>,
        headers: &Bound<'py, PyAny>,
        body: &[u8],
        kind: u8,
        target: &[u8],
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut held = Vec::new();
        let (Ok(path), Ok(headers)) = (path.cast(), headers.cast()) else {
            return Ok(None); // Other mappings and sequences are as good, and nobody uses them.
        };
        self.hold(py, path, headers, &mut held)?;
        let mut texts = Texts::default();
        for (name, slot, value) in &held {
            let sources = &self.binder.sources;
            match (name, slot) {
                (_, Some(slot)) => texts.add(*slot, value.as_bytes().into()),
                (Some(name), None) => {
                    texts.add_header(name.as_bytes(), value.as_bytes(), &sources.headers);
                    if name.as_bytes() == b"cookie" && !sources.cookies.is_empty() {
                        texts.add_cookies(value.as_bytes(), &sources.cookies);
                    }
                }
                (None, None) => (),
            }
        }
        if let Some(slot) = self.binder.sources.target {
            texts.add(slot, target.into());
        }
        let kind = match kind {
            0 => BodyKind::None,
            1 => BodyKind::Json,
            _ => BodyKind::Form,
        };
        let inputs = Inputs { query, body, kind, texts };
        let limit = limit_for(self.limit, query.len() + body.len());
        if self.binder.picks() == 0 {
            return guarded(
                |out| self.binder.bind(&self.structs, inputs, out, limit, &Nobody),
                |_, payload| Ok(Some(PyBytes::new(py, payload).into_any())),
            );
        }
        guarded(
            |out| self.binder.bind(&self.structs, inputs, out, limit, &Objects(py)),
            |values, payload| {
                Ok(Some((PyBytes::new(py, payload), PyTuple::new(py, values)?).into_pyobject(py)?.into_any()))
            },
        )
    }
}

type Held<'py> = (Option<Bound<'py, PyBytes>>, Option<usize>, Bound<'py, PyBytes>);

impl Binder {
    /// Takes hold of the bytes of path and headers for the time of a call.
    fn hold<'py>(
        &self,
        py: Python<'py>,
        path: &Bound<'py, PyDict>,
        headers: &Bound<'py, PyTuple>,
        held: &mut Vec<Held<'py>>,
    ) -> PyResult<()> {
        for (name, slot) in &self.path {
            if let Some(value) = path.get_item(name.bind(py))? {
                held.push((None, Some(*slot), value.cast_into()?));
            }
        }
        let sources = &self.binder.sources;
        if !sources.headers.is_empty() || !sources.cookies.is_empty() {
            for pair in headers.iter() {
                let (name, value) = pair.extract()?;
                held.push((Some(name), None, value));
            }
        }
        Ok(())
    }
}

// Replies

/// The structs of replies, as one immutable table; see `_native.pyi` for the rows.
#[pyclass(frozen)]
pub struct Replies {
    structs: Arc<Vec<ReplyStruct>>,
}

#[pymethods]
impl Replies {
    #[new]
    fn new(rows: Vec<Vec<ReplyFieldRow<'_>>>) -> PyResult<Self> {
        let structs: Vec<_> = rows.into_iter().map(reply_struct).collect::<PyResult<_>>()?;
        for each in &structs {
            checked(each.greatest_struct(), structs.len())?;
        }
        Ok(Replies { structs: Arc::new(structs) })
    }

    /// What answers the replies of a method whose result may be one of these cases.
    fn answerer(
        &self,
        cases: Vec<(i16, Bound<'_, PyAny>)>,
        void: Option<Bound<'_, PyBytes>>,
        limit: usize,
    ) -> PyResult<Answerer> {
        let case = |(id, declared): (i16, Bound<'_, PyAny>)| {
            let declared = type_from(&declared)?;
            checked(declared.greatest_struct(), self.structs.len())?;
            Ok(Case { id, declared, selection: None })
        };
        let cases = cases.into_iter().map(case).collect::<PyResult<_>>()?;
        Ok(Answerer { structs: self.structs.clone(), cases, void: void.map(Bound::unbind), limit })
    }
}

/// Answers the replies of one method.
#[pyclass(frozen)]
pub struct Answerer {
    structs: Arc<Vec<ReplyStruct>>,
    cases: Vec<Case>,
    void: Option<Py<PyBytes>>,
    limit: usize,
}

#[pymethods]
impl Answerer {
    /// The same, but of the first case no more is shown than these fields.
    fn selecting(&self, fields: &Bound<'_, PyTuple>) -> PyResult<Answerer> {
        let mut cases = self.cases.clone();
        if let Some(first) = cases.first_mut() {
            first.selection = Some(selection_from(&self.structs, &first.declared, fields)?);
        }
        let void = self.void.as_ref().map(|void| void.clone_ref(fields.py()));
        Ok(Answerer { structs: self.structs.clone(), cases, void, limit: self.limit })
    }

    /// Which case it is (-1: none), its JSON and the values beside it; None: the plain codec shall decide.
    #[pyo3(signature = (payload, /))]
    fn answer<'py>(&self, py: Python<'py>, payload: &[u8]) -> PyResult<Option<AnswerRow<'py>>> {
        let limit = limit_for(self.limit, payload.len());
        let host = Objects(py);
        guarded(
            |out| reply::answer(&self.structs, &self.cases, payload, out, limit, &host),
            |answer, body| {
                let Some(case) = answer.case else {
                    return Ok(self.void.as_ref().map(|void| (-1, void.bind(py).clone(), PyTuple::empty(py))));
                };
                Ok(Some((case as isize, PyBytes::new(py, body), PyTuple::new(py, answer.picked)?)))
            },
        )
    }
}

/// How large the output may be for an input of this size.
fn limit_for(most: usize, size: usize) -> usize {
    const GROWTH: usize = 64;
    most.min(size.saturating_mul(GROWTH).max(ALWAYS_ALLOWED))
}

/// Runs a conversion into a buffer, and wraps what it gives: None if it is not sure, OverflowError if the output would
/// be too large.
///
/// There is no input that is known to make it panic; should there be one, the plain codec decides about it.
fn guarded<T, R>(
    convert: impl FnOnce(&mut Vec<u8>) -> Sure<T>,
    wrap: impl FnOnce(T, &[u8]) -> PyResult<Option<R>>,
) -> PyResult<Option<R>> {
    let mut out = BUFFER.take();
    let converted = catch_unwind(AssertUnwindSafe(|| convert(&mut out))).unwrap_or(Err(Halt::Unsure));
    let result = match converted {
        Ok(value) => wrap(value, &out),
        Err(Halt::Unsure) => Ok(None),
        Err(Halt::TooLarge) => Err(PyOverflowError::new_err("the output is too large")),
    };
    if out.capacity() <= MOST_KEPT {
        out.clear();
        BUFFER.set(out);
    }
    result
}

/// Makes Python's objects.
struct Objects<'py>(Python<'py>);

impl<'py> Host for Objects<'py> {
    type Value = Bound<'py, PyAny>;

    const WANTS: bool = true;

    fn bool(&self, value: bool) -> Self::Value {
        PyBool::new(self.0, value).to_owned().into_any()
    }

    fn integer(&self, value: i64) -> Self::Value {
        PyInt::new(self.0, value).into_any()
    }

    fn double(&self, value: f64) -> Self::Value {
        PyFloat::new(self.0, value).into_any()
    }

    fn string(&self, value: &[u8]) -> Self::Value {
        match std::str::from_utf8(value) {
            Ok(text) => PyString::new(self.0, text).into_any(),
            Err(_) => self.octets(value),
        }
    }

    fn octets(&self, value: &[u8]) -> Self::Value {
        PyBytes::new(self.0, value).into_any()
    }

    fn list(&self, items: Vec<Self::Value>) -> Sure<Self::Value> {
        Ok(PyList::new(self.0, items).map_err(|_| Halt::Unsure)?.into_any())
    }

    fn map(&self, entries: Vec<(Self::Value, Self::Value)>) -> Sure<Self::Value> {
        let map = PyDict::new(self.0);
        for (key, value) in entries {
            map.set_item(key, value).map_err(|_| Halt::Unsure)?;
        }
        Ok(map.into_any())
    }

    fn record(&self, fields: Vec<Option<Self::Value>>) -> Sure<Self::Value> {
        Ok(PyTuple::new(self.0, fields).map_err(|_| Halt::Unsure)?.into_any())
    }
}
