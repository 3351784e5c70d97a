//! Laws of a problem's state without control, where they are known: at a time, from one value, and between two.
//!
//! For dX = (A·X + c(t)) dt + S(t) dW with X(s) = x, X(t) is normal with the mean e^{A(t−s)}x + ∫ e^{A(t−r)}c(r) dr and the
//! covariance Σ(s, t) = ∫ e^{A(t−r)}S(r)S(r)ᵀe^{Aᵀ(t−r)} dr, both over r from s to t. Given X(T) = x₁ too, with Φ = e^{A(T−t)} and
//! K = Σ(s, t)Φᵀ Σ(s, T)⁻¹, its mean moves by K·(x₁ − E X(T)) and its covariance is Σ(s, t) − KΦΣ(s, t). Where A is a diagonal
//! that changes with the time, ∫ A stands for A(t−r).

use std::rc::Rc;

use super::call::Arguments;
use super::errors::{Lowered, explained, fault};
use super::known::entries;
use super::law::Distribution;
use super::lowerer::Lowerer;
use super::operator::Operator;
use super::problem::Problem;
use super::time::{Moment, Place};
use super::value::Value;
use crate::graph::{Binary, Law, Op, Type, Unary, ValueId};
use crate::source::Span;
use crate::typed::Predicate;

/// Nodes and weights of the Gauss–Legendre rule with 16 points on (−1, 1), one of each pair.
const RULE: [(f64, f64); 8] = [
    (0.095_012_509_837_637_44, 0.189_450_610_455_068_5),
    (0.281_603_550_779_258_9, 0.182_603_415_044_923_6),
    (0.458_016_777_657_227_4, 0.169_156_519_395_002_54),
    (0.617_876_244_402_643_7, 0.149_595_988_816_576_73),
    (0.755_404_408_355_003, 0.124_628_971_255_533_87),
    (0.865_631_202_387_831_7, 0.095_158_511_682_492_78),
    (0.944_575_023_073_232_6, 0.062_253_523_938_647_89),
    (0.989_400_934_991_649_9, 0.027_152_459_411_754_095),
];

/// States beyond which a full covariance is not worked out.
const MOST_STATES: usize = 64;

/// The least pivot, as a share of a variance: above the rounding of single precision.
const FLOOR: f64 = 1e-6;

/// A, as far as it is known.
enum Flow {
    /// Zero, and c too.
    None,
    /// A diagonal, `[n]`; so is S.
    Diagonal(ValueId),
    /// A diagonal that changes with the time; S is diagonal.
    Varying,
    /// `[n, n]`
    Full(ValueId),
}

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
                let onward = match flow {
                    Flow::Varying => self.onward(p, t, left)?.1,
                    _ => self.propagator(&flow, left),
                };
                self.pinned((&here, &whole), onward, *x1)
            }
            _ => here,
        };
        Ok(Value::Law(Rc::new(if matches!(flow, Flow::Full(_)) {
            let factor = self.triangle(law.spread, before);
            Distribution::Linear { shift: law.mean, factor: Rc::new(Operator::Dense(factor)) }
        } else {
            let scale = self.b.unary(Unary::SquareRoot, law.spread);
            Distribution::Entries { law: Law::Normal, shift: law.mean, scale }
        })))
    }

    /// A, the derivative of the drift, at two times.
    fn flow(&mut self, p: &Rc<Problem<'a>>, span: Span) -> Lowered<Flow> {
        let n = p.dimension;
        let free = |value| Moment { place: Place::Free, value };
        let at = [0.0, 0.377].map(|share| p.grid.from + share * (p.grid.to - p.grid.from));
        let at = at.map(|t| self.b.number(t)).map(free);
        let x = self.initial(p)?;
        let diagonal = matches!(self.diffusion(p, x, None, at[0])?, Operator::Scalar(..) | Operator::Diagonal(_));
        if p.structure.facts.iter().any(|fact| fact.predicate == Predicate::Driftless && fact.holds) && diagonal {
            return Ok(Flow::None);
        }
        if n > MOST_STATES {
            let why = format!("this law is worked out for up to {MOST_STATES} states, and there are {n}");
            return Err(fault(span, why));
        }
        let mut both = Vec::with_capacity(2);
        for moment in at {
            let zero = self.b.filled(0.0, Type::shaped([n]));
            let point = self.mark(zero);
            let drift = self.drift(p, point, None, moment)?;
            both.push(self.jacobian_of(drift, point));
        }
        let known = both.iter().map(|matrix| entries(&self.b, *matrix)).collect::<Option<Vec<_>>>();
        let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-12 * a.abs().max(b.abs());
        let constant = match &known {
            Some(known) => known[0].iter().zip(&known[1]).all(close),
            None => both[0] == both[1],
        };
        let apart = |k: usize| known.as_ref().is_some_and(|known| known.iter().all(|a| a[k] == 0.0));
        if !constant && diagonal && (0..n * n).all(|k| k / n == k % n || apart(k)) {
            return Ok(Flow::Varying);
        }
        if !constant {
            let term = p.structure.states.iter().flat_map(|state| &state.drift).next();
            let at = term.map_or(span, |(_, term)| term.span);
            let what =
                "what stands before the state in the drift depends on the time, or is not known to be free of it";
            let help = "the law of the state is known where that matrix is constant, or it and the noise are diagonal";
            return Err(explained(at, what, "this drift", help));
        }
        let entry = |k: usize| known.as_ref().map(|known| known[0][k]);
        if diagonal && (0..n * n).all(|k| k / n == k % n || entry(k) == Some(0.0)) {
            let rates = ndarray::Array1::from_shape_fn(n, |j| entry(j * n + j).unwrap_or(0.0));
            return Ok(Flow::Diagonal(self.b.table(rates.into_dyn(), Type::shaped([n]))));
        }
        Ok(Flow::Full(both[0]))
    }

    /// e^{A·τ}: a number, `[n]` or `[n, n]`.
    fn propagator(&mut self, flow: &Flow, length: ValueId) -> ValueId {
        match flow {
            Flow::None => self.b.number(1.0),
            Flow::Diagonal(rates) => {
                let way = self.b.mul(length, *rates);
                self.b.unary(Unary::Exp, way)
            }
            Flow::Full(a) => {
                let way = self.b.mul(length, *a);
                self.b.push(Op::Expm(way))
            }
            Flow::Varying => unreachable!("it depends on more than a length"),
        }
    }

    /// e^{∫ A} of a diagonal A that changes with the time: from every point of the rule on a length of time to its end, and
    /// over all of it.
    fn onward(&mut self, p: &Rc<Problem<'a>>, from: ValueId, length: ValueId) -> Lowered<(Vec<ValueId>, ValueId)> {
        let n = p.dimension;
        let zero = self.b.filled(0.0, Type::shaped([n]));
        let one = self.b.filled(1.0, Type::shaped([n]));
        let mut rates = Vec::with_capacity(points().len());
        for (node, _) in points() {
            let share = self.b.number(node);
            let step = self.b.mul(share, length);
            let moment = Moment { place: Place::Free, value: self.b.add(from, step) };
            let (constant, with) = (self.drift(p, zero, None, moment)?, self.drift(p, one, None, moment)?);
            let rate = self.b.sub(with, constant);
            rates.push(self.b.reshape(rate, [1, n]));
        }
        let rates = self.b.push(Op::Concat(0, rates));
        let weights = weights_to_the_end();
        let rows = weights.len();
        let table = ndarray::Array2::from_shape_fn((rows, rows - 1), |(i, j)| weights[i][j]);
        let table = self.b.table(table.into_dyn(), Type::shaped([rows, rows - 1]));
        let sums = self.b.contract(table, &[0, 1], rates, &[1, 2], &[0, 2], &[]);
        let way = self.b.mul(length, sums);
        let grown = self.b.unary(Unary::Exp, way);
        let mut each: Vec<ValueId> = (0..rows)
            .map(|i| {
                let row = self.b.push(Op::Slice { dim: 0, start: i, length: 1, of: grown });
                self.b.reshape(row, [n])
            })
            .collect();
        let whole = each.pop().expect("the last row is that of all");
        Ok((each, whole))
    }

    /// A propagator times a vector, or a matrix.
    fn propagated(&mut self, by: ValueId, x: ValueId) -> ValueId {
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
        let varying = match flow {
            Flow::Varying => Some(self.onward(p, from, length)?),
            _ => None,
        };
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
                (Flow::Full(_), noise) => {
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

/// Points and weights of the rule on (0, 1).
fn points() -> [(f64, f64); 16] {
    std::array::from_fn(|k| {
        let (x, w) = RULE[k / 2];
        (0.5 * if k % 2 == 0 { 1.0 - x } else { 1.0 + x }, 0.5 * w)
    })
}

/// Row i: weights with which values at the points sum to the integral of the polynomial through them from point i to 1; the
/// last row is that of the integral from 0.
fn weights_to_the_end() -> [[f64; 16]; 17] {
    let points = points();
    let polynomial = |j: usize, x: f64| -> f64 {
        let others = (0..16).filter(|k| *k != j);
        others.map(|k| (x - points[k].0) / (points[j].0 - points[k].0)).product()
    };
    std::array::from_fn(|i| {
        let from = points.get(i).map_or(0.0, |point| point.0);
        std::array::from_fn(|j| {
            points.iter().map(|(x, w)| w * (1.0 - from) * polynomial(j, from + (1.0 - from) * x)).sum()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{RULE, points, weights_to_the_end};

    #[test]
    fn weights_to_the_end_are_exact_for_powers_up_to_15() {
        for (i, row) in weights_to_the_end().iter().enumerate() {
            let from = points().get(i).map_or(0.0, |point| point.0);
            for n in 0..16 {
                let sum: f64 = row.iter().zip(points()).map(|(w, (x, _))| w * x.powi(n)).sum();
                let exact = (1.0 - from.powi(n + 1)) / f64::from(n + 1);
                assert!((sum - exact).abs() < 1e-13, "x^{n} from {from}: {sum}, exact {exact}");
            }
        }
    }

    #[test]
    fn the_rule_is_exact_for_powers_up_to_31() {
        for n in 0..16 {
            let sum: f64 = RULE.iter().map(|(x, w)| 2.0 * w * x.powi(2 * n)).sum();
            let exact = 2.0 / f64::from(2 * n + 1);
            assert!((sum - exact).abs() < 1e-15, "x^{}: {sum}, exact {exact}", 2 * n);
        }
    }
}
