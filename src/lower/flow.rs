//! The drift of a linear problem: its matrix A, and what carries a state from one time to another.
//!
//! The propagator Φ(t, s) solves ∂Φ/∂t = A(t)Φ with Φ(s, s) = I. It is e^{A(t−s)} where A is constant and e^{∫ A} where A is a
//! diagonal. Where an A that changes with the time couples states, the length s to t is cut at the points of the rule, and over each of
//! the 17 parts the propagator is e^Ω with a sum Ω of sixth order in the length h of the part: with A₁, A₂, A₃ the matrix at the
//! points ½ − √15/10, ½, ½ + √15/10 of the part, α₁ = hA₂, α₂ = (√15/3)h(A₃ − A₁), α₃ = (10/3)h(A₃ − 2A₂ + A₁), C = [α₁, α₂] and
//! D = −[α₁, 2α₃ + C]/60, it is Ω = α₁ + α₃/12 + [C − 20α₁ − α₃, α₂ + D]/240, where [X, Y] = XY − YX.
//! Source: arXiv:0810.5488, section 5.

use std::rc::Rc;

use super::errors::{Lowered, fault};
use super::known::{Detached, entries, rests_on};
use super::lowerer::Lowerer;
use super::operator::Operator;
use super::problem::Problem;
use super::time::{Moment, Place};
use crate::graph::{Op, Type, Unary, ValueId};
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

/// Shares of the horizon at which a matrix that changes with the time is looked at.
const LOOKS: [f64; 8] = [0.0, 0.131, 0.254, 0.377, 0.511, 0.642, 0.871, 1.0];

/// A, as far as it is known.
pub(super) enum Flow {
    /// Zero, and c too.
    None,
    /// A diagonal, `[n]`; so is S.
    Diagonal(ValueId),
    /// A diagonal that changes with the time; S is diagonal.
    Varying,
    /// `[n, n]`
    Full(ValueId),
    /// A matrix that changes with the time.
    Coupled,
}

impl<'a> Lowerer<'a> {
    /// What is known of A, the derivative of the drift.
    pub(super) fn flow(&mut self, p: &Rc<Problem<'a>>, span: Span) -> Lowered<Flow> {
        let n = p.dimension;
        let begin = self.b.number(p.grid.from);
        let clock = self.mark(begin);
        let x = self.initial(p)?;
        let noise = self.diffusion(p, x, None, Moment { place: Place::Free, value: clock })?;
        let diagonal = matches!(noise, Operator::Scalar(..) | Operator::Diagonal(_));
        if p.holds(Predicate::Driftless) && diagonal {
            return Ok(Flow::None);
        }
        if n > MOST_STATES {
            let why = format!("this law is worked out for up to {MOST_STATES} states, and there are {n}");
            return Err(fault(span, why));
        }
        let matrix = self.rates(p, clock)?;
        let apart = |entries: &[f64]| (0..n * n).all(|k| k / n == k % n || entries[k] == 0.0);
        if rests_on(&self.b, matrix, clock, Detached::Counts) {
            let mut all = diagonal;
            for share in LOOKS {
                let at = self.b.number(p.grid.from + share * (p.grid.to - p.grid.from));
                let matrix = self.rates(p, at)?;
                all = all && entries(&self.b, matrix).is_some_and(|known| apart(&known));
            }
            return Ok(if all { Flow::Varying } else { Flow::Coupled });
        }
        match entries(&self.b, matrix) {
            Some(known) if diagonal && apart(&known) => {
                let rates = ndarray::Array1::from_shape_fn(n, |j| known[j * n + j]);
                Ok(Flow::Diagonal(self.b.table(rates.into_dyn(), Type::shaped([n]))))
            }
            _ => Ok(Flow::Full(matrix)),
        }
    }

    /// A at a time, `[n, n]`.
    fn rates(&mut self, p: &Rc<Problem<'a>>, time: ValueId) -> Lowered<ValueId> {
        let zero = self.b.filled(0.0, Type::shaped([p.dimension]));
        // One point per time, so that the derivative at each is the derivative there alone.
        let axes = self.b.ty(time).axes.clone();
        let zero = self.b.broadcast(zero, Type::new(axes, [p.dimension]));
        let point = self.mark(zero);
        let drift = self.drift(p, point, None, Moment { place: Place::Free, value: time })?;
        Ok(self.jacobian_of(drift, point))
    }

    /// e^{A·τ}: a number, `[n]` or `[n, n]`.
    pub(super) fn propagator(&mut self, flow: &Flow, length: ValueId) -> ValueId {
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
            Flow::Varying | Flow::Coupled => unreachable!("it depends on more than a length"),
        }
    }

    /// The propagators from every point of the rule on a length of time to its end, and over all of it; none where they depend on
    /// a length alone.
    pub(super) fn onward(
        &mut self,
        p: &Rc<Problem<'a>>,
        flow: &Flow,
        from: ValueId,
        length: ValueId,
    ) -> Lowered<Option<(Vec<ValueId>, ValueId)>> {
        match flow {
            Flow::Varying => self.onward_apart(p, from, length).map(Some),
            Flow::Coupled => self.onward_coupled(p, from, length).map(Some),
            Flow::None | Flow::Diagonal(_) | Flow::Full(_) => Ok(None),
        }
    }

    /// That of a diagonal.
    fn onward_apart(
        &mut self,
        p: &Rc<Problem<'a>>,
        from: ValueId,
        length: ValueId,
    ) -> Lowered<(Vec<ValueId>, ValueId)> {
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

    /// That of a matrix, part by part from the end.
    fn onward_coupled(
        &mut self,
        p: &Rc<Problem<'a>>,
        from: ValueId,
        length: ValueId,
    ) -> Lowered<(Vec<ValueId>, ValueId)> {
        let nodes = points().map(|(node, _)| node);
        let mut order: Vec<usize> = (0..nodes.len()).collect();
        order.sort_by(|i, j| nodes[*j].total_cmp(&nodes[*i]));
        let mut each = vec![length; nodes.len()];
        let (mut above, mut after) = (1.0, None);
        for i in order {
            let onward = self.over(p, (from, length), (nodes[i], above), after)?;
            each[i] = onward;
            (above, after) = (nodes[i], Some(onward));
        }
        let whole = self.over(p, (from, length), (0.0, above), after)?;
        Ok((each, whole))
    }

    /// What comes after, times e^Ω over a part of a length of time, given by its two shares.
    fn over(
        &mut self,
        p: &Rc<Problem<'a>>,
        (from, length): (ValueId, ValueId),
        (low, high): (f64, f64),
        after: Option<ValueId>,
    ) -> Lowered<ValueId> {
        let off = 15.0_f64.sqrt() / 10.0;
        let mut rates = [length; 3];
        for (rate, share) in rates.iter_mut().zip([0.5 - off, 0.5, 0.5 + off]) {
            let share = self.b.number(low + (high - low) * share);
            let step = self.b.mul(share, length);
            let time = self.b.add(from, step);
            *rate = self.rates(p, time)?;
        }
        let [first, middle, last] = rates;
        let share = self.b.number(high - low);
        let h = self.b.mul(share, length);
        let (slope, ends) = (self.b.sub(last, first), self.b.add(last, first));
        let bend = self.weighted(&[(1.0, ends), (-2.0, middle)]);
        let (slope, bend) = (self.weighted(&[(10.0 * off / 3.0, slope)]), self.weighted(&[(10.0 / 3.0, bend)]));
        let [a, b, c] = [middle, slope, bend].map(|matrix| self.b.mul(h, matrix));
        let ab = self.commutator(a, b);
        let inner = self.weighted(&[(-2.0 / 60.0, c), (-1.0 / 60.0, ab)]);
        let inner = self.commutator(a, inner);
        let left = self.weighted(&[(1.0 / 240.0, ab), (-20.0 / 240.0, a), (-1.0 / 240.0, c)]);
        let right = self.b.add(b, inner);
        let turn = self.commutator(left, right);
        let exponent = self.weighted(&[(1.0, a), (1.0 / 12.0, c), (1.0, turn)]);
        let grown = self.b.push(Op::Expm(exponent));
        Ok(match after {
            Some(after) => self.propagated(after, grown),
            None => grown,
        })
    }

    /// XY − YX
    fn commutator(&mut self, x: ValueId, y: ValueId) -> ValueId {
        let (forth, back) = (self.propagated(x, y), self.propagated(y, x));
        self.b.sub(forth, back)
    }

    /// A sum of values with weights.
    fn weighted(&mut self, parts: &[(f64, ValueId)]) -> ValueId {
        let mut total = None;
        for (weight, part) in parts {
            let weight = self.b.number(*weight);
            let part = self.b.mul(weight, *part);
            total = Some(total.map_or(part, |total| self.b.add(total, part)));
        }
        total.expect("a sum has parts")
    }
}

/// Points and weights of the rule on (0, 1).
pub(super) fn points() -> [(f64, f64); 16] {
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
