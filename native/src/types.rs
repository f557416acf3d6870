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

    /// The struct that it is, or that its elements or the values of its entries are.
    pub fn innermost_struct(&self) -> Option<usize> {
        match self {
            Type::Struct(index) => Some(*index),
            Type::Map(_, inner) | Type::Set(inner) | Type::List(inner) => inner.innermost_struct(),
            _ => None,
        }
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

/// Finds fields by their keys in JSON.
///
/// Hashed by a few of their bytes, into a table that is made once and so can be made large enough: most keys then cost
/// one comparison. Whoever sends other keys cannot make it more comparisons than there are fields.
#[derive(Debug)]
pub struct Keys {
    // By the hash of a key: the place of the first of those that have it. They lie side by side.
    starts: Vec<u32>,
    entries: Vec<(Box<[u8]>, usize)>,
}

impl Keys {
    /// The keys, each with the index that it stands for.
    pub fn new(keys: impl IntoIterator<Item = (Box<str>, usize)>) -> Self {
        let mut entries: Vec<(Box<[u8]>, usize)> =
            keys.into_iter().map(|(key, index)| (key.into_boxed_bytes(), index)).collect();
        let count = (4 * entries.len()).next_power_of_two();
        entries.sort_by_key(|(key, _)| Self::hash(key) % count);
        let start = |hash| entries.partition_point(|(key, _)| Self::hash(key) % count < hash) as u32;
        Keys { starts: (0..=count).map(start).collect(), entries }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What the key stands for.
    #[inline(always)]
    pub fn find(&self, key: &[u8]) -> Option<usize> {
        let hash = Self::hash(key) & (self.starts.len() - 2);
        let same = &self.entries[self.starts[hash] as usize..self.starts[hash + 1] as usize];
        same.iter().find(|(each, _)| are_equal(each, key)).map(|(_, index)| *index)
    }

    #[inline(always)]
    fn hash(key: &[u8]) -> usize {
        let length = key.len();
        let (Some(first), Some(middle), Some(last)) = (key.first(), key.get(length / 2), key.last()) else {
            return 0;
        };
        length ^ usize::from(*first) << 1 ^ usize::from(*middle) << 3 ^ usize::from(*last) << 5
    }
}

/// Whether the texts are equal; for short ones quicker than a call of the C library, which `==` is.
#[inline(always)]
fn are_equal(one: &[u8], other: &[u8]) -> bool {
    let ((chunks, rest), (other_chunks, other_rest)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    one.len() == other.len()
        && chunks.iter().zip(other_chunks).all(|(each, other)| u64::from_le_bytes(*each) == u64::from_le_bytes(*other))
        && rest.iter().zip(other_rest).all(|(each, other)| each == other)
}

/// Finds fields by their ids on the wire.
#[derive(Debug, Default)]
pub struct Ids {
    // One more than the index of the field, by its id; 0: there is none.
    small: Vec<u16>,
    others: Vec<(i16, usize)>,
}

impl Ids {
    // Ids beyond are rare enough to be searched for.
    const SMALL: usize = 256;

    /// The ids of the fields, in the order of their indices; no two are equal.
    pub fn new(ids: impl IntoIterator<Item = i16>) -> Self {
        let mut found = Ids::default();
        for (index, id) in ids.into_iter().enumerate() {
            match (usize::try_from(id), u16::try_from(index + 1)) {
                (Ok(place), Ok(number)) if place < Self::SMALL => {
                    found.small.resize(found.small.len().max(place + 1), 0);
                    found.small[place] = number;
                }
                _ => found.others.push((id, index)),
            }
        }
        found.others.sort();
        found
    }

    /// The index of the field.
    #[inline]
    pub fn find(&self, id: i16) -> Option<usize> {
        match self.small.get(id as usize) {
            Some(number) if *number > 0 => Some(*number as usize - 1),
            _ => self.search(id),
        }
    }

    fn search(&self, id: i16) -> Option<usize> {
        let place = self.others.binary_search_by_key(&id, |(each, _)| *each).ok()?;
        Some(self.others[place].1)
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
    #[inline(always)]
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

    #[cold]
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
    fn finds_fields_by_their_keys() {
        let names: Vec<String> = (0..100).map(|number| format!("name{number}")).chain(["".into()]).collect();
        let keys = Keys::new(names.iter().enumerate().map(|(index, name)| (name.as_str().into(), index)));
        for (index, name) in names.iter().enumerate() {
            assert_eq!(keys.find(name.as_bytes()), Some(index));
        }
        assert_eq!(["name", "name100", "Name1"].map(|name| keys.find(name.as_bytes())), [None; 3]);
        assert_eq!(Keys::new([]).find(b""), None);
    }

    #[test]
    fn finds_fields_by_their_ids() {
        let ids = [3, 0, -1, 255, 256, i16::MAX, i16::MIN];
        let found = Ids::new(ids);
        for (index, id) in ids.into_iter().enumerate() {
            assert_eq!(found.find(id), Some(index));
        }
        assert_eq!([1, 254, 257, -2].map(|id| found.find(id)), [None; 4]);
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
