//! Laws of a problem's state without control, where they are known: at a time, and between two values.
//!
//! For dX = s(t) dW from X(0) = x₀ with a diagonal s, X(t) is normal about x₀ with the variance h(t) = ∫₀ᵗ s², and given
//! X(T) = x₁ normal about x₀ + h(t)/h(T)·(x₁ − x₀) with the variance h(t)·(h(T) − h(t))/h(T).

use std::rc::Rc;

use super::call::Arguments;
use super::errors::{Lowered, fault};
use super::law::Distribution;
use super::lowerer::Lowerer;
use super::operator::Operator;
use super::problem::Problem;
use super::time::{Moment, Place};
use super::value::Value;
use crate::graph::{Binary, Law, Unary, ValueId};
use crate::source::Span;

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

impl<'a> Lowerer<'a> {
    /// `P.marginal(t)`, `P.bridge(t, x1)`
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
        if p.structure.states.iter().any(|state| matches!(state.initial, Some((true, _)))) {
            return Err(fault(span, format!("`{name}` is of a state that begins at one value, and `X(0)` is drawn")));
        }
        let Some((_, time)) = given.first() else { return Err(fault(span, format!("`{name}` is asked at a time"))) };
        let t = self.tensor(time, span)?;
        let x0 = self.initial(p)?;
        let h = self.variance_until(p, t, span)?;
        let (mean, variance) = match (name, given.as_slice()) {
            ("marginal", [_]) => (x0, h),
            ("bridge", [_, (None, x1)]) => {
                let x1 = self.tensor(x1, span)?;
                if self.b.ty(x1).shape != [p.dimension] {
                    let found = &self.b.ty(x1).shape;
                    return Err(fault(span, format!("a bridge ends in a vector of {}, found {found:?}", p.dimension)));
                }
                let end = self.b.number(p.grid.to);
                let whole = self.variance_until(p, end, span)?;
                let share = self.b.div(h, whole);
                let way = self.b.sub(x1, x0);
                let way = self.b.mul(share, way);
                let rest = self.b.sub(whole, h);
                // At the end rounding may leave less than nothing.
                let zero = self.b.number(0.0);
                let rest = self.b.binary(Binary::Maximum, rest, zero);
                (self.b.add(x0, way), self.b.mul(share, rest))
            }
            _ => return Err(fault(span, format!("`{name}` does not take {} arguments", given.len()))),
        };
        let scale = self.b.unary(Unary::SquareRoot, variance);
        Ok(Value::Law(Rc::new(Distribution::Entries { law: Law::Normal, shift: mean, scale })))
    }

    /// ∫ s² from the origin to a time: a number, or one per state.
    fn variance_until(&mut self, p: &Rc<Problem<'a>>, t: ValueId, span: Span) -> Lowered<ValueId> {
        let origin = self.b.number(p.grid.from);
        let length = self.b.sub(t, origin);
        let x = self.initial(p)?;
        let mut total = None;
        for (node, weight) in RULE.iter().flat_map(|(x, w)| [(0.5 * (1.0 - x), 0.5 * w), (0.5 * (1.0 + x), 0.5 * w)]) {
            let node = self.b.number(node);
            let step = self.b.mul(node, length);
            let moment = Moment { place: Place::Free, value: self.b.add(origin, step) };
            let (Operator::Scalar(s, _) | Operator::Diagonal(s)) = self.diffusion(p, x, None, moment)? else {
                let why = "the law without control is known for noise before which a number or a diagonal stands";
                return Err(fault(span, why));
            };
            let square = self.b.unary(Unary::Power(2), s);
            let weight = self.b.number(weight);
            let part = self.b.mul(weight, square);
            total = Some(total.map_or(part, |t| self.b.add(t, part)));
        }
        Ok(self.b.mul(length, total.expect("the rule has points")))
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;

    #[test]
    fn the_rule_is_exact_for_powers_up_to_31() {
        for n in 0..16 {
            let sum: f64 = RULE.iter().map(|(x, w)| 2.0 * w * x.powi(2 * n)).sum();
            let exact = 2.0 / f64::from(2 * n + 1);
            assert!((sum - exact).abs() < 1e-15, "x^{}: {sum}, exact {exact}", 2 * n);
        }
    }
}
