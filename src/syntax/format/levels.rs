//! How tightly forms bind, to know where a new spelling needs parentheses.

use crate::syntax::tree::{BinaryOp, Expr, ExprKind, Spelling, UnaryOp};

/// From loose to tight; each name is what the grammar accepts there.
pub(super) const FREE: u8 = 0;
pub(super) const OR: u8 = 1;
pub(super) const AND: u8 = 2;
pub(super) const NOT: u8 = 3;
pub(super) const COMPARISON: u8 = 4;
pub(super) const SUM: u8 = 5;
pub(super) const CHAIN: u8 = 6;
pub(super) const FACTOR: u8 = 7;
pub(super) const OPERAND: u8 = 8;
pub(super) const POSTFIXED: u8 = 9;

/// The level of an operator between its operands, and what it asks of the left and of the right one.
pub(super) fn infix(op: BinaryOp) -> (u8, u8, u8) {
    match op {
        BinaryOp::Or => (OR, OR, AND),
        BinaryOp::And => (AND, AND, NOT),
        BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Less
        | BinaryOp::LessEqual
        | BinaryOp::Greater
        | BinaryOp::GreaterEqual => (COMPARISON, SUM, SUM),
        BinaryOp::Add | BinaryOp::Subtract => (SUM, SUM, CHAIN),
        BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Dot => (CHAIN, CHAIN, FACTOR),
        BinaryOp::Power => (FACTOR, OPERAND, FACTOR),
    }
}

/// The level of an expression as it is written.
pub(super) fn level(expr: &Expr) -> u8 {
    match &expr.kind {
        ExprKind::Lambda(..) | ExprKind::If(..) | ExprKind::Range(..) => FREE,
        ExprKind::Unary(UnaryOp::Not, ..) => NOT,
        ExprKind::Unary(_, Spelling::Sign, _) | ExprKind::With(..) => FACTOR,
        ExprKind::Binary(BinaryOp::Dot, Spelling::Word, ..) => POSTFIXED,
        // A superscript touches its base, and `norm2(x)` is a call.
        ExprKind::Binary(BinaryOp::Power, spelling, base, _) => {
            if *spelling == Spelling::Sign || base.span == expr.span { POSTFIXED } else { FACTOR }
        }
        ExprKind::Binary(op, ..) => infix(*op).0,
        ExprKind::Partial(..) | ExprKind::Integral(_) | ExprKind::MeanOver(..) | ExprKind::Sum(..) => OPERAND,
        ExprKind::Number { .. }
        | ExprKind::Text(_)
        | ExprKind::Bool(_)
        | ExprKind::Name(_)
        | ExprKind::Hole
        | ExprKind::Group(_)
        | ExprKind::Tuple(_)
        | ExprKind::List(_)
        | ExprKind::Comprehension(..)
        | ExprKind::Unary(_, Spelling::Word, _)
        | ExprKind::Postfix(..)
        | ExprKind::Norm(..)
        | ExprKind::Call(..)
        | ExprKind::Index(..)
        | ExprKind::Member(..)
        | ExprKind::Gradient(..)
        | ExprKind::Jacobian(..)
        | ExprKind::Divergence(_)
        | ExprKind::Laplacian(..)
        | ExprKind::Expectation(..)
        | ExprKind::Variance(_) => POSTFIXED,
    }
}

/// Whether what follows an expression in a chain would be read as part of it: a binder's body goes on.
pub(super) fn ends_open(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::MeanOver(..) | ExprKind::Sum(..) | ExprKind::Lambda(..) | ExprKind::If(..) => true,
        ExprKind::Binary(op, spelling, _, right) => {
            level(expr) < POSTFIXED && !(*op == BinaryOp::Dot && *spelling == Spelling::Word) && ends_open(right)
        }
        ExprKind::Unary(_, Spelling::Sign, operand) | ExprKind::Partial(_, _, operand) => ends_open(operand),
        _ => false,
    }
}
