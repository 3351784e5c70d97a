//! Sequences of operators and operands, which the grammar leaves flat, by precedence.

use super::build::{Builder, Children};
use crate::syntax::errors::ChainedComparison;
use crate::syntax::grammar::{Pair, Rule};
use crate::syntax::tree::{BinaryOp, Expr, ExprKind, Spelling, UnaryOp};

/// Binding strengths; the right operand of a left-associative operator binds one tighter.
const LOOSEST: u8 = 0;
const COMPARISON: u8 = 3;

impl Builder<'_> {
    /// `expr`: a lambda, a conditional, or operators between chains.
    pub fn expr(&mut self, pair: Pair<'_>) -> Expr {
        let span = self.span(&pair);
        let children = Children::of(pair);
        self.deeper(children.count(), span, |builder| builder.expr_of(children))
    }

    fn expr_of(&mut self, mut children: Children<'_>) -> Expr {
        match children.rule() {
            Some(Rule::lambda) => {
                let lambda = children.next();
                self.lambda(lambda)
            }
            Some(Rule::conditional) => {
                let conditional = children.next();
                let span = self.span(&conditional);
                let mut parts = Children::of(conditional);
                let (when, then, otherwise) =
                    (self.expr(parts.next()), self.expr(parts.next()), self.expr(parts.next()));
                Expr { kind: ExprKind::If(Box::new(when), Box::new(then), Box::new(otherwise)), span }
            }
            _ => self.infix(&mut children, LOOSEST),
        }
    }

    fn infix(&mut self, children: &mut Children<'_>, tightness: u8) -> Expr {
        let mut left = if let Some(not) = children.take_if(Rule::kw_not) {
            let operand = self.infix(children, COMPARISON);
            let span = self.span(&not).to(operand.span);
            Expr { kind: ExprKind::Unary(UnaryOp::Not, Spelling::Word, Box::new(operand)), span }
        } else {
            let chain = children.next();
            self.chain(chain)
        };
        let mut compared = None;
        while let Some(next) = children.peek_infix() {
            let (op, spelling, strength) = infix_operator(next.as_str());
            if strength < tightness {
                break;
            }
            let sign = children.next();
            if strength == COMPARISON {
                if let Some(first) = compared {
                    self.sink.push(ChainedComparison { first, second: self.span(&sign) });
                }
                compared = Some(self.span(&sign));
            }
            let right = self.infix(children, strength + 1);
            let span = left.span.to(right.span);
            left = Expr { kind: ExprKind::Binary(op, spelling, Box::new(left), Box::new(right)), span };
        }
        left
    }

    /// `chain` and `integrand`: factors joined by `*`, `/` and `·`, from left to right.
    pub fn chain(&mut self, pair: Pair<'_>) -> Expr {
        let span = self.span(&pair);
        let children = Children::of(pair);
        // One factor alone makes no node.
        self.deeper(children.count() - 1, span, |builder| builder.chain_of(children))
    }

    fn chain_of(&mut self, mut children: Children<'_>) -> Expr {
        let mut left = self.factor(&mut children);
        while let Some(sign) = children.take_if(Rule::chain_op) {
            let op = match sign.as_str() {
                "*" => BinaryOp::Multiply,
                "/" => BinaryOp::Divide,
                _ => BinaryOp::Dot,
            };
            let right = self.factor(&mut children);
            let span = left.span.to(right.span);
            left = Expr { kind: ExprKind::Binary(op, Spelling::Sign, Box::new(left), Box::new(right)), span };
        }
        left
    }

    /// Signs before an operand, its power, and a `with` behind it.
    pub(super) fn factor(&mut self, children: &mut Children<'_>) -> Expr {
        let prefixes = children.take_all(Rule::prefix);
        let operand = children.next();
        let mut value = self.operand(operand);
        if let Some(exponent) = children.take_if(Rule::exponent) {
            let span = self.span(&exponent);
            let mut parts = Children::of(exponent);
            let exponent = self.deeper(parts.count(), span, |builder| builder.factor(&mut parts));
            let span = value.span.to(exponent.span);
            let kind = ExprKind::Binary(BinaryOp::Power, Spelling::Word, Box::new(value), Box::new(exponent));
            value = Expr { kind, span };
        }
        if let Some(with) = children.take_if(Rule::with) {
            let span = value.span.to(self.span(&with));
            let members = Children::of(with).take_all(Rule::with_member);
            let members = members.into_iter().map(|member| self.definition(member)).collect();
            value = Expr { kind: ExprKind::With(Box::new(value), members), span };
        }
        for prefix in prefixes.into_iter().rev() {
            let op = if prefix.as_str() == "-" { UnaryOp::Negate } else { UnaryOp::SquareRoot };
            let span = self.span(&prefix).to(value.span);
            value = Expr { kind: ExprKind::Unary(op, Spelling::Sign, Box::new(value)), span };
        }
        value
    }
}

impl<'i> Children<'i> {
    fn peek_infix(&mut self) -> Option<Pair<'i>> {
        if self.rule() == Some(Rule::infix) { self.peek() } else { None }
    }
}

fn infix_operator(sign: &str) -> (BinaryOp, Spelling, u8) {
    let (op, spelling) = match sign {
        "or" => return (BinaryOp::Or, Spelling::Word, 1),
        "and" => return (BinaryOp::And, Spelling::Word, 2),
        "+" => return (BinaryOp::Add, Spelling::Sign, 4),
        "-" => return (BinaryOp::Subtract, Spelling::Sign, 4),
        "=" => (BinaryOp::Equal, Spelling::Sign),
        "≠" => (BinaryOp::NotEqual, Spelling::Sign),
        "!=" => (BinaryOp::NotEqual, Spelling::Word),
        "<" => (BinaryOp::Less, Spelling::Sign),
        "≤" => (BinaryOp::LessEqual, Spelling::Sign),
        "<=" => (BinaryOp::LessEqual, Spelling::Word),
        ">" => (BinaryOp::Greater, Spelling::Sign),
        "≥" => (BinaryOp::GreaterEqual, Spelling::Sign),
        _ => (BinaryOp::GreaterEqual, Spelling::Word),
    };
    (op, spelling, COMPARISON)
}
