//! Matrices with entries on the diagonal and beside it: applied and solved for without being built.

use std::rc::Rc;

use super::lowerer::Lowerer;
use super::operator::Operator;
use crate::graph::{Op, Type, Unary, ValueId};

/// A tridiagonal matrix. `below: [n - 1]`, `on: [n]`, `above: [n - 1]`.
#[derive(Clone, Copy, Debug)]
pub struct Bands {
    /// Entries (i + 1, i).
    pub below: ValueId,
    /// Entries (i, i).
    pub on: ValueId,
    /// Entries (i, i + 1).
    pub above: ValueId,
}

impl Bands {
    /// The transpose.
    pub fn transposed(self) -> Self {
        Self { below: self.above, on: self.on, above: self.below }
    }
}

/// The number of diagonals above and below the main one that may hold entries, where that is 0 or 1 by form.
fn width(a: &Operator<'_>) -> Option<usize> {
    match a {
        Operator::Scalar(..) | Operator::Diagonal(_) => Some(0),
        Operator::Zero(r, c) => (r == c).then_some(0),
        Operator::Tridiagonal(_) => Some(1),
        Operator::Scaled(_, x) | Operator::Transpose(x) => width(x),
        Operator::Sum(x, y) => Some(width(x)?.max(width(y)?)),
        Operator::Product(x, y) => Some(width(x)? + width(y)?).filter(|sum| *sum < 2),
        Operator::Dense(_) | Operator::Inverse(_) | Operator::Stack(_) | Operator::Jacobian(_) => None,
    }
}

/// Whether a matrix is tridiagonal by form, and no diagonal one.
pub fn is_tridiagonal(a: &Operator<'_>) -> bool {
    width(a) == Some(1)
}

impl<'a> Lowerer<'a> {
    /// The entries of a matrix that is tridiagonal, or diagonal, by form.
    pub fn bands(&mut self, a: &Operator<'a>) -> Bands {
        let n = self.extent(a).0;
        let none = self.b.filled(0.0, Type::shaped([n - 1]));
        match a {
            Operator::Tridiagonal(bands) => *bands,
            Operator::Scalar(c, _) => {
                let ones = self.b.filled(1.0, Type::shaped([n]));
                Bands { below: none, on: self.b.mul(*c, ones), above: none }
            }
            Operator::Diagonal(d) => Bands { below: none, on: *d, above: none },
            Operator::Scaled(c, x) => {
                let x = self.bands(x);
                self.each(x, |l, v| l.b.mul(*c, v))
            }
            Operator::Transpose(x) => self.bands(x).transposed(),
            Operator::Sum(x, y) => {
                let (x, y) = (self.bands(x), self.bands(y));
                Bands {
                    below: self.b.add(x.below, y.below),
                    on: self.b.add(x.on, y.on),
                    above: self.b.add(x.above, y.above),
                }
            }
            Operator::Product(x, y) => self.bands_of_product(x, y, n),
            Operator::Zero(..)
            | Operator::Dense(_)
            | Operator::Inverse(_)
            | Operator::Stack(_)
            | Operator::Jacobian(_) => Bands { below: none, on: self.b.filled(0.0, Type::shaped([n])), above: none },
        }
    }

    /// One of the factors is diagonal: it scales rows from the left, columns from the right.
    fn bands_of_product(&mut self, x: &Rc<Operator<'a>>, y: &Rc<Operator<'a>>, n: usize) -> Bands {
        let rows = width(x) == Some(0);
        let (x, y) = (self.bands(x), self.bands(y));
        let (scale, of) = if rows { (x.on, y) } else { (y.on, x) };
        let first = self.part(scale, 0, n - 1);
        let last = self.part(scale, 1, n - 1);
        let (below, above) = if rows { (last, first) } else { (first, last) };
        Bands { below: self.b.mul(below, of.below), on: self.b.mul(scale, of.on), above: self.b.mul(above, of.above) }
    }

    fn each(&mut self, bands: Bands, mut f: impl FnMut(&mut Self, ValueId) -> ValueId) -> Bands {
        Bands { below: f(self, bands.below), on: f(self, bands.on), above: f(self, bands.above) }
    }

    fn part(&mut self, of: ValueId, start: usize, length: usize) -> ValueId {
        self.b.push(Op::Slice { dim: 0, start, length, of })
    }

    /// The entries moved up by so many places, or down; zeros where they come from beyond an end.
    fn shifted(&mut self, v: ValueId, by: usize, down: bool) -> ValueId {
        let length = self.b.ty(v).shape[0] - by;
        let part = self.part(v, if down { 0 } else { by }, length);
        let (before, after) = if down { (by, 0) } else { (0, by) };
        self.b.push(Op::Pad { dim: 0, before, after, of: part })
    }

    /// A·v for a vector or the columns of a matrix.
    pub fn apply_bands(&mut self, a: Bands, v: ValueId) -> ValueId {
        let n = self.b.ty(v).shape[0];
        let on = self.scale_rows(a.on, v);
        let first = self.part(v, 0, n - 1);
        let lower = self.scale_rows(a.below, first);
        let lower = self.b.push(Op::Pad { dim: 0, before: 1, after: 0, of: lower });
        let last = self.part(v, 1, n - 1);
        let upper = self.scale_rows(a.above, last);
        let upper = self.b.push(Op::Pad { dim: 0, before: 0, after: 1, of: upper });
        let sum = self.b.add(on, lower);
        self.b.add(sum, upper)
    }

    /// A⁻¹·v by cyclic reduction: each round eliminates the neighbours of every row, so that those twice as far away are its
    /// neighbours then. Rows are not exchanged, as in elimination without pivots.
    /// Source: Hockney and Jesshope, Parallel Computers, 1981: parallel cyclic reduction.
    pub fn solve_bands(&mut self, a: Bands, v: ValueId) -> ValueId {
        let n = self.b.ty(v).shape[0];
        let mut scale = self.b.unary(Unary::Reciprocal, a.on);
        let below = self.b.push(Op::Pad { dim: 0, before: 1, after: 0, of: a.below });
        let above = self.b.push(Op::Pad { dim: 0, before: 0, after: 1, of: a.above });
        // Row i reads x[i] + lower[i]·x[i - by] + upper[i]·x[i + by] = right[i].
        let mut lower = self.b.mul(scale, below);
        let mut upper = self.b.mul(scale, above);
        let mut right = self.scale_rows(scale, v);
        let mut by = 1;
        while by < n {
            let [lower_before, upper_before, right_before] = [lower, upper, right].map(|v| self.shifted(v, by, true));
            let [lower_after, upper_after, right_after] = [lower, upper, right].map(|v| self.shifted(v, by, false));
            let through_lower = self.b.mul(lower, upper_before);
            let through_upper = self.b.mul(upper, lower_after);
            let both = self.b.add(through_lower, through_upper);
            let one = self.b.number(1.0);
            let rest = self.b.sub(one, both);
            scale = self.b.unary(Unary::Reciprocal, rest);
            let from_before = self.scale_rows(lower, right_before);
            let from_after = self.scale_rows(upper, right_after);
            right = self.b.sub(right, from_before);
            right = self.b.sub(right, from_after);
            right = self.scale_rows(scale, right);
            let minus = self.b.neg(scale);
            lower = self.b.mul(lower, lower_before);
            lower = self.b.mul(minus, lower);
            upper = self.b.mul(upper, upper_after);
            upper = self.b.mul(minus, upper);
            by *= 2;
        }
        right
    }
}
