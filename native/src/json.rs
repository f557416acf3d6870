//! Writes JSON: texts with their escapes, numbers, base64.

use data_encoding::BASE64;

use crate::special::{first_special, is_plain};
use crate::thrift::{Halt, Sure};

/// A string; unsure if it is not UTF-8.
#[inline]
pub fn string(out: &mut Vec<u8>, bytes: &[u8]) -> Sure<()> {
    out.push(b'"');
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
    } else {
        escaped(out, bytes)?;
    }
    out.push(b'"');
    Ok(())
}

fn escaped(out: &mut Vec<u8>, bytes: &[u8]) -> Sure<()> {
    std::str::from_utf8(bytes).map_err(|_| Halt::Unsure)?;
    let mut rest = bytes;
    while let Some(at) = first_special(rest) {
        out.extend_from_slice(&rest[..at]);
        escape(out, rest[at]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    Ok(())
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let letter = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let (high, low) = (DIGITS[(byte >> 4) as usize], DIGITS[(byte & 15) as usize]);
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

/// An integer.
#[inline]
pub fn integer(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// A finite double, with the fewest digits that give it again.
pub fn double(out: &mut Vec<u8>, number: f64) {
    out.extend_from_slice(zmij::Buffer::new().format_finite(number).as_bytes());
}

/// Bytes as base64, in quotes.
pub fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + BASE64.encode_len(bytes.len()), 0);
    BASE64.encode_mut(bytes, &mut out[start..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn quoted(text: &str) -> String {
        written(|out| string(out, text.as_bytes()).unwrap())
    }

    #[test]
    fn escapes_what_json_must() {
        assert_eq!(quoted(""), r#""""#);
        assert_eq!(quoted("a\"b\\c\n\u{1}\u{7f}é\u{10ffff}"), "\"a\\\"b\\\\c\\n\\u0001\u{7f}é\u{10ffff}\"");
    }

    #[test]
    fn refuses_what_is_no_text() {
        assert_eq!(string(&mut Vec::new(), b"abcdefgh\xff"), Err(Halt::Unsure));
    }

    #[test]
    fn writes_numbers_exactly() {
        assert_eq!(written(|out| integer(out, i64::MIN)), "-9223372036854775808");
        for number in [0.0, -0.0, 0.1, 1e300, 5e-324, 1.7976931348623157e308, 123456789.25] {
            let again: f64 = written(|out| double(out, number)).parse().unwrap();
            assert_eq!(again.to_bits(), f64::to_bits(number));
        }
    }

    #[test]
    fn writes_bytes_as_base64() {
        assert_eq!(written(|out| base64(out, b"")), r#""""#);
        assert_eq!(written(|out| base64(out, b"\xff\0?")), r#""/wA/""#);
        assert_eq!(written(|out| base64(out, b"ab")), r#""YWI=""#);
    }
}
