//! Matrices that are applied before they are built.
//!
//! A product with a vector is carried out from the right, so a Jacobian becomes one jvp or vjp, a multiple of the
//! identity a scaling, and no matrix per path is made where only its action is used.

use std::rc::Rc;

use super::calculus::Tangent;
use super::errors::Lowered;
use super::lowerer::Lowerer;
use super::tridiagonal::{Bands, is_tridiagonal};
use crate::graph::{Op, ValueId};

/// A matrix.
#[derive(Clone)]
pub enum Operator<'a> {
    /// An array `[r, c]`.
    Dense(ValueId),
    /// A multiple of the identity.
    Scalar(ValueId, usize),
    /// A diagonal `[n]`.
    Diagonal(ValueId),
    /// Entries on the diagonal and beside it.
    Tridiagonal(Bands),
    /// Zero, `[r, c]`.
    Zero(usize, usize),
    /// A + B
    Sum(Rc<Operator<'a>>, Rc<Operator<'a>>),
    /// A·B
    Product(Rc<Operator<'a>>, Rc<Operator<'a>>),
    /// c·A
    Scaled(ValueId, Rc<Operator<'a>>),
    /// Aᵀ
    Transpose(Rc<Operator<'a>>),
    /// A⁻¹
    Inverse(Rc<Operator<'a>>),
    /// One above the other.
    Stack(Vec<Rc<Operator<'a>>>),
    /// A Jacobian at a point.
    Jacobian(Rc<Tangent<'a>>),
}

impl Operator<'_> {
    /// Aᵀ
    pub fn transposed(self) -> Self {
        match self {
            Self::Scalar(..) | Self::Diagonal(_) => self,
            Self::Tridiagonal(bands) => Self::Tridiagonal(bands.transposed()),
            Self::Zero(r, c) => Self::Zero(c, r),
            Self::Transpose(a) => (*a).clone(),
            Self::Scaled(c, a) => Self::Scaled(c, Rc::new((*a).clone().transposed())),
            Self::Product(a, b) => {
                Self::Product(Rc::new((*b).clone().transposed()), Rc::new((*a).clone().transposed()))
            }
            Self::Sum(a, b) => Self::Sum(Rc::new((*a).clone().transposed()), Rc::new((*b).clone().transposed())),
            Self::Inverse(a) => Self::Inverse(Rc::new((*a).clone().transposed())),
            other => Self::Transpose(Rc::new(other)),
        }
    }
}

impl<'a> Lowerer<'a> {
    /// Rows and columns.
    pub fn extent(&self, a: &Operator<'a>) -> (usize, usize) {
        match a {
            Operator::Dense(v) => {
                let s = &self.b.ty(*v).shape;
                (s[0], s[1])
            }
            Operator::Scalar(_, n) => (*n, *n),
            Operator::Diagonal(v) => {
                let n = self.b.ty(*v).shape[0];
                (n, n)
            }
            Operator::Tridiagonal(bands) => {
                let n = self.b.ty(bands.on).shape[0];
                (n, n)
            }
            Operator::Zero(r, c) => (*r, *c),
            Operator::Sum(a, _) | Operator::Scaled(_, a) => self.extent(a),
            Operator::Product(a, b) => (self.extent(a).0, self.extent(b).1),
            Operator::Transpose(a) | Operator::Inverse(a) => {
                let (r, c) = self.extent(a);
                (c, r)
            }
            Operator::Stack(parts) => (parts.iter().map(|p| self.extent(p).0).sum(), self.extent(&parts[0]).1),
            Operator::Jacobian(t) => (self.b.ty(t.output).shape[0], self.b.ty(t.input).shape[0]),
        }
    }

    /// Whether the matrix is cheap to build: made of arrays that do not vary over samples.
    pub(super) fn sample_free(&self, a: &Operator<'a>) -> bool {
        let free = |v: ValueId| self.sample.is_none_or(|s| !self.b.ty(v).varies(s));
        match a {
            Operator::Dense(v) | Operator::Scalar(v, _) | Operator::Diagonal(v) => free(*v),
            Operator::Tridiagonal(bands) => [bands.below, bands.on, bands.above].into_iter().all(free),
            Operator::Zero(..) => true,
            Operator::Sum(a, b) | Operator::Product(a, b) => self.sample_free(a) && self.sample_free(b),
            Operator::Scaled(c, a) => free(*c) && self.sample_free(a),
            Operator::Transpose(a) | Operator::Inverse(a) => self.sample_free(a),
            Operator::Stack(parts) => parts.iter().all(|p| self.sample_free(p)),
            Operator::Jacobian(_) => false,
        }
    }

    fn is_diagonal(a: &Operator<'a>) -> bool {
        match a {
            Operator::Scalar(..) | Operator::Diagonal(_) => true,
            Operator::Dense(_)
            | Operator::Tridiagonal(_)
            | Operator::Zero(..)
            | Operator::Stack(_)
            | Operator::Jacobian(_) => false,
            Operator::Sum(a, b) | Operator::Product(a, b) => Self::is_diagonal(a) && Self::is_diagonal(b),
            Operator::Scaled(_, a) | Operator::Transpose(a) | Operator::Inverse(a) => Self::is_diagonal(a),
        }
    }

    /// A·v for a vector, `[r]`; for an array `[c, m]`, `[r, m]`.
    pub fn apply(&mut self, a: &Operator<'a>, v: ValueId) -> Lowered<ValueId> {
        match a {
            Operator::Dense(m) => Ok(self.multiply_dense(*m, v, false)),
            Operator::Scalar(c, _) => Ok(self.b.mul(*c, v)),
            Operator::Diagonal(d) => Ok(self.scale_rows(*d, v)),
            Operator::Tridiagonal(bands) => Ok(self.apply_bands(*bands, v)),
            Operator::Zero(r, _) => {
                let mut ty = self.b.ty(v).clone();
                ty.shape[0] = *r;
                Ok(self.b.filled(0.0, ty))
            }
            Operator::Sum(x, y) => {
                if is_tridiagonal(a) {
                    let bands = self.bands(a);
                    return Ok(self.apply_bands(bands, v));
                }
                if self.sample_free(a) && !Self::is_diagonal(a) {
                    let m = self.densify(a)?;
                    return Ok(self.multiply_dense(m, v, false));
                }
                let p = self.apply(x, v)?;
                let q = self.apply(y, v)?;
                Ok(self.b.add(p, q))
            }
            Operator::Product(x, y) => {
                let p = self.apply(y, v)?;
                self.apply(x, p)
            }
            Operator::Scaled(c, x) => {
                let p = self.apply(x, v)?;
                Ok(self.b.mul(*c, p))
            }
            Operator::Transpose(x) => match &**x {
                Operator::Dense(m) => Ok(self.multiply_dense(*m, v, true)),
                Operator::Stack(parts) => {
                    let mut total = None;
                    let mut start = 0;
                    for part in parts {
                        let length = self.extent(part).0;
                        let piece = self.b.push(Op::Slice { dim: 0, start, length, of: v });
                        start += length;
                        let t = (**part).clone().transposed();
                        let p = self.apply(&t, piece)?;
                        total = Some(match total {
                            None => p,
                            Some(q) => self.b.add(q, p),
                        });
                    }
                    Ok(total.expect("a stack has parts"))
                }
                Operator::Jacobian(t) => {
                    let t = t.clone();
                    self.pull_back(&t, v)
                }
                other => {
                    let t = other.clone().transposed();
                    self.apply(&t, v)
                }
            },
            Operator::Inverse(x) => self.apply_inverse(x, v),
            Operator::Stack(parts) => {
                let mut rows = Vec::with_capacity(parts.len());
                for part in parts {
                    rows.push(self.apply(part, v)?);
                }
                Ok(self.b.push(Op::Concat(0, rows)))
            }
            Operator::Jacobian(t) => {
                let t = t.clone();
                self.push_forward(&t, v)
            }
        }
    }

    fn apply_inverse(&mut self, a: &Operator<'a>, v: ValueId) -> Lowered<ValueId> {
        match a {
            Operator::Scalar(c, _) => Ok(self.b.div(v, *c)),
            Operator::Diagonal(d) => {
                let r = self.b.unary(crate::graph::Unary::Reciprocal, *d);
                Ok(self.scale_rows(r, v))
            }
            Operator::Scaled(c, x) => {
                let p = self.apply_inverse(x, v)?;
                Ok(self.b.div(p, *c))
            }
            Operator::Inverse(x) => self.apply(x, v),
            other if is_tridiagonal(other) => {
                let bands = self.bands(other);
                Ok(self.solve_bands(bands, v))
            }
            other => {
                let m = self.densify(other)?;
                if self.sample_free(other) {
                    let inverse = self.b.push(Op::Inverse(m));
                    Ok(self.multiply_dense(inverse, v, false))
                } else {
                    Ok(self.b.push(Op::Solve(m, v)))
                }
            }
        }
    }

    /// diag(d)·v for a vector or the columns of a matrix.
    pub fn scale_rows(&mut self, d: ValueId, v: ValueId) -> ValueId {
        if self.b.ty(v).shape.len() == 1 {
            self.b.mul(d, v)
        } else {
            self.b.contract(d, &[0], v, &[0, 1], &[0, 1], &[])
        }
    }

    fn multiply_dense(&mut self, m: ValueId, v: ValueId, transposed: bool) -> ValueId {
        let labels = if transposed { [1, 0] } else { [0, 1] };
        if self.b.ty(v).shape.len() == 1 {
            self.b.contract(m, &labels, v, &[1], &[0], &[])
        } else {
            self.b.contract(m, &labels, v, &[1, 2], &[0, 2], &[])
        }
    }

    /// The matrix as an array.
    pub fn densify(&mut self, a: &Operator<'a>) -> Lowered<ValueId> {
        match a {
            Operator::Dense(m) => Ok(*m),
            Operator::Scalar(c, n) => {
                let eye = self.b.push(Op::Eye(*n));
                Ok(self.b.mul(*c, eye))
            }
            Operator::Diagonal(d) => {
                let n = self.b.ty(*d).shape[0];
                let eye = self.b.push(Op::Eye(n));
                Ok(self.b.contract(*d, &[0], eye, &[0, 1], &[0, 1], &[]))
            }
            Operator::Tridiagonal(bands) => {
                let n = self.extent(a).0;
                let eye = self.b.push(Op::Eye(n));
                Ok(self.apply_bands(*bands, eye))
            }
            Operator::Zero(r, c) => Ok(self.b.filled(0.0, crate::graph::Type::shaped([*r, *c]))),
            Operator::Sum(x, y) => {
                let p = self.densify(x)?;
                let q = self.densify(y)?;
                Ok(self.b.add(p, q))
            }
            Operator::Product(x, y) => {
                let q = self.densify(y)?;
                self.apply(x, q)
            }
            Operator::Scaled(c, x) => {
                let p = self.densify(x)?;
                Ok(self.b.mul(*c, p))
            }
            Operator::Transpose(x) => {
                let p = self.densify(x)?;
                Ok(self.b.push(Op::Transpose(vec![1, 0], p)))
            }
            Operator::Inverse(x) => {
                let n = self.extent(x).0;
                let eye = self.b.push(Op::Eye(n));
                self.apply_inverse(x, eye)
            }
            Operator::Stack(parts) => {
                let mut rows = Vec::with_capacity(parts.len());
                for part in parts {
                    rows.push(self.densify(part)?);
                }
                Ok(self.b.push(Op::Concat(0, rows)))
            }
            Operator::Jacobian(t) => {
                let t = t.clone();
                Ok(self.jacobian_rows(&t))
            }
        }
    }
}
