//! ASCII words to their signs. A sign binds less tightly than the call it replaces, so parentheses may appear.

use super::levels::{CHAIN, FACTOR, FREE, POSTFIXED, ends_open};
use super::rewrite::{Change, Rewrite, is_dotted_word};
use crate::source::to_unicode;
use crate::syntax::tree::{BinaryOp, Expr, ExprKind, PostfixOp, Spelling, UnaryOp};

impl Rewrite<'_> {
    /// The change from words to a sign, if this form has one.
    pub fn in_signs<'e>(&mut self, expr: &'e Expr) -> Option<Change<'e>> {
        match &expr.kind {
            ExprKind::Unary(UnaryOp::SquareRoot, Spelling::Word, operand) => {
                self.around(expr, operand, FACTOR, POSTFIXED, "√", "")
            }
            ExprKind::Postfix(op, Spelling::Word, operand) => {
                let sign = match op {
                    PostfixOp::Transpose => "'",
                    PostfixOp::Inverse => "⁻¹",
                    PostfixOp::InverseTranspose => "⁻ᵀ",
                };
                self.around(expr, operand, POSTFIXED, POSTFIXED, "", sign)
            }
            ExprKind::Norm(Spelling::Word, inner) => self.around(expr, inner, POSTFIXED, FREE, "|", "|"),
            ExprKind::Binary(BinaryOp::Power, Spelling::Word, base, exponent) => match &base.kind {
                ExprKind::Norm(_, inner) if base.span == expr.span => {
                    self.around(expr, inner, POSTFIXED, FREE, "|", "|²")
                }
                _ => {
                    let raised = superscript(exponent)?;
                    if !self.is_plain(self.end(base), self.end(expr)) {
                        return None;
                    }
                    // `x⁻¹` to the second is not `x⁻¹²`.
                    let joins = !raised.starts_with('⁻') && ends_raised(base);
                    let required = if joins { POSTFIXED + 1 } else { POSTFIXED };
                    let apply = Box::new(move |rewrite: &mut Rewrite<'_>| {
                        rewrite.expr(base, required);
                        rewrite.edits.replace(rewrite.end(base), rewrite.end(expr), raised);
                    });
                    Some(Change { level: POSTFIXED, apply })
                }
            },
            ExprKind::Binary(BinaryOp::Dot, Spelling::Word, left, right) => self.dot(expr, left, right),
            ExprKind::Binary(op, Spelling::Word, left, _) => {
                let sign = match op {
                    BinaryOp::NotEqual => "≠",
                    BinaryOp::LessEqual => "≤",
                    BinaryOp::GreaterEqual => "≥",
                    _ => return None,
                };
                let word = self.token_at(self.end(left))?;
                let (start, end) = (word.start, word.end());
                self.edits.replace(start, end, sign);
                None
            }
            ExprKind::Gradient(Spelling::Word, of) => self.field_sign("∇", expr, of),
            ExprKind::Jacobian(Spelling::Word, of) => self.field_sign("∂", expr, of),
            ExprKind::Laplacian(Spelling::Word, of) => self.field_sign("Δ ", expr, of),
            ExprKind::Partial(Spelling::Word, ..) => self.word_sign("∂", "partial", self.start(expr)),
            ExprKind::Sum(Spelling::Word, ..) => self.word_sign("Σ", "sum", self.start(expr)),
            ExprKind::Integral(integral) if integral.spelling == Spelling::Word => {
                let after_rule = integral.rule.as_ref().map_or(expr.span.start, |rule| rule.span.end);
                let at = self.token_at((after_rule - self.base) as usize)?.start;
                self.word_sign("∫", "int", at)
            }
            _ => None,
        }
    }

    /// `word(x)` → sign, operand, sign.
    fn around<'e>(
        &self,
        expr: &'e Expr,
        operand: &'e Expr,
        level: u8,
        required: u8,
        before: &'static str,
        after: &'static str,
    ) -> Option<Change<'e>> {
        let (start, end) = (self.start(operand), self.end(operand));
        if !self.is_plain(self.start(expr), start) || !self.is_plain(end, self.end(expr)) {
            return None;
        }
        let apply = Box::new(move |rewrite: &mut Rewrite<'_>| {
            rewrite.edits.replace(rewrite.start(expr), start, before);
            rewrite.expr(operand, required);
            rewrite.edits.replace(end, rewrite.end(expr), after);
        });
        Some(Change { level, apply })
    }

    /// `dot(u, v)` → `u·v`
    fn dot<'e>(&self, expr: &'e Expr, left: &'e Expr, right: &'e Expr) -> Option<Change<'e>> {
        let plain = self.is_plain(self.start(expr), self.start(left))
            && self.is_plain(self.end(left), self.start(right))
            && self.is_plain(self.end(right), self.end(expr));
        // `u·dx` in an integrand would be read as a differential.
        let differential = self
            .token_at(self.start(right))
            .is_some_and(|token| to_unicode(token.text).strip_prefix('d').is_some_and(is_dotted_word));
        if !plain || differential {
            return None;
        }
        let tight = |operand: &Expr, required| if ends_open(operand) { POSTFIXED } else { required };
        let apply = Box::new(move |rewrite: &mut Rewrite<'_>| {
            rewrite.edits.replace(rewrite.start(expr), rewrite.start(left), "");
            rewrite.expr(left, tight(left, CHAIN));
            rewrite.edits.replace(rewrite.end(left), rewrite.start(right), "·");
            rewrite.expr(right, tight(right, FACTOR));
            rewrite.edits.replace(rewrite.end(right), rewrite.end(expr), "");
        });
        Some(Change { level: CHAIN, apply })
    }

    fn field_sign<'e>(&mut self, sign: &str, expr: &Expr, of: &Expr) -> Option<Change<'e>> {
        let (start, end) = (self.start(expr), self.start(of));
        if self.is_plain(start, end) {
            self.edits.replace(start, end, sign);
        }
        None
    }

    /// Replaces the word at an offset; the form keeps its shape.
    fn word_sign<'e>(&mut self, sign: &str, word: &str, at: usize) -> Option<Change<'e>> {
        self.edits.replace(at, at + word.len(), sign);
        None
    }
}

/// A whole number as superscript; `⁻¹` is the inverse and no power.
fn superscript(exponent: &Expr) -> Option<String> {
    let (negative, number) = match &exponent.kind {
        ExprKind::Unary(UnaryOp::Negate, _, inner) => (true, &inner.kind),
        kind => (false, kind),
    };
    let ExprKind::Number { text, .. } = number else { return None };
    let digits = text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (negative && &**text == "1") {
        return None;
    }
    let raised = text.bytes().filter_map(|byte| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(usize::from(byte - b'0')));
    Some(if negative { "⁻".chars().chain(raised).collect() } else { raised.collect() })
}

/// Whether an expression ends with a raised digit once it is written in signs.
fn ends_raised(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Postfix(op, ..) => *op == PostfixOp::Inverse,
        ExprKind::Binary(BinaryOp::Power, _, base, exponent) => {
            base.span == expr.span || superscript(exponent).is_some()
        }
        _ => false,
    }
}
