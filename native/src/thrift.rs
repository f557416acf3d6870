//! Thrift's binary protocol: reading a struct's bytes, never beyond their end; and the numbers of its types.

/// The numbers of the types on the wire.
pub mod kind {
    #![allow(missing_docs)]
    pub const STOP: u8 = 0;
    pub const BOOL: u8 = 2;
    pub const I8: u8 = 3;
    pub const DOUBLE: u8 = 4;
    pub const I16: u8 = 6;
    pub const I32: u8 = 8;
    pub const I64: u8 = 10;
    pub const STRING: u8 = 11;
    pub const STRUCT: u8 = 12;
    pub const MAP: u8 = 13;
    pub const SET: u8 = 14;
    pub const LIST: u8 = 15;
}

/// Levels of structs and containers that a message may have, its outermost struct included.
pub const DEPTH: usize = 64;

/// Why there is no output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// The input is wrong, or so unusual that the plain codec shall decide; it also finds the words for it.
    Unsure,
    /// The output would be larger than it may be.
    TooLarge,
}

/// A value, or why there is none.
pub type Sure<T> = Result<T, Halt>;

/// The bytes that are not read yet.
pub struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    /// Reads these from their beginning.
    pub fn new(data: &'a [u8]) -> Self {
        Bytes { rest: data }
    }

    /// A second reader of the same bytes.
    #[inline]
    pub fn again(&self) -> Self {
        Bytes { rest: self.rest }
    }

    /// The bytes that were read since the other reader stood here.
    #[inline]
    pub fn since(&self, before: &Self) -> &'a [u8] {
        &before.rest[..before.rest.len() - self.rest.len()]
    }

    /// How many are left.
    #[inline]
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    fn chunk<const N: usize>(&mut self) -> Sure<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Halt::Unsure)?;
        self.rest = rest;
        Ok(*head)
    }

    /// The next bytes, as many as asked for.
    #[inline]
    pub fn take(&mut self, count: usize) -> Sure<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(Halt::Unsure)?;
        self.rest = rest;
        Ok(head)
    }

    /// A type, or a bool.
    #[inline]
    pub fn byte(&mut self) -> Sure<u8> {
        Ok(u8::from_be_bytes(self.chunk()?))
    }

    /// An `i8`.
    #[inline]
    pub fn i8(&mut self) -> Sure<i8> {
        Ok(i8::from_be_bytes(self.chunk()?))
    }

    /// An `i16`.
    #[inline]
    pub fn i16(&mut self) -> Sure<i16> {
        Ok(i16::from_be_bytes(self.chunk()?))
    }

    /// An `i32`.
    #[inline]
    pub fn i32(&mut self) -> Sure<i32> {
        Ok(i32::from_be_bytes(self.chunk()?))
    }

    /// An `i64`.
    #[inline]
    pub fn i64(&mut self) -> Sure<i64> {
        Ok(i64::from_be_bytes(self.chunk()?))
    }

    /// A `double`.
    #[inline]
    pub fn double(&mut self) -> Sure<f64> {
        Ok(f64::from_be_bytes(self.chunk()?))
    }

    /// A length or a count. Taken without its sign, a negative one is just more than there can be.
    #[inline]
    pub fn length(&mut self) -> Sure<usize> {
        Ok(u32::from_be_bytes(self.chunk()?) as usize)
    }

    /// The bytes of a `string` or `binary`.
    #[inline]
    pub fn string(&mut self) -> Sure<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    /// The count in front of elements that take so many bytes each, at least; no more than can be there.
    #[inline]
    pub fn count(&mut self, least: usize) -> Sure<usize> {
        let count = self.length()?;
        if count.saturating_mul(least) > self.left() { Err(Halt::Unsure) } else { Ok(count) }
    }

    /// Skips a value of any type; `depth` is the number of levels that it may have.
    pub fn skip(&mut self, kind: u8, depth: usize) -> Sure<()> {
        if let Some(width) = width(kind) {
            return self.take(width).map(drop);
        }
        if kind == kind::STRING {
            return self.string().map(drop);
        }
        let depth = depth.checked_sub(1).ok_or(Halt::Unsure)?;
        match kind {
            kind::STRUCT => loop {
                let field = self.byte()?;
                if field == kind::STOP {
                    return Ok(());
                }
                self.i16()?;
                self.skip(field, depth)?;
            },
            kind::MAP => {
                let (key, value) = (self.byte()?, self.byte()?);
                self.skip_elements(&[key, value], depth)
            }
            kind::SET | kind::LIST => {
                let element = self.byte()?;
                self.skip_elements(&[element], depth)
            }
            _ => Err(Halt::Unsure),
        }
    }

    fn skip_elements(&mut self, kinds: &[u8], depth: usize) -> Sure<()> {
        let count = self.count(kinds.iter().map(|kind| least(*kind)).sum())?;
        if count == 0 {
            return Ok(());
        }
        if kinds.iter().any(|kind| least(*kind) == 0) {
            return Err(Halt::Unsure);
        }
        if let Some(width) = kinds.iter().map(|kind| width(*kind)).sum::<Option<usize>>() {
            return self.take(count * width).map(drop);
        }
        for _ in 0..count {
            for kind in kinds {
                self.skip(*kind, depth)?;
            }
        }
        Ok(())
    }
}

/// The bytes of a value, if its type fixes them.
fn width(kind: u8) -> Option<usize> {
    match kind {
        kind::BOOL | kind::I8 => Some(1),
        kind::I16 => Some(2),
        kind::I32 => Some(4),
        kind::I64 | kind::DOUBLE => Some(8),
        _ => None,
    }
}

/// The fewest bytes of a value of this type; 0 if there is no such type.
pub fn least(kind: u8) -> usize {
    match kind {
        kind::STRING => 4,
        kind::STRUCT => 1,
        kind::MAP => 6,
        kind::SET | kind::LIST => 5,
        _ => width(kind).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skipped(kind: u8, data: &[u8]) -> Sure<usize> {
        let mut bytes = Bytes::new(data);
        bytes.skip(kind, DEPTH)?;
        Ok(data.len() - bytes.left())
    }

    #[test]
    fn skips_values_of_every_type() {
        assert_eq!(skipped(kind::I16, b"abc"), Ok(2));
        assert_eq!(skipped(kind::STRING, b"\0\0\0\x02abc"), Ok(6));
        assert_eq!(skipped(kind::STRUCT, b"\x08\0\x01abcd\x0c\0\x02\0\0z"), Ok(12));
        assert_eq!(skipped(kind::LIST, b"\x06\0\0\0\x02abcdz"), Ok(9));
        assert_eq!(skipped(kind::MAP, b"\x0b\x02\0\0\0\x01\0\0\0\x01k\x01z"), Ok(12));
        assert_eq!(skipped(kind::MAP, b"\0\0\0\0\0\0z"), Ok(6));
    }

    #[test]
    fn refuses_what_leads_beyond_the_end() {
        assert_eq!(skipped(kind::STRING, b"\0\0\0\x04abc"), Err(Halt::Unsure));
        assert_eq!(skipped(kind::STRING, b"\xff\xff\xff\xffabc"), Err(Halt::Unsure));
        assert_eq!(skipped(kind::LIST, b"\x02\x7f\xff\xff\xffabc"), Err(Halt::Unsure));
        assert_eq!(skipped(kind::LIST, b"\x01\x7f\xff\xff\xff"), Err(Halt::Unsure));
        assert_eq!(skipped(kind::MAP, b"\0\0\x7f\xff\xff\xff"), Err(Halt::Unsure));
        assert_eq!(skipped(99, b"abc"), Err(Halt::Unsure));
    }

    #[test]
    fn refuses_too_many_levels() {
        let nested = |levels: usize| [b"\x0c\0\x01".repeat(levels), vec![0; levels + 1]].concat();
        assert_eq!(skipped(kind::STRUCT, &nested(DEPTH - 1)), Ok(4 * (DEPTH - 1) + 1));
        assert_eq!(skipped(kind::STRUCT, &nested(DEPTH)), Err(Halt::Unsure));
        assert_eq!(skipped(kind::STRUCT, &nested(100_000)), Err(Halt::Unsure));
    }
}
