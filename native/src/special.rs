//! Finds the bytes that do not stand for themselves in a JSON string: quotes, backslashes, control characters.
//!
//! Eight bytes at a time, for strings are most of what is read and written.

const ONES: u64 = u64::from_le_bytes([1; 8]);
const TOPS: u64 = ONES << 7;

/// The place of the first such byte.
#[inline(always)]
pub fn first_special(bytes: &[u8]) -> Option<usize> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    for (at, chunk) in chunks.iter().enumerate() {
        let found = specials(u64::from_le_bytes(*chunk));
        if found != 0 {
            return Some(8 * at + found.trailing_zeros() as usize / 8);
        }
    }
    let place = rest.iter().position(|byte| is_special(*byte))?;
    Some(8 * chunks.len() + place)
}

/// Whether the bytes are ASCII, and none of them is special.
#[inline(always)]
pub fn is_plain(bytes: &[u8]) -> bool {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let is_odd = |eight: u64| (specials(eight) | eight & TOPS) != 0;
    !chunks.iter().any(|chunk| is_odd(u64::from_le_bytes(*chunk)))
        && !rest.iter().any(|byte| !byte.is_ascii() || is_special(*byte))
}

#[inline(always)]
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// The top bits of the special bytes among eight; those behind the first may be wrong.
///
/// A byte is below `n` if to take `n` from it sets its top bit, which was not set. The borrow may spoil the next byte.
#[inline(always)]
fn specials(eight: u64) -> u64 {
    let below = |each: u64, n: u64| each.wrapping_sub(ONES * n) & !each;
    let quotes = below(eight ^ (ONES * b'"' as u64), 1);
    let backslashes = below(eight ^ (ONES * b'\\' as u64), 1);
    (below(eight, 0x20) | quotes | backslashes) & TOPS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_byte_at_each_place() {
        for length in 0..20 {
            for place in 0..length {
                for byte in 0..=255u8 {
                    let mut text = vec![b'x'; length];
                    text[place] = byte;
                    assert_eq!(
                        first_special(&text),
                        is_special(byte).then_some(place),
                        "{byte} at {place} of {length}"
                    );
                    assert_eq!(is_plain(&text), byte.is_ascii() && !is_special(byte), "{byte} at {place} of {length}");
                }
            }
        }
    }

    #[test]
    fn finds_the_first_of_several() {
        let mut seed = 1u32;
        for _ in 0..100_000 {
            let text: Vec<u8> = (0..17)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    [b'a', 0x7f, 0x80, 0xff, 0x20, 0x21, b'"', 0x00][(seed >> 16) as usize % 8]
                })
                .collect();
            assert_eq!(first_special(&text), text.iter().position(|byte| is_special(*byte)));
        }
    }
}
