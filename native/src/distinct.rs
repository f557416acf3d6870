//! Finds out whether something comes twice: the keys of a map, the elements of a set.

use std::collections::HashSet;
use std::hash::Hash;

use smallvec::SmallVec;

use crate::thrift::{Halt, Sure};

// Up to here comparing each with each is quicker than hashing.
const FEW: usize = 8;

/// What has been seen so far.
pub struct Distinct<K> {
    few: SmallVec<[K; FEW]>,
    many: HashSet<K>,
}

impl<K> Default for Distinct<K> {
    fn default() -> Self {
        Distinct { few: SmallVec::new(), many: HashSet::new() }
    }
}

impl<K: Copy + Eq + Hash> Distinct<K> {
    /// Adds one; unsure if it is there already, for then one of the two has to go.
    #[inline]
    pub fn add(&mut self, key: K) -> Sure<()> {
        let is_new = if self.few.len() < FEW {
            let is_new = !self.few.contains(&key);
            self.few.push(key);
            is_new
        } else {
            if self.many.is_empty() {
                self.many.extend(self.few.iter().copied());
            }
            self.many.insert(key)
        };
        if is_new { Ok(()) } else { Err(Halt::Unsure) }
    }
}

/// What is the same for equal structs and maps, in whatever order their parts are written.
///
/// Different ones may have it in common too. That only makes us unsure.
pub fn regardless_of_order(bytes: &[u8]) -> (usize, u64) {
    (bytes.len(), bytes.iter().map(|byte| u64::from(*byte)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_what_comes_again() {
        for again in 0..20 {
            let mut distinct = Distinct::default();
            for number in 0..20 {
                assert_eq!(distinct.add(number), Ok(()));
            }
            assert_eq!(distinct.add(again), Err(Halt::Unsure));
        }
    }

    #[test]
    fn knows_parts_in_any_order() {
        assert_eq!(regardless_of_order(b"ab12"), regardless_of_order(b"12ab"));
        assert_ne!(regardless_of_order(b"ab12"), regardless_of_order(b"ab13"));
        assert_ne!(regardless_of_order(b""), regardless_of_order(b"\0"));
    }
}
