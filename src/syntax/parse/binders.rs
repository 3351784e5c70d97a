//! Operands that bind a variable: integrals, means, sums, partial derivatives.

use super::build::{Builder, Children};
use crate::source;
use crate::syntax::grammar::{Pair, Rule};
use crate::syntax::tree::{Differential, Expr, ExprKind, Integral, Spelling, Term};

impl Builder<'_> {
    /// Any alternative of `operand` but `postfixed`.
    pub fn binder(&mut self, pair: Pair<'_>) -> Expr {
        let span = self.span(&pair);
        let rule = pair.as_rule();
        let mut children = Children::of(pair);
        let kind = match rule {
            Rule::mean => {
                children.next();
                let name = self.name(&children.next());
                let drawn = children.take_if(Rule::expr).map(|drawn| Box::new(self.expr(drawn)));
                ExprKind::MeanOver(name, drawn, Box::new(self.chain(children.next())))
            }
            Rule::sum => {
                let spelling = spelling(children.next().as_str());
                let name = self.name(&children.next());
                let bounds = children.take_if(Rule::expr).map(|from| {
                    let from = self.expr(from);
                    Box::new((from, self.expr(children.next())))
                });
                ExprKind::Sum(spelling, name, bounds, Box::new(self.chain(children.next())))
            }
            Rule::partial => {
                let spelling = spelling(children.next().as_str());
                let name = self.name(&children.next());
                ExprKind::Partial(spelling, name, Box::new(self.factor(&mut children)))
            }
            _ => ExprKind::Integral(Box::new(self.integral(&mut children))),
        };
        Expr { kind, span }
    }

    fn integral(&mut self, children: &mut Children<'_>) -> Integral {
        let rule = children.take_if(Rule::rule_name).map(|name| self.name(&name));
        let mut head = Children::of(children.next());
        let spelling = spelling(head.next().as_str());
        let bounds = head.take().map(|bounds| {
            let mut ends = Children::of(bounds);
            (self.expr(ends.next()), self.expr(ends.next()))
        });
        let integrand = self.chain(children.next());
        let (dot, differential) = self.increment(children.next());
        Integral { spelling, rule, bounds, integrand, dot, differential }
    }

    /// A summand of an equation, after its sign.
    pub fn term(&mut self, negative: bool, sign: Option<source::Span>, pair: Pair<'_>) -> Term {
        let span = sign.unwrap_or(source::Span::NONE).to(self.span(&pair));
        let mut children = Children::of(pair);
        let integrand = self.chain(children.next());
        let (dot, differential) = self.increment(children.next());
        Term { negative, integrand, dot, differential, span }
    }

    fn increment(&mut self, pair: Pair<'_>) -> (bool, Differential) {
        let mut children = Children::of(pair);
        let dot = children.take_if(Rule::dot_sign).is_some() || children.take_if(Rule::dot_word).is_some();
        (dot, self.differential(children.next()))
    }

    /// `dW(s)`: `differential`, `dotted_differential` and `left_differential`.
    pub fn differential(&mut self, pair: Pair<'_>) -> Differential {
        let span = self.span(&pair);
        let mut children = Children::of(pair);
        let name = self.name(&children.next());
        let at = children.take().map(|at| Box::new(self.expr(Children::of(at).next())));
        Differential { name, at, span }
    }
}

fn spelling(sign: &str) -> Spelling {
    if sign.is_ascii() { Spelling::Word } else { Spelling::Sign }
}
