//! Signs to their ASCII words. Every word form is a call, which stands anywhere, except powers.

use super::levels::{FACTOR, FREE, OPERAND, POSTFIXED};
use super::rewrite::{Change, Rewrite};
use crate::syntax::parse::vulgar_fraction;
use crate::syntax::tree::{BinaryOp, Expr, ExprKind, PostfixOp, Spelling, UnaryOp};

impl Rewrite<'_> {
    /// The change from a sign to words, if this form has one.
    pub fn in_words<'e>(&mut self, expr: &'e Expr) -> Option<Change<'e>> {
        let change = |level, apply| Some(Change { level, apply });
        match &expr.kind {
            ExprKind::Number { text, .. } => {
                let value = vulgar_fraction(text)?;
                change(
                    POSTFIXED,
                    Box::new(move |rewrite| {
                        rewrite.edits.replace(rewrite.start(expr), rewrite.end(expr), value.to_string());
                    }),
                )
            }
            ExprKind::Unary(UnaryOp::SquareRoot, Spelling::Sign, operand) => {
                change(POSTFIXED, Box::new(move |rewrite| rewrite.call("sqrt", expr, operand)))
            }
            ExprKind::Postfix(op, Spelling::Sign, operand) => {
                let word = match op {
                    PostfixOp::Transpose => "transpose",
                    PostfixOp::Inverse => "inv",
                    PostfixOp::InverseTranspose => "inv_transpose",
                };
                change(POSTFIXED, Box::new(move |rewrite| rewrite.call(word, expr, operand)))
            }
            ExprKind::Norm(Spelling::Sign, inner) => {
                change(POSTFIXED, Box::new(move |rewrite| rewrite.bars("norm(", expr, inner, rewrite.end(expr))))
            }
            ExprKind::Binary(BinaryOp::Power, Spelling::Sign, base, exponent) => {
                if let (ExprKind::Norm(Spelling::Sign, inner), true) = (&base.kind, is_two(exponent)) {
                    return change(
                        POSTFIXED,
                        Box::new(move |rewrite| {
                            rewrite.bars("norm2(", base, inner, rewrite.end(expr));
                        }),
                    );
                }
                let (minus, number) = match &exponent.kind {
                    ExprKind::Unary(UnaryOp::Negate, _, inner) => ("-", &inner.kind),
                    kind => ("", kind),
                };
                let ExprKind::Number { text, .. } = number else { return None };
                change(
                    FACTOR,
                    Box::new(move |rewrite| {
                        rewrite.expr(base, OPERAND);
                        rewrite.edits.replace(rewrite.end(base), rewrite.end(expr), format!("^{minus}{text}"));
                    }),
                )
            }
            ExprKind::Binary(BinaryOp::Dot, Spelling::Sign, left, right) => {
                if !self.is_plain(self.end(left), self.start(right)) {
                    return None;
                }
                change(
                    POSTFIXED,
                    Box::new(move |rewrite| {
                        rewrite.edits.insert(rewrite.start(expr), "dot(");
                        rewrite.ungrouped(left);
                        rewrite.edits.replace(rewrite.end(left), rewrite.start(right), ", ");
                        rewrite.ungrouped(right);
                        rewrite.edits.insert(rewrite.end(expr), ")");
                    }),
                )
            }
            ExprKind::Binary(op, Spelling::Sign, left, _) => {
                let word = match op {
                    BinaryOp::NotEqual => "!=",
                    BinaryOp::LessEqual => "<=",
                    BinaryOp::GreaterEqual => ">=",
                    _ => return None,
                };
                let sign = self.token_at(self.end(left))?;
                let (start, end) = (sign.start, sign.end());
                self.edits.replace(start, end, word);
                None
            }
            ExprKind::Gradient(Spelling::Sign, of) => self.field_word("grad ", expr, of),
            ExprKind::Jacobian(Spelling::Sign, of) => self.field_word("jac ", expr, of),
            ExprKind::Laplacian(Spelling::Sign, of) => self.field_word("laplacian ", expr, of),
            ExprKind::Partial(Spelling::Sign, ..) => self.sign_word("partial", self.start(expr)),
            ExprKind::Sum(Spelling::Sign, ..) => self.sign_word("sum", self.start(expr)),
            ExprKind::Integral(integral) if integral.spelling == Spelling::Sign => {
                let after_rule = integral.rule.as_ref().map_or(expr.span.start, |rule| rule.span.end);
                let at = self.token_at((after_rule - self.base) as usize)?.start;
                let blank = self.text[at + "∫".len()..].starts_with(['[', ' ', '\t', '\n', '\r']);
                self.sign_word(if blank { "int" } else { "int " }, at)
            }
            _ => None,
        }
    }

    /// `√x`, `x'` → `word(x)`; the operand's own parentheses serve the call.
    fn call(&mut self, word: &str, expr: &Expr, operand: &Expr) {
        let (start, end) = (self.start(operand), self.end(operand));
        let group = matches!(operand.kind, ExprKind::Group(_));
        let open = if group { word.to_owned() } else { format!("{word}(") };
        let sign = self.start(expr);
        if sign < start {
            let gap_end = if self.is_plain(sign, start) { start } else { sign + "√".len() };
            self.edits.replace(sign, gap_end, open);
        } else {
            self.edits.insert(start, open);
        }
        self.expr(operand, FREE);
        let close = if group { "" } else { ")" };
        self.edits.replace(end, self.end(expr), close);
    }

    /// `|x|` → `word(x)`, where the last bar and what follows it up to `end` become the parenthesis.
    fn bars(&mut self, word: &str, norm: &Expr, inner: &Expr, end: usize) {
        let start = self.start(norm);
        self.edits.replace(start, start + 1, word);
        self.expr(inner, FREE);
        self.edits.replace(self.end(norm) - 1, end, ")");
    }

    /// An argument of a call, without parentheses of its own.
    fn ungrouped(&mut self, expr: &Expr) {
        if let ExprKind::Group(inner) = &expr.kind {
            let (start, end) = (self.start(expr), self.end(expr));
            self.edits.replace(start, start + 1, "");
            self.expr(inner, FREE);
            self.edits.replace(end - 1, end, "");
        } else {
            self.expr(expr, FREE);
        }
    }

    fn field_word<'e>(&mut self, word: &str, expr: &Expr, of: &Expr) -> Option<Change<'e>> {
        let (start, end) = (self.start(expr), self.start(of));
        if self.is_plain(start, end) {
            self.edits.replace(start, end, word);
        }
        None
    }

    /// Replaces the sign at an offset; the form keeps its shape.
    fn sign_word<'e>(&mut self, word: &str, at: usize) -> Option<Change<'e>> {
        let end = at + self.text[at..].chars().next().map_or(0, char::len_utf8);
        self.edits.replace(at, end, word);
        None
    }
}

fn is_two(exponent: &Expr) -> bool {
    matches!(&exponent.kind, ExprKind::Number { text, .. } if &**text == "2")
}
