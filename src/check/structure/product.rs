//! Products taken apart into a number and factors, and the number by which one sum of products exceeds another.

use super::scope::Scope;
use crate::check::walk::{as_name, canonical, combine, number, peel};
use crate::source::Span;
use crate::syntax::tree::{BinaryOp, Expr, ExprKind, UnaryOp};

/// ± number · factors / divisors, in the order of the text.
#[derive(Clone)]
pub(super) struct Product {
    pub(super) number: f64,
    pub(super) factors: Vec<Factor>,
    pub(super) divisors: Vec<Factor>,
}

/// One factor with the text by which it is compared.
#[derive(Clone)]
pub(super) struct Factor {
    pub(super) expr: Expr,
    pub(super) text: String,
}

/// The summands of a formula, sums flattened, products taken apart. A sum inside a product stays one factor.
pub(super) fn split_products(terms: &[(bool, Expr)]) -> Vec<Product> {
    let mut found = Vec::new();
    for (negative, expr) in terms {
        split_sum(expr, *negative, &mut found);
    }
    found
}

fn split_sum(expr: &Expr, negative: bool, out: &mut Vec<Product>) {
    match &peel(expr).kind {
        ExprKind::Binary(BinaryOp::Add, _, a, b) => {
            split_sum(a, negative, out);
            split_sum(b, negative, out);
        }
        ExprKind::Binary(BinaryOp::Subtract, _, a, b) => {
            split_sum(a, negative, out);
            split_sum(b, !negative, out);
        }
        ExprKind::Unary(UnaryOp::Negate, _, a) => split_sum(a, !negative, out),
        _ => {
            let mut product =
                Product { number: if negative { -1.0 } else { 1.0 }, factors: Vec::new(), divisors: Vec::new() };
            split_product(expr, &mut product);
            out.push(product);
        }
    }
}

fn split_product(expr: &Expr, out: &mut Product) {
    let expr = peel(expr);
    match &expr.kind {
        ExprKind::Number { value, .. } => out.number *= value,
        ExprKind::Unary(UnaryOp::Negate, _, inner) => {
            out.number = -out.number;
            split_product(inner, out);
        }
        ExprKind::Binary(BinaryOp::Multiply, _, a, b) => {
            split_product(a, out);
            split_product(b, out);
        }
        ExprKind::Binary(BinaryOp::Divide, _, a, b) => {
            split_product(a, out);
            let mut below = Product { number: 1.0, factors: Vec::new(), divisors: Vec::new() };
            split_product(b, &mut below);
            out.number /= below.number;
            out.divisors.extend(below.factors);
            out.factors.extend(below.divisors);
        }
        ExprKind::Index(base, _) if as_name(base).is_some_and(|name| name.key.as_str() == "I") => {}
        _ => out.factors.push(Factor { expr: expr.clone(), text: canonical(expr) }),
    }
}

/// The number c, made of constants alone, with `left = c·right` as sums of products; `None` if the forms show none.
pub(super) fn find_ratio(
    scope: &Scope<'_>,
    varying: &[crate::source::Symbol],
    left: &[(bool, Expr)],
    right: &[(bool, Expr)],
    span: Span,
) -> Option<Ratio> {
    let (left, mut right) = (split_products(left), split_products(right));
    if left.len() != right.len() || left.is_empty() {
        return None;
    }
    let mut ratio: Option<Ratio> = None;
    for product in &left {
        let found = right.iter().enumerate().find_map(|(place, other)| {
            let candidate = divide(scope, varying, product, other)?;
            let fits =
                ratio.as_ref().is_none_or(|known| known.key == candidate.key && known.number == candidate.number);
            fits.then_some((place, candidate))
        });
        let (place, candidate) = found?;
        right.remove(place);
        ratio = Some(candidate);
    }
    ratio.map(|mut ratio| {
        ratio.span = span;
        ratio
    })
}

/// number · above / below, all constants.
pub(super) struct Ratio {
    number: f64,
    above: Vec<Expr>,
    below: Vec<Expr>,
    key: String,
    span: Span,
}

impl Ratio {
    /// Whether two ratios are the same by form.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.number == other.number && self.key == other.key
    }

    /// The ratio as a formula.
    pub(super) fn into_expr(self) -> Expr {
        let mut above = self.above.into_iter();
        let mut expr = match above.next() {
            Some(first) if self.number == 1.0 => first,
            Some(first) => combine(BinaryOp::Multiply, number(self.number, self.span), first),
            None => number(self.number, self.span),
        };
        for factor in above {
            expr = combine(BinaryOp::Multiply, expr, factor);
        }
        for factor in self.below {
            expr = combine(BinaryOp::Divide, expr, factor);
        }
        Expr { kind: ExprKind::Group(Box::new(expr)), span: self.span }
    }

    /// Whether the number is surely not negative: a negative literal makes the noise scale −√λ.
    pub(super) fn is_positive(&self) -> bool {
        self.number > 0.0
    }
}

fn divide(scope: &Scope<'_>, varying: &[crate::source::Symbol], left: &Product, right: &Product) -> Option<Ratio> {
    if right.number == 0.0 {
        return None;
    }
    let above = remaining(&left.factors, &right.factors);
    let below = remaining(&right.factors, &left.factors);
    let above_divisors = remaining(&left.divisors, &right.divisors);
    let below_divisors = remaining(&right.divisors, &left.divisors);
    if order(&left.factors, &above, scope) != order(&right.factors, &below, scope) {
        return None;
    }
    let above: Vec<Factor> = above.into_iter().chain(below_divisors).collect();
    let below: Vec<Factor> = below.into_iter().chain(above_divisors).collect();
    let constant = |factor: &Factor| scope.is_scalar(&factor.expr) && !scope.depends(&factor.expr, varying);
    if !above.iter().chain(&below).all(constant) {
        return None;
    }
    let texts = |factors: &[Factor]| {
        let mut texts: Vec<String> = factors.iter().map(|factor| factor.text.clone()).collect();
        texts.sort();
        texts.join(" * ")
    };
    let key = format!("{} / {}", texts(&above), texts(&below));
    let exprs = |factors: Vec<Factor>| {
        factors
            .into_iter()
            .map(|factor| match factor.expr.kind {
                ExprKind::Binary(..) => Expr { span: factor.expr.span, kind: ExprKind::Group(Box::new(factor.expr)) },
                _ => factor.expr,
            })
            .collect()
    };
    Some(Ratio { number: left.number / right.number, above: exprs(above), below: exprs(below), key, span: Span::NONE })
}

/// The factors of `all` that are left after each factor of `taken` has cancelled one equal to it.
fn remaining(all: &[Factor], taken: &[Factor]) -> Vec<Factor> {
    let mut taken: Vec<&str> = taken.iter().map(|factor| factor.text.as_str()).collect();
    let mut left = Vec::new();
    for factor in all {
        match taken.iter().position(|text| *text == factor.text) {
            Some(place) => {
                taken.remove(place);
            }
            None => left.push(factor.clone()),
        }
    }
    left
}

/// The matrix factors that cancelled, in order: matrices do not commute, so both products must agree on it.
fn order(all: &[Factor], left: &[Factor], scope: &Scope<'_>) -> Vec<String> {
    let mut left: Vec<&str> = left.iter().map(|factor| factor.text.as_str()).collect();
    let mut texts = Vec::new();
    for factor in all {
        if let Some(place) = left.iter().position(|text| *text == factor.text) {
            left.remove(place);
        } else if !scope.is_scalar(&factor.expr) {
            texts.push(factor.text.clone());
        }
    }
    texts
}

/// The number before `|u|²` in a product that is nothing else: ½ for `½*|u|²`, `|u|²/2`, `½*(u·u)`, `½*u'*u`.
pub(super) fn quadratic_coefficient(product: &Product, control: &crate::source::Symbol) -> Option<f64> {
    if !product.divisors.is_empty() {
        return None;
    }
    let is_control = |expr: &Expr| as_name(expr).is_some_and(|name| name.key == *control);
    match product.factors.as_slice() {
        [one] => match &one.expr.kind {
            ExprKind::Binary(BinaryOp::Power, _, base, power) => {
                let squared = matches!(peel(power).kind, ExprKind::Number { value, .. } if value == 2.0);
                let norm = matches!(&peel(base).kind, ExprKind::Norm(_, inner) if is_control(inner));
                (squared && norm).then_some(product.number)
            }
            ExprKind::Binary(BinaryOp::Dot, _, a, b) => (is_control(a) && is_control(b)).then_some(product.number),
            _ => None,
        },
        [row, column] => {
            let transposed = matches!(&row.expr.kind, ExprKind::Postfix(crate::syntax::tree::PostfixOp::Transpose, _, inner) if is_control(inner));
            let twice = matches!((&row.expr.kind, &column.expr.kind), (ExprKind::Norm(_, a), ExprKind::Norm(_, b)) if is_control(a) && is_control(b));
            ((transposed && is_control(&column.expr)) || twice).then_some(product.number)
        }
        _ => None,
    }
}
