//! Statistics over the samples.

use std::rc::Rc;

use super::environment::Scope;
use super::errors::{Lowered, fault};
use super::lowerer::Lowerer;
use super::value::Value;
use crate::graph::{AxisId, AxisKind, Binary, Op, Reduction, Type, Unary, ValueId};
use crate::source::Span;
use crate::syntax::tree::Expr;

/// Which samples a statistic is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// `sample`: those that are drawn.
    Samples,
    /// `other`: all of them, beside the one at hand.
    Others,
}

impl Among {
    /// What a name in brackets means.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "sample" => Some(Self::Samples),
            "other" => Some(Self::Others),
            _ => None,
        }
    }
}

impl<'a> Lowerer<'a> {
    /// `Σ[sample] e`, `Σ[other] e`; what does not vary counts once for every sample.
    pub fn sum_over_samples(&mut self, among: Among, body: &'a Expr, scope: &Rc<Scope<'a>>) -> Lowered<ValueId> {
        let value = self.expr(body, scope, None)?;
        let v = self.tensor(&value, body.span)?;
        let axis = self.axis_among(among, body.span)?;
        let v = if self.b.ty(v).varies(axis) { v } else { self.b.spread(v, &[axis]) };
        Ok(self.b.sum(v, &[axis], &[]))
    }

    /// `mean[other] e`
    pub fn mean_over_others(&mut self, body: &'a Expr, scope: &Rc<Scope<'a>>) -> Lowered<ValueId> {
        let total = self.sum_over_samples(Among::Others, body, scope)?;
        let axis = self.axis_among(Among::Others, body.span)?;
        let share = self.b.number(1.0 / self.b.program().axis(axis).size as f64);
        Ok(self.b.mul(share, total))
    }

    /// `other(x)`: the samples along an axis of their own.
    pub fn at_others(&mut self, v: ValueId, span: Span) -> Lowered<ValueId> {
        let from = self.axis_among(Among::Samples, span)?;
        let to = self.axis_among(Among::Others, span)?;
        Ok(if self.b.ty(v).varies(from) { self.b.push(Op::Rename { from, to, of: v }) } else { v })
    }

    fn axis_among(&mut self, among: Among, span: Span) -> Lowered<AxisId> {
        let sample = self.sample.ok_or_else(|| fault(span, "there are no samples here to look over"))?;
        if among == Among::Samples {
            return Ok(sample);
        }
        if let Some(other) = self.others {
            return Ok(other);
        }
        let size = self.b.program().axis(sample).size;
        let other = self.b.axis("other", size, AxisKind::Index);
        self.others = Some(other);
        Ok(other)
    }

    /// `E[e | condition]`: the mean over the samples for which the condition holds, 0/0 where there are none.
    pub fn expectation_given(
        &mut self,
        inner: &'a Expr,
        condition: &'a Expr,
        scope: &Rc<Scope<'a>>,
        span: Span,
    ) -> Lowered<ValueId> {
        let value = self.expr(inner, scope, None)?;
        let v = self.tensor(&value, inner.span)?;
        let condition = self.expr(condition, scope, None)?;
        let counts = self.tensor(&condition, span)?;
        let sample = self.sample.ok_or_else(|| fault(span, "there are no samples here to average over"))?;
        let counts = if self.b.ty(counts).varies(sample) { counts } else { self.b.spread(counts, &[sample]) };
        // What is left out may be infinite, so it is not multiplied by zero.
        let zero = self.b.number(0.0);
        let kept = self.b.push(Op::Select(counts, v, zero));
        let total = self.b.sum(kept, &[sample], &[]);
        let number = self.b.sum(counts, &[sample], &[]);
        Ok(self.b.div(total, number))
    }

    /// `quantile[sample](x, q)`: the least of the N values that at least q·N of them do not exceed.
    ///
    /// The range of the values is cut into equal parts, and the part goes on in which the count passes q·N, until parts are
    /// too narrow for single precision; the largest value in what is left below is the quantile. Its derivative is that of
    /// the sample at which it stands.
    fn quantile(&mut self, among: Among, args: &[Value<'a>], span: Span) -> Lowered<ValueId> {
        const PARTS: usize = 32;
        const ROUNDS: usize = 6;
        let [arg, share] = args else { return Err(fault(span, "`quantile[sample]` takes a value and a share")) };
        let q = self.known_value(share, span)?;
        if !(q > 0.0 && q < 1.0) {
            return Err(fault(span, format!("the share of a quantile lies in (0, 1), found {q}")));
        }
        let v = self.tensor(arg, span)?;
        let axis = self.axis_among(among, span)?;
        let v = if self.b.ty(v).varies(axis) { v } else { self.b.spread(v, &[axis]) };
        let n = self.b.program().axis(axis).size as f64;
        // A product such as 0.9·10 may exceed the whole number it means by its rounding.
        let rank = self.b.number((q * n * (1.0 - 4.0 * f64::EPSILON)).ceil().clamp(1.0, n));
        let fixed = self.b.detach(v);
        let mut high = self.b.reduce(Reduction::Maximum, fixed, &[axis], &[]);
        let negative = self.b.neg(fixed);
        let least = self.b.reduce(Reduction::Maximum, negative, &[axis], &[]);
        let least = self.b.neg(least);
        let mut low = least;
        let parts = ndarray::Array1::from_shape_fn(PARTS, |k| (k + 1) as f64 / PARTS as f64);
        let parts = self.b.table(parts.into_dyn(), Type::shaped([PARTS]));
        let last = self.b.number((PARTS - 1) as f64);
        let part = self.b.number(1.0 / PARTS as f64);
        let one = self.b.number(1.0);
        let entries = Type { shape: vec![PARTS], ..self.b.ty(fixed).clone() };
        let values = self.b.broadcast(fixed, entries);
        for _ in 0..ROUNDS {
            let width = self.b.sub(high, low);
            let way = self.b.mul(width, parts);
            let edges = self.b.add(low, way);
            let below = self.b.binary(Binary::LessEqual, values, edges);
            let counts = self.b.sum(below, &[axis], &[]);
            let short = self.b.binary(Binary::Less, counts, rank);
            let number = self.b.sum(short, &[], &[0]);
            let number = self.b.binary(Binary::Minimum, number, last);
            let share = self.b.mul(part, number);
            let start = self.b.mul(width, share);
            let next = self.b.add(number, one);
            let share = self.b.mul(part, next);
            let end = self.b.mul(width, share);
            let edge = self.b.add(low, end);
            // Rounded, the edge of the last part may lie below the largest value.
            let is_last = self.b.binary(Binary::LessEqual, last, number);
            high = self.b.push(Op::Select(is_last, high, edge));
            low = self.b.add(low, start);
        }
        let below = self.b.binary(Binary::LessEqual, fixed, high);
        // Less than all, or the least would share its derivative with what is left out.
        let size = self.b.unary(Unary::Absolute, least);
        let room = self.b.add(one, size);
        let nothing = self.b.sub(least, room);
        let kept = self.b.push(Op::Select(below, v, nothing));
        Ok(self.b.reduce(Reduction::Maximum, kept, &[axis], &[]))
    }

    /// `softmax[sample](ℓ)`, which sums to one over the samples; `logsumexp[sample](ℓ)`; `max[sample](x)`;
    /// `quantile[sample](x, q)`.
    pub fn over_samples(&mut self, name: &str, among: Among, args: &[Value<'a>], span: Span) -> Lowered<ValueId> {
        if name == "quantile" {
            return self.quantile(among, args, span);
        }
        let [arg] = args else { return Err(fault(span, format!("`{name}[sample]` takes one argument"))) };
        let v = self.tensor(arg, span)?;
        let axis = self.axis_among(among, span)?;
        let v = if self.b.ty(v).varies(axis) { v } else { self.b.spread(v, &[axis]) };
        let how = if name == "max" { Reduction::Maximum } else { Reduction::LogSumExp };
        let total = self.b.reduce(how, v, &[axis], &[]);
        if name != "softmax" {
            return Ok(total);
        }
        let shifted = self.b.sub(v, total);
        Ok(self.b.unary(Unary::Exp, shifted))
    }
}
