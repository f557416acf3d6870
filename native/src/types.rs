//! What an IDL says of the values that are read and written: types and structs, as tables.

use crate::thrift::kind;

/// A type of Thrift; structs stand in a table, by their index there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// A `bool`.
    Bool,
    /// An `i8`.
    I8,
    /// An `i16`.
    I16,
    /// An `i32` or an enum.
    I32,
    /// An `i64`.
    I64,
    /// A `double`.
    Double,
    /// A `string`, which is UTF-8.
    String,
    /// A `binary`.
    Binary,
    /// A struct, union or exception.
    Struct(usize),
    /// A `map`.
    Map(Box<Type>, Box<Type>),
    /// A `set`.
    Set(Box<Type>),
    /// A `list`.
    List(Box<Type>),
}

impl Type {
    /// The type's number on the wire.
    pub fn kind(&self) -> u8 {
        match self {
            Type::Bool => kind::BOOL,
            Type::I8 => kind::I8,
            Type::I16 => kind::I16,
            Type::I32 => kind::I32,
            Type::I64 => kind::I64,
            Type::Double => kind::DOUBLE,
            Type::String | Type::Binary => kind::STRING,
            Type::Struct(_) => kind::STRUCT,
            Type::Map(..) => kind::MAP,
            Type::Set(_) => kind::SET,
            Type::List(_) => kind::LIST,
        }
    }

    /// The least and the greatest value, of an integer.
    pub fn range(&self) -> Option<(i64, i64)> {
        match self {
            Type::I8 => Some((i8::MIN.into(), i8::MAX.into())),
            Type::I16 => Some((i16::MIN.into(), i16::MAX.into())),
            Type::I32 => Some((i32::MIN.into(), i32::MAX.into())),
            Type::I64 => Some((i64::MIN, i64::MAX)),
            _ => None,
        }
    }

    /// Whether it has neither parts nor an order of them.
    pub fn is_scalar(&self) -> bool {
        !matches!(self, Type::Struct(_) | Type::Map(..) | Type::Set(_) | Type::List(_))
    }

    /// The greatest index of a struct that it names.
    pub fn greatest_struct(&self) -> Option<usize> {
        match self {
            Type::Struct(index) => Some(*index),
            Type::Map(key, value) => key.greatest_struct().max(value.greatest_struct()),
            Type::Set(element) | Type::List(element) => element.greatest_struct(),
            _ => None,
        }
    }
}

/// Finds the index of a field by what it is called where it comes from.
///
/// Fields mostly come in the order of their declaration, so the one behind the last is tried first.
#[derive(Debug, Default)]
pub struct Lookup<K: Ord> {
    sorted: Vec<(K, usize)>,
    declared: Vec<Option<K>>,
}

impl<K: Ord + Clone> Lookup<K> {
    /// The field at each index is known by its key, if it has one; of equal keys the last counts.
    pub fn new(keys: Vec<Option<K>>) -> Self {
        let mut sorted: Vec<(K, usize)> =
            keys.iter().enumerate().filter_map(|(index, key)| Some((key.clone()?, index))).collect();
        sorted.sort();
        Lookup { sorted, declared: keys }
    }

    /// The field's index.
    ///
    /// `expected` is that of the field that probably comes; it is moved on.
    #[inline]
    pub fn find<Q>(&self, key: &Q, expected: &mut usize) -> Option<usize>
    where
        Q: Ord + ?Sized,
        K: std::borrow::Borrow<Q>,
    {
        if let Some(Some(declared)) = self.declared.get(*expected)
            && declared.borrow() == key
        {
            *expected += 1;
            return Some(*expected - 1);
        }
        let place = self.sorted.binary_search_by(|(each, _)| each.borrow().cmp(key)).ok()?;
        let index = self.sorted[place].1;
        *expected = index + 1;
        Some(index)
    }
}

/// A set of indices of fields.
#[derive(Debug, Default)]
pub struct Indices {
    first: u64,
    more: Vec<u64>,
}

impl Indices {
    /// Adds the index; false if it was there already.
    #[inline]
    pub fn add(&mut self, index: usize) -> bool {
        let word = if index < 64 { &mut self.first } else { self.word(index / 64 - 1) };
        let bit = 1 << (index % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Whether the index is there.
    #[inline]
    pub fn has(&self, index: usize) -> bool {
        let word = if index < 64 { self.first } else { self.more.get(index / 64 - 1).copied().unwrap_or(0) };
        word & (1 << (index % 64)) != 0
    }

    /// How many are there.
    pub fn count(&self) -> u32 {
        self.first.count_ones() + self.more.iter().map(|word| word.count_ones()).sum::<u32>()
    }

    fn word(&mut self, at: usize) -> &mut u64 {
        if self.more.len() <= at {
            self.more.resize(at + 1, 0);
        }
        &mut self.more[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_fields_in_any_order() {
        let lookup = Lookup::new(vec![Some(3), None, Some(-1), Some(7)]);
        for order in [[3, -1, 7], [7, 3, -1], [-1, 7, 3]] {
            let mut expected = 0;
            let found: Vec<_> = order.iter().map(|key| lookup.find(key, &mut expected)).collect();
            let wanted: Vec<_> = order.iter().map(|key| [3, 0, -1, 7].iter().position(|each| each == key)).collect();
            assert_eq!(found, wanted);
        }
        assert_eq!(lookup.find(&5, &mut 0), None);
    }

    #[test]
    fn keeps_indices_beyond_a_word() {
        let mut indices = Indices::default();
        for index in [0, 63, 64, 127, 128, 1000] {
            assert!(!indices.has(index));
            assert!(indices.add(index));
            assert!(!indices.add(index));
            assert!(indices.has(index));
        }
        assert_eq!(indices.count(), 6);
        assert!(!indices.has(5000));
    }
}
