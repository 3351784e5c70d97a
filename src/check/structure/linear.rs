//! The drift as a sum of `B*u` and terms free of the control.

use super::scope::Scope;
use crate::check::walk::{combine, number, peel};
use crate::source::{Span, Symbol};
use crate::syntax::tree::{BinaryOp, Expr, ExprKind, UnaryOp};

/// A formula split by the control.
#[derive(Default)]
pub(super) struct Linear {
    /// What stands before the control, a signed product per summand.
    pub(super) map: Vec<(bool, Expr)>,
    /// The summands free of the control.
    pub(super) free: Vec<(bool, Expr)>,
    /// The expressions looked at.
    steps: usize,
}

/// A formula with more parts than this, `let`s looked into, is given up.
const MAX_STEPS: usize = 4096;

/// Why a formula is not of that form.
pub(super) struct NotLinear {
    pub(super) span: Span,
    pub(super) why: &'static str,
}

/// Splits `expr` by the control.
pub(super) fn split_linear(scope: &Scope<'_>, control: &Symbol, expr: &Expr) -> Result<Linear, NotLinear> {
    let mut found = Linear::default();
    split_into(scope, control, expr, false, &mut found, 64)?;
    Ok(found)
}

fn split_into(
    scope: &Scope<'_>,
    u: &Symbol,
    expr: &Expr,
    negative: bool,
    out: &mut Linear,
    depth: usize,
) -> Result<(), NotLinear> {
    let expr = peel(expr);
    out.steps += 1;
    if out.steps > MAX_STEPS {
        return Err(NotLinear { span: expr.span, why: "this formula is too long to be taken apart" });
    }
    let names = std::slice::from_ref(u);
    if !scope.depends(expr, names) {
        // A sum inside a group is taken apart here too, so that a drift of `0 + B*u` reads as driftless.
        match &expr.kind {
            ExprKind::Binary(BinaryOp::Add | BinaryOp::Subtract, ..) | ExprKind::Unary(UnaryOp::Negate, ..) => {}
            _ => {
                out.free.push((negative, expr.clone()));
                return Ok(());
            }
        }
    }
    let fail = |why| Err(NotLinear { span: expr.span, why });
    match &expr.kind {
        ExprKind::Name(name) if name.key == *u => {
            out.map.push((negative, number(1.0, expr.span)));
            Ok(())
        }
        ExprKind::Unary(UnaryOp::Negate, _, inner) => split_into(scope, u, inner, !negative, out, depth),
        ExprKind::Binary(BinaryOp::Add, _, a, b) => {
            split_into(scope, u, a, negative, out, depth)?;
            split_into(scope, u, b, negative, out, depth)
        }
        ExprKind::Binary(BinaryOp::Subtract, _, a, b) => {
            split_into(scope, u, a, negative, out, depth)?;
            split_into(scope, u, b, !negative, out, depth)
        }
        ExprKind::Binary(op @ (BinaryOp::Multiply | BinaryOp::Divide), _, a, b) => {
            let (varying, factor) = match (scope.depends(a, names), scope.depends(b, names)) {
                (true, true) => return fail("the control stands on both sides of this product"),
                (false, true) if *op == BinaryOp::Multiply => (b, a),
                (true, false) if *op == BinaryOp::Divide || scope.is_scalar(b) => (a, b),
                (false, true) => return fail("the control stands below a fraction"),
                (_, false) => return fail("what follows the control in this product is not a number"),
            };
            let mut inner = Linear { steps: out.steps, ..Linear::default() };
            split_into(scope, u, varying, negative, &mut inner, depth)?;
            out.steps = inner.steps;
            let join = |term: Expr| match op {
                BinaryOp::Divide => combine(BinaryOp::Divide, term, (**factor).clone()),
                _ if is_one(&term) => (**factor).clone(),
                _ => combine(BinaryOp::Multiply, (**factor).clone(), term),
            };
            out.map.extend(inner.map.into_iter().map(|(sign, term)| (sign, join(term))));
            out.free.extend(inner.free.into_iter().map(|(sign, term)| {
                let product = match op {
                    BinaryOp::Divide => combine(BinaryOp::Divide, term, (**factor).clone()),
                    _ => combine(BinaryOp::Multiply, (**factor).clone(), term),
                };
                (sign, product)
            }));
            Ok(())
        }
        ExprKind::Name(_) | ExprKind::Call(..) if depth > 0 => match scope.unfold(expr) {
            Some(value) => split_into(scope, u, &value, negative, out, depth - 1),
            None => fail("the control goes through a function here"),
        },
        _ => fail("the control does not enter as a product `B*u` here"),
    }
}

fn is_one(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Number { value, .. } if value == 1.0)
}
