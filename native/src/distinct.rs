//! Finds out whether bytes come twice: the keys of a map, the elements of a set.

use std::collections::HashSet;

use smallvec::SmallVec;

use crate::thrift::{Halt, Sure};

// Up to here comparing each with each is quicker than hashing.
const FEW: usize = 8;

/// What has been seen so far.
#[derive(Default)]
pub struct Distinct<'a> {
    few: SmallVec<[&'a [u8]; FEW]>,
    many: HashSet<&'a [u8]>,
}

impl<'a> Distinct<'a> {
    /// Adds these bytes; unsure if they are there already, for then one of the two has to go.
    #[inline]
    pub fn add(&mut self, bytes: &'a [u8]) -> Sure<()> {
        let is_new = if self.few.len() < FEW {
            let is_new = !self.few.contains(&bytes);
            self.few.push(bytes);
            is_new
        } else {
            if self.many.is_empty() {
                self.many.extend(self.few.iter());
            }
            self.many.insert(bytes)
        };
        if is_new { Ok(()) } else { Err(Halt::Unsure) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_what_comes_again() {
        let texts: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        for again in 0..20 {
            let mut distinct = Distinct::default();
            for text in &texts {
                assert_eq!(distinct.add(text.as_bytes()), Ok(()));
            }
            assert_eq!(distinct.add(texts[again].as_bytes()), Err(Halt::Unsure));
        }
        assert_eq!([1, 1].map(|_| Distinct::default().add(b"1")), [Ok(()), Ok(())]);
    }
}
