//! Writes JSON: texts with their escapes, numbers, base64.

use data_encoding::BASE64;

/// For each byte of a text how it is written: 0 as it is, `u` as `\u00XX`, or the letter behind the backslash.
static ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = b'u';
        byte += 1;
    }
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0a] = b'n';
    table[0x0c] = b'f';
    table[0x0d] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

/// A string.
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut start = 0;
    while let Some(at) = next_escape(bytes, start) {
        out.extend_from_slice(&bytes[start..at]);
        escape(out, bytes[at]);
        start = at + 1;
    }
    out.extend_from_slice(&bytes[start..]);
    out.push(b'"');
}

#[inline]
fn next_escape(bytes: &[u8], start: usize) -> Option<usize> {
    bytes[start..].iter().position(|byte| ESCAPES[*byte as usize] != 0).map(|at| start + at)
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    match ESCAPES[byte as usize] {
        b'u' => {
            let (high, low) = (DIGITS[(byte >> 4) as usize], DIGITS[(byte & 15) as usize]);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
        letter => out.extend_from_slice(&[b'\\', letter]),
    }
}

/// An integer.
#[inline]
pub fn integer(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// A finite double, with the fewest digits that give it again.
pub fn double(out: &mut Vec<u8>, number: f64) {
    out.extend_from_slice(ryu::Buffer::new().format_finite(number).as_bytes());
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

    #[test]
    fn escapes_what_json_must() {
        assert_eq!(written(|out| string(out, "")), r#""""#);
        assert_eq!(written(|out| string(out, "a\"b\\c\n\u{1}\u{7f}é\u{10ffff}")), "\"a\\\"b\\\\c\\n\\u0001\u{7f}é\u{10ffff}\"");
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
