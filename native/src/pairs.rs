//! The texts of a request: queries, urlencoded forms, cookies and headers, taken apart for the fields that want them.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::text::trimmed;
use crate::thrift::{Halt, Sure};

/// More pairs than a query or form may have.
const TOO_MANY_PAIRS: usize = 10_000;

/// Names that are looked for, each with the number of its slot.
#[derive(Debug, Default)]
pub struct Names {
    sorted: Vec<(Box<[u8]>, usize)>,
}

impl Names {
    /// These names.
    pub fn new(mut names: Vec<(Box<[u8]>, usize)>) -> Self {
        names.sort();
        Names { sorted: names }
    }

    /// Whether nothing is looked for.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    #[inline]
    fn slot(&self, name: &[u8]) -> Option<usize> {
        let place = self.sorted.binary_search_by(|(each, _)| (**each).cmp(name)).ok()?;
        Some(self.sorted[place].1)
    }
}

/// What was found, in the order sent: a slot and a text each.
#[derive(Default)]
pub struct Texts<'a> {
    found: SmallVec<[(usize, Cow<'a, [u8]>); 8]>,
}

impl<'a> Texts<'a> {
    /// Adds one text.
    #[inline]
    pub fn add(&mut self, slot: usize, text: Cow<'a, [u8]>) {
        self.found.push((slot, text));
    }

    /// All that a slot has.
    #[inline]
    pub fn of(&self, slot: usize) -> impl Iterator<Item = &[u8]> + Clone {
        self.found.iter().filter(move |(each, _)| *each == slot).map(|(_, text)| &**text)
    }

    /// Adds what a query or urlencoded form has of these names.
    pub fn add_pairs(&mut self, text: &'a [u8], names: &Names) -> Sure<()> {
        if text.is_empty() {
            return Ok(());
        }
        for (index, pair) in text.split(|byte| *byte == b'&').enumerate() {
            if index == TOO_MANY_PAIRS {
                return Err(Halt::Unsure);
            }
            let (name, value) = parted(pair, b'=').unwrap_or((pair, b""));
            if let Some(slot) = names.slot(&decoded(name)) {
                self.add(slot, decoded(value));
            }
        }
        Ok(())
    }

    /// Adds what a cookie header has of these names; one pair of quotes is no part of a value.
    pub fn add_cookies(&mut self, text: &'a [u8], names: &Names) {
        for pair in text.split(|byte| *byte == b';') {
            if let Some((name, value)) = parted(pair, b'=')
                && let Some(slot) = names.slot(trimmed(name))
            {
                let value = trimmed(value);
                self.add(
                    slot,
                    value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value).into(),
                );
            }
        }
    }

    /// Adds a header, if it is of these names.
    #[inline]
    pub fn add_header(&mut self, name: &[u8], value: &'a [u8], names: &Names) {
        if let Some(slot) = names.slot(name) {
            self.add(slot, value.into());
        }
    }
}

/// What stands before and behind the first `mark`.
#[inline]
fn parted(text: &[u8], mark: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == mark)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Without escapes: `+` is a blank, and a broken escape stays as it is.
#[inline]
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return text.into();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        rest = behind;
        match (first, behind) {
            (b'%', [high, low, behind @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(digit(*high) << 4 | digit(*low));
                rest = behind;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(*first),
        }
    }
    out.into()
}

fn digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        _ => (byte | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Names {
        Names::new(names.iter().enumerate().map(|(slot, name)| (name.as_bytes().into(), slot)).collect())
    }

    fn texts(texts: &Texts, slot: usize) -> Vec<String> {
        texts.of(slot).map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    }

    #[test]
    fn takes_queries_apart() {
        let mut found = Texts::default();
        found.add_pairs(b"a=1&b=x+y%20z&%61=%zz&c&a=&d=1&b==&=&&a=%4", &names(&["a", "b", "c"])).unwrap();
        assert_eq!(texts(&found, 0), ["1", "%zz", "", "%4"]);
        assert_eq!(texts(&found, 1), ["x y z", "="]);
        assert_eq!(texts(&found, 2), [""]);
    }

    #[test]
    fn bounds_the_number_of_pairs() {
        let pairs = |count: usize| vec!["a=1"; count].join("&");
        let read = |text: String| Texts::default().add_pairs(text.as_bytes(), &names(&["a"]));
        assert_eq!(read(pairs(TOO_MANY_PAIRS)), Ok(()));
        assert_eq!(read(pairs(TOO_MANY_PAIRS + 1)), Err(Halt::Unsure));
    }

    #[test]
    fn takes_cookies_apart() {
        let mut found = Texts::default();
        found.add_cookies(b" a = 1; b=\"x y\" ;c;a=\";b=\"\"; d=4", &names(&["a", "b", "c"]));
        assert_eq!(texts(&found, 0), ["1", "\""]);
        assert_eq!(texts(&found, 1), ["x y", ""]);
        assert_eq!(texts(&found, 2), Vec::<String>::new());
    }
}
