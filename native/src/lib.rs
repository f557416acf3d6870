//! The native codec: Thrift bytes to JSON bytes and back, with no object between.
//!
//! It says yes, or that it is not sure. Whatever is wrong or unusual in an input is left to the
//! plain codec, which decides and finds the words: so both give equal answers, and this one
//! stays small. It reads no byte that is not there, and what it makes is bounded.

pub mod bind;
pub mod distinct;
pub mod json;
pub mod pairs;
pub mod reply;
pub mod request;
pub mod scan;
pub mod special;
pub mod text;
pub mod thrift;
pub mod types;
pub mod values;

// Nothing of it is needed to test the rest, so that no Python has to be there to link with.
#[cfg(not(test))]
mod python;

/// The module that Python sees.
#[cfg(not(test))]
#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use crate::python::{Answerer, Binder, Replies, Requests};
}
