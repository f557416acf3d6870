//! Texts to Thrift's scalars: what path, query, form, cookie and header hold, and what JSON may have as text.

use crate::thrift::{Halt, Sure};

// Longer texts are no numbers that anybody sends.
const MOST_DIGITS: usize = 1000;

/// Reads decimal digits with an optional sign.
#[inline]
pub fn integer(text: &[u8], low: i64, high: i64) -> Sure<i64> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || text.len() > MOST_DIGITS {
        return Err(Halt::Unsure);
    }
    let mut number: i64 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(Halt::Unsure);
        }
        // Downwards, for there is one more negative number than positive ones.
        number = number.checked_mul(10).and_then(|tens| tens.checked_sub((digit - b'0').into())).ok_or(Halt::Unsure)?;
    }
    if !is_negative {
        number = number.checked_neg().ok_or(Halt::Unsure)?;
    }
    if (low..=high).contains(&number) { Ok(number) } else { Err(Halt::Unsure) }
}

/// Reads digits with an optional fraction and exponent; rarer forms are for the plain codec.
pub fn double(text: &[u8]) -> Sure<f64> {
    if text.len() > MOST_DIGITS
        || !text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
    {
        return Err(Halt::Unsure);
    }
    let number: f64 = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Halt::Unsure)?;
    if number.is_finite() { Ok(number) } else { Err(Halt::Unsure) }
}

/// Reads what Go's strconv knows.
pub fn bool(text: &[u8]) -> Sure<bool> {
    match text {
        b"1" | b"t" | b"T" | b"true" | b"True" | b"TRUE" => Ok(true),
        b"0" | b"f" | b"F" | b"false" | b"False" | b"FALSE" => Ok(false),
        _ => Err(Halt::Unsure),
    }
}

/// Without the blanks around it.
pub fn trimmed(text: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !is_blank(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
    &text[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_integers_strictly() {
        let i8 = |text: &str| integer(text.as_bytes(), -128, 127).ok();
        assert_eq!([i8("0"), i8("+7"), i8("-128"), i8("127"), i8("000127")], [0, 7, -128, 127, 127].map(Some));
        for wrong in ["", "+", "-", "128", "-129", "1.0", "1e1", "0x1", "1_0", " 1", "1 ", "٧", &"9".repeat(900)] {
            assert_eq!(i8(wrong), None, "{wrong}");
        }
        assert_eq!(integer(b"-9223372036854775808", i64::MIN, i64::MAX), Ok(i64::MIN));
        assert_eq!(integer(b"9223372036854775808", i64::MIN, i64::MAX), Err(Halt::Unsure));
    }

    #[test]
    fn reads_doubles_and_bools() {
        assert_eq!(double(b"-1.5e3"), Ok(-1500.0));
        assert_eq!(double(b".5"), Ok(0.5));
        for other in ["", ".", "e1", "1e999", "inf", "NaN", "0x1p-2", "1_0"] {
            assert_eq!(double(other.as_bytes()), Err(Halt::Unsure), "{other}");
        }
        assert_eq!((bool(b"T"), bool(b"0"), bool(b"yes")), (Ok(true), Ok(false), Err(Halt::Unsure)));
    }

    #[test]
    fn trims_blanks() {
        assert_eq!(trimmed(b" \ta b\r\n"), b"a b");
        assert_eq!((trimmed(b"  "), trimmed(b""), trimmed(b"a")), (&b""[..], &b""[..], &b"a"[..]));
    }
}
