//! Values for whoever wants some beside the output: the gateway's rules, mostly.

use crate::thrift::Sure;

/// Makes values in another language's terms.
///
/// The conversions are written once, over any host: with [`Nobody`] the values are nothing, and cost nothing.
pub trait Host {
    /// What it makes.
    type Value;

    /// Whether it makes anything.
    const WANTS: bool;

    /// A bool.
    fn bool(&self, value: bool) -> Self::Value;
    /// An integer.
    fn integer(&self, value: i64) -> Self::Value;
    /// A double.
    fn double(&self, value: f64) -> Self::Value;
    /// A string; bytes, if it is not UTF-8.
    fn string(&self, value: &[u8]) -> Self::Value;
    /// Bytes.
    fn octets(&self, value: &[u8]) -> Self::Value;
    /// A list or set.
    fn list(&self, items: Vec<Self::Value>) -> Sure<Self::Value>;
    /// A map, in which a later entry replaces an earlier one with the same key.
    fn map(&self, entries: Vec<(Self::Value, Self::Value)>) -> Sure<Self::Value>;
    /// A struct: those of its fields that are wanted, at their places.
    fn record(&self, fields: Vec<Option<Self::Value>>) -> Sure<Self::Value>;
}

/// Wants no values.
pub struct Nobody;

impl Host for Nobody {
    type Value = ();

    const WANTS: bool = false;

    #[inline]
    fn bool(&self, _: bool) {}
    #[inline]
    fn integer(&self, _: i64) {}
    #[inline]
    fn double(&self, _: f64) {}
    #[inline]
    fn string(&self, _: &[u8]) {}
    #[inline]
    fn octets(&self, _: &[u8]) {}
    #[inline]
    fn list(&self, _: Vec<()>) -> Sure<()> {
        Ok(())
    }
    #[inline]
    fn map(&self, _: Vec<((), ())>) -> Sure<()> {
        Ok(())
    }
    #[inline]
    fn record(&self, _: Vec<Option<()>>) -> Sure<()> {
        Ok(())
    }
}
