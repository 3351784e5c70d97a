//! Sizes: polynomials with whole coefficients over named natural numbers, in normal form.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A named natural number that has no value yet: `d`, `P.m`.
pub(crate) type Atom = Arc<str>;

/// A polynomial; equal polynomials are equal values.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Size {
    /// Coefficient of every monomial, a sorted product of atoms; no coefficient is zero.
    terms: BTreeMap<Vec<Atom>, i128>,
}

impl Size {
    pub(crate) fn constant(value: i128) -> Self {
        let mut terms = BTreeMap::new();
        if value != 0 {
            terms.insert(Vec::new(), value);
        }
        Self { terms }
    }

    pub(crate) fn atom(name: impl Into<Atom>) -> Self {
        Self { terms: BTreeMap::from([(vec![name.into()], 1)]) }
    }

    /// The value, if no name is left in it.
    pub(crate) fn value(&self) -> Option<i128> {
        match self.terms.len() {
            0 => Some(0),
            1 => self.terms.get(&Vec::new()).copied(),
            _ => None,
        }
    }

    /// The sum; `None` on overflow.
    pub(crate) fn add(&self, other: &Self) -> Option<Self> {
        let mut terms = self.terms.clone();
        for (monomial, coefficient) in &other.terms {
            let entry = terms.entry(monomial.clone()).or_insert(0);
            *entry = entry.checked_add(*coefficient)?;
            if *entry == 0 {
                terms.remove(monomial);
            }
        }
        Some(Self { terms })
    }

    /// The product; `None` on overflow.
    pub(crate) fn multiply(&self, other: &Self) -> Option<Self> {
        let mut product = Self::default();
        for (a, x) in &self.terms {
            for (b, y) in &other.terms {
                let mut monomial: Vec<Atom> = a.iter().chain(b).cloned().collect();
                monomial.sort();
                let one = Self { terms: BTreeMap::from([(monomial, x.checked_mul(*y)?)]) };
                product = product.add(&one)?;
            }
        }
        Some(product)
    }

    pub(crate) fn negate(&self) -> Self {
        Self { terms: self.terms.iter().map(|(monomial, x)| (monomial.clone(), -x)).collect() }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.terms.is_empty() {
            return f.write_str("0");
        }
        // Names first, the constant last, as one writes it.
        let named = self.terms.iter().filter(|(monomial, _)| !monomial.is_empty());
        let plain = self.terms.iter().filter(|(monomial, _)| monomial.is_empty());
        for (place, (monomial, coefficient)) in named.chain(plain).enumerate() {
            let names = monomial.join("*");
            match (place, *coefficient < 0) {
                (0, false) => {}
                (0, true) => f.write_str("-")?,
                (_, false) => f.write_str(" + ")?,
                (_, true) => f.write_str(" - ")?,
            }
            match (coefficient.unsigned_abs(), monomial.is_empty()) {
                (magnitude, true) => write!(f, "{magnitude}")?,
                (1, false) => f.write_str(&names)?,
                (magnitude, false) => write!(f, "{magnitude}*{names}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_have_one_form() {
        let (d, m) = (Size::atom("d"), Size::atom("m"));
        let one = d.add(&m).and_then(|sum| sum.multiply(&d)).expect("small");
        let other = d.multiply(&d).and_then(|square| square.add(&m.multiply(&d)?)).expect("small");
        assert_eq!(one, other);
        assert_eq!(one.add(&other.negate()).and_then(|zero| zero.value()), Some(0));
        assert_eq!(d.add(&d).and_then(|twice| twice.add(&Size::constant(1))).expect("small").to_string(), "2*d + 1");
    }
}
