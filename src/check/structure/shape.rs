//! Written sizes of a problem's declarations as polynomials.

use super::scope::Scope;
use crate::check::size::Size;
use crate::check::walk::peel;
use crate::syntax::tree::{BinaryOp, Expr, ExprKind, TypeExpr, TypeKind};

/// The size of a vector type, `1` for a number; `None` for other types and forms.
pub(super) fn vector_size(scope: &Scope<'_>, ty: &TypeExpr) -> Option<Size> {
    match &ty.kind {
        TypeKind::Real(sizes) => match sizes.as_slice() {
            [] => Some(Size::constant(1)),
            [one] => size_of(scope, one),
            _ => None,
        },
        TypeKind::Named(_) | TypeKind::Samples(_) | TypeKind::Law(_) | TypeKind::List(_) | TypeKind::Function(..) => {
            None
        }
    }
}

fn size_of(scope: &Scope<'_>, expr: &Expr) -> Option<Size> {
    match &peel(expr).kind {
        ExprKind::Number { value, .. } if value.fract() == 0.0 && value.abs() < 1e15 => {
            Some(Size::constant(*value as i128))
        }
        ExprKind::Name(name) => match scope.find_let(&name.key) {
            Some(one) if one.params.is_none() => size_of(scope, &one.value),
            _ => Some(Size::atom(name.key.as_str())),
        },
        ExprKind::Binary(op, _, a, b) => {
            let (a, b) = (size_of(scope, a)?, size_of(scope, b)?);
            match op {
                BinaryOp::Add => a.add(&b),
                BinaryOp::Subtract => a.add(&b.negate()),
                BinaryOp::Multiply => a.multiply(&b),
                _ => None,
            }
        }
        _ => None,
    }
}
