//! Laws of a problem's state without control, where they are known: at a time, from one value, and between two.
//!
//! For dX = (A·X + c(t)) dt + S(t) dW with X(s) = x, X(t) is normal with the mean e^{A(t−s)}x + ∫ e^{A(t−r)}c(r) dr and the
//! covariance Σ(s, t) = ∫ e^{A(t−r)}S(r)S(r)ᵀe^{Aᵀ(t−r)} dr, both over r from s to t. Given X(T) = x₁ too, with Φ = e^{A(T−t)} and
//! K = Σ(s, t)Φᵀ Σ(s, T)⁻¹, its mean moves by K·(x₁ − E X(T)) and its covariance is Σ(s, t) − KΦΣ(s, t). Where A changes
//! with the time, its propagators stand for the exponentials.

use std::rc::Rc;

use super::call::Arguments;
use super::errors::{Lowered, fault};
use super::flow::{Flow, points};
use super::law::Distribution;
use super::lowerer::Lowerer;
use super::operator::Operator;
use super::problem::Problem;
use super::time::{Moment, Place};
use super::value::Value;
use crate::graph::{Binary, Law, Op, Type, Unary, ValueId};
use crate::source::Span;

/// The least pivot, as a share of a variance: above the rounding of single precision.
const FLOOR: f64 = 1e-6;

/// A normal law: the mean, and the variances of independent entries, a number or `[n]`, or a covariance, `[n, n]`.
struct Gaussian {
    mean: ValueId,
    spread: ValueId,
}

impl<'a> Lowerer<'a> {
    /// `P.marginal(t)`, `P.bridge(t, x1)`, `P.transition(s, x, t)`
    pub fn gaussian_law(
        &mut self,
        p: &Rc<Problem<'a>>,
        name: &str,
        given: &Arguments<'a>,
        span: Span,
    ) -> Lowered<Value<'a>> {
        if let Some((_, stop)) = p.structure.stop.as_ref().and_then(|terms| terms.first()) {
            return Err(fault(stop.span, format!("`{name}` is of paths that run to the end, and they stop here")));
        }
        let drawn = p.structure.states.iter().any(|state| matches!(state.initial, Some((true, _))));
        if name != "transition" && drawn {
            return Err(fault(span, format!("`{name}` is of a state that begins at one value, and `X(0)` is drawn")));
        }
        let given = self.tensors(given, span)?;
        let origin = self.b.number(p.grid.from);
        let (from, x, t) = match (name, given.as_slice()) {
            ("marginal", [t]) | ("bridge", [t, _]) => (origin, self.initial(p)?, *t),
            ("transition", [from, x, t]) => (*from, *x, *t),
            _ => return Err(fault(span, format!("`{name}` does not take {} arguments", given.len()))),
        };
        if self.b.ty(x).shape != [p.dimension] {
            let found = &self.b.ty(x).shape;
            return Err(fault(span, format!("the state has {} components, found the shape {found:?}", p.dimension)));
        }
        let flow = self.flow(p, span)?;
        let here = self.law_from(p, &flow, (from, x, t), span)?;
        let before = here.spread;
        let law = match given.as_slice() {
            [_, x1] if name == "bridge" => {
                if self.b.ty(*x1).shape != [p.dimension] {
                    let found = &self.b.ty(*x1).shape;
                    return Err(fault(span, format!("a bridge ends in a vector of {}, found {found:?}", p.dimension)));
                }
                let end = self.b.number(p.grid.to);
                let whole = self.law_from(p, &flow, (from, x, end), span)?;
                let left = self.b.sub(end, t);
                let onward = match self.onward(p, &flow, t, left)? {
                    Some((_, whole)) => whole,
                    None => self.propagator(&flow, left),
                };
                self.pinned((&here, &whole), onward, *x1)
            }
            _ => here,
        };
        Ok(Value::Law(Rc::new(if matches!(flow, Flow::Full(_) | Flow::Coupled) {
            let factor = self.triangle(law.spread, before);
            Distribution::Linear { shift: law.mean, factor: Rc::new(Operator::Dense(factor)) }
        } else {
            let scale = self.b.unary(Unary::SquareRoot, law.spread);
            Distribution::Entries { law: Law::Normal, shift: law.mean, scale }
        })))
    }

    /// A propagator times a vector, or a matrix.
    pub(super) fn propagated(&mut self, by: ValueId, x: ValueId) -> ValueId {
        match (self.b.ty(by).shape.len(), self.b.ty(x).shape.len()) {
            (2, 2) => self.b.contract(by, &[0, 1], x, &[1, 2], &[0, 2], &[]),
            (2, _) => self.b.contract(by, &[0, 1], x, &[1], &[0], &[]),
            _ => self.b.mul(by, x),
        }
    }

    /// The law at a time, from one value at an earlier one.
    fn law_from(
        &mut self,
        p: &Rc<Problem<'a>>,
        flow: &Flow,
        (from, x, t): (ValueId, ValueId, ValueId),
        span: Span,
    ) -> Lowered<Gaussian> {
        let length = self.b.sub(t, from);
        let zero = self.b.filled(0.0, Type::shaped([p.dimension]));
        let (mut spread, mut push) = (None, None);
        let varying = self.onward(p, flow, from, length)?;
        for (place, (node, weight)) in points().into_iter().enumerate() {
            let (share, rest) = (self.b.number(node), self.b.number(1.0 - node));
            let (step, rest) = (self.b.mul(share, length), self.b.mul(rest, length));
            let moment = Moment { place: Place::Free, value: self.b.add(from, step) };
            let onward = match &varying {
                Some((each, _)) => each[place],
                None => self.propagator(flow, rest),
            };
            let weight = self.b.number(weight);
            let noise = self.diffusion(p, x, None, moment)?;
            let square = match (flow, noise) {
                (Flow::Full(_) | Flow::Coupled, noise) => {
                    let noise = self.densify(&noise)?;
                    let noise = self.propagated(onward, noise);
                    self.b.contract(noise, &[0, 2], noise, &[1, 2], &[0, 1], &[])
                }
                (_, Operator::Scalar(s, _) | Operator::Diagonal(s)) => {
                    let s = self.propagated(onward, s);
                    self.b.unary(Unary::Power(2), s)
                }
                _ => return Err(fault(span, "the noise of this problem changes its form with the time")),
            };
            let part = self.b.mul(weight, square);
            spread = Some(spread.map_or(part, |total| self.b.add(total, part)));
            if !matches!(flow, Flow::None) {
                let constant = self.drift(p, zero, None, moment)?;
                let constant = self.propagated(onward, constant);
                let part = self.b.mul(weight, constant);
                push = Some(push.map_or(part, |total| self.b.add(total, part)));
            }
        }
        let onward = match varying {
            Some((_, whole)) => whole,
            None => self.propagator(flow, length),
        };
        let mut mean = self.propagated(onward, x);
        if let Some(push) = push {
            let push = self.b.mul(length, push);
            mean = self.b.add(mean, push);
        }
        let spread = self.b.mul(length, spread.expect("the rule has points"));
        Ok(Gaussian { mean, spread })
    }

    /// The law at a time, given the value at the end.
    fn pinned(&mut self, (here, whole): (&Gaussian, &Gaussian), onward: ValueId, x1: ValueId) -> Gaussian {
        let off = self.b.sub(x1, whole.mean);
        if self.b.ty(here.spread).shape.len() == 2 {
            // (KᵀΣ(s, T))ᵀ = ΦΣ(s, t).
            let reach = self.propagated(onward, here.spread);
            let gain = self.b.push(Op::Solve(whole.spread, reach));
            let way = self.b.contract(gain, &[1, 0], off, &[1], &[0], &[]);
            let known = self.b.contract(gain, &[2, 0], reach, &[2, 1], &[0, 1], &[]);
            return Gaussian { mean: self.b.add(here.mean, way), spread: self.b.sub(here.spread, known) };
        }
        let share = self.b.div(here.spread, whole.spread);
        let gain = self.b.mul(share, onward);
        let way = self.b.mul(gain, off);
        let square = self.b.unary(Unary::Power(2), onward);
        let reach = self.b.mul(square, here.spread);
        let rest = self.b.sub(whole.spread, reach);
        // At the end rounding may leave less than nothing.
        let zero = self.b.number(0.0);
        let rest = self.b.binary(Binary::Maximum, rest, zero);
        Gaussian { mean: self.b.add(here.mean, way), spread: self.b.mul(share, rest) }
    }

    /// The lower triangular L with L·Lᵀ = Σ, column by column of its elimination.
    ///
    /// Near the end a bridge is narrower than the rounding of its covariance, a difference. So a pivot is at least `FLOOR` of
    /// the variance `before` anything was taken off.
    fn triangle(&mut self, spread: ValueId, before: ValueId) -> ValueId {
        let n = self.b.ty(spread).shape[0];
        let mut left = spread;
        let mut columns = Vec::with_capacity(n);
        for k in 0..n {
            let row = self.b.push(Op::Slice { dim: 0, start: k, length: 1, of: left });
            let row = self.b.reshape(row, [n]);
            let pivot = self.b.push(Op::Slice { dim: 0, start: k, length: 1, of: row });
            let pivot = self.b.reshape(pivot, []);
            let whole = self.b.push(Op::Slice { dim: 0, start: k, length: 1, of: before });
            let whole = self.b.push(Op::Slice { dim: 1, start: k, length: 1, of: whole });
            let whole = self.b.reshape(whole, []);
            let floor = self.b.number(FLOOR);
            let least = self.b.mul(floor, whole);
            let pivot = self.b.binary(Binary::Maximum, pivot, least);
            // A direction without any noise.
            let tiny = self.b.number(f64::from(f32::MIN_POSITIVE));
            let pivot = self.b.binary(Binary::Maximum, pivot, tiny);
            let root = self.b.unary(Unary::SquareRoot, pivot);
            let column = self.b.div(row, root);
            let below = ndarray::Array1::from_shape_fn(n, |i| f64::from(i >= k));
            let below = self.b.table(below.into_dyn(), Type::shaped([n]));
            let column = self.b.mul(below, column);
            if k + 1 < n {
                let taken = self.b.contract(column, &[0], column, &[1], &[0, 1], &[]);
                left = self.b.sub(left, taken);
            }
            columns.push(self.b.reshape(column, [n, 1]));
        }
        self.b.push(Op::Concat(1, columns))
    }
}
