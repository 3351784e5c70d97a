//! Statistics over the samples.

use std::rc::Rc;

use super::environment::Scope;
use super::errors::{Lowered, fault};
use super::lowerer::Lowerer;
use super::value::Value;
use crate::graph::{Reduction, Unary, ValueId};
use crate::source::Span;
use crate::syntax::tree::Expr;

impl<'a> Lowerer<'a> {
    /// `Σ[sample] e`; what does not vary counts once for every sample.
    pub fn sum_over_samples(&mut self, body: &'a Expr, scope: &Rc<Scope<'a>>) -> Lowered<ValueId> {
        let value = self.expr(body, scope, None)?;
        let v = self.tensor(&value, body.span)?;
        let sample = self.sample.ok_or_else(|| fault(body.span, "there are no samples here to sum over"))?;
        let v = if self.b.ty(v).varies(sample) { v } else { self.b.spread(v, &[sample]) };
        Ok(self.b.sum(v, &[sample], &[]))
    }

    /// `softmax[sample](ℓ)`, which sums to one over the samples; `logsumexp[sample](ℓ)`; `max[sample](x)`.
    pub fn over_samples(&mut self, name: &str, args: &[Value<'a>], span: Span) -> Lowered<ValueId> {
        let [arg] = args else { return Err(fault(span, format!("`{name}[sample]` takes one argument"))) };
        let v = self.tensor(arg, span)?;
        let axis = self.sample.ok_or_else(|| fault(span, "there are no samples here to look over"))?;
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
