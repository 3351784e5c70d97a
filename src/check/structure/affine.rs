//! Whether a formula is affine in some names: a sum of terms free of them and of linear images of them.

use super::linear::NotLinear;
use super::scope::Scope;
use crate::check::walk::{as_name, peel};
use crate::source::Symbol;
use crate::syntax::tree::{BinaryOp, Expr, ExprKind, PostfixOp, UnaryOp};

/// A formula with more parts than this, `let`s looked into, is given up.
const MAX_STEPS: usize = 4096;

/// Fails with the part of a formula that shows it not to be affine in `names`, those of the states.
pub(super) fn check_affine(scope: &Scope<'_>, names: &[Symbol], expr: &Expr) -> Result<(), NotLinear> {
    affine(scope, names, expr, 64, &mut 0)
}

fn affine(scope: &Scope<'_>, names: &[Symbol], expr: &Expr, depth: usize, steps: &mut usize) -> Result<(), NotLinear> {
    let expr = peel(expr);
    *steps += 1;
    let fail = |why| Err(NotLinear { span: expr.span, why });
    if *steps > MAX_STEPS {
        return fail("this formula is too long to be taken apart");
    }
    let depends = |e: &Expr| scope.depends(e, names);
    if !depends(expr) {
        return Ok(());
    }
    match &expr.kind {
        ExprKind::Name(name) if names.contains(&name.key) => Ok(()),
        ExprKind::Unary(UnaryOp::Negate, _, inner) | ExprKind::Postfix(PostfixOp::Transpose, _, inner) => {
            affine(scope, names, inner, depth, steps)
        }
        ExprKind::Index(base, indices) if !indices.iter().any(depends) => affine(scope, names, base, depth, steps),
        ExprKind::List(entries) | ExprKind::Tuple(entries) => {
            entries.iter().try_for_each(|entry| affine(scope, names, entry, depth, steps))
        }
        ExprKind::Call(callee, arguments)
            if as_name(callee)
                .is_some_and(|name| name.key.as_str() == "concat" && scope.find_let(&name.key).is_none()) =>
        {
            arguments.iter().try_for_each(|one| affine(scope, names, &one.value, depth, steps))
        }
        ExprKind::Binary(BinaryOp::Add | BinaryOp::Subtract, _, a, b) => {
            affine(scope, names, a, depth, steps)?;
            affine(scope, names, b, depth, steps)
        }
        ExprKind::Binary(BinaryOp::Multiply | BinaryOp::Dot, _, a, b) => match (depends(a), depends(b)) {
            (true, true) => fail("the state stands on both sides of this product"),
            (true, false) => affine(scope, names, a, depth, steps),
            _ => affine(scope, names, b, depth, steps),
        },
        ExprKind::Binary(BinaryOp::Divide, _, a, b) if !depends(b) => affine(scope, names, a, depth, steps),
        ExprKind::Binary(BinaryOp::Divide, ..) => fail("the state stands below a fraction"),
        ExprKind::Name(_) | ExprKind::Call(..) if depth > 0 => match scope.unfold(expr) {
            Some(value) => affine(scope, names, &value, depth - 1, steps),
            None => fail("the state goes through a function here"),
        },
        _ => fail("this is not linear in the state"),
    }
}
