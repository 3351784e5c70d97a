//! Sums, products, powers and what follows an operand.

use std::rc::Rc;

use super::errors::{ByVector, Differ, NoProduct, NotSquare, PowerOfVector, ScalarPlusShape};
use super::scope::Scope;
use super::ty::{Tensor, Ty, join};
use super::typer::Typer;
use crate::check::size::Size;
use crate::source::Span;
use crate::syntax::tree::{BinaryOp, Expr, PostfixOp};

impl<'a> Typer<'a> {
    /// `a op b`
    pub(crate) fn binary(
        &mut self,
        op: BinaryOp,
        left: (&Ty<'a>, Span),
        right: (&Ty<'a>, Span),
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        if left.0.is_poison() || right.0.is_poison() {
            return Ty::Poison;
        }
        if let Some(known) = fold(op, left.0, right.0) {
            return known;
        }
        if matches!(op, BinaryOp::And | BinaryOp::Or) {
            return self.logic(op, left, right);
        }
        let (Some(a), Some(b)) = (self.tensor(left.0, left.1, scope), self.tensor(right.0, right.1, scope)) else {
            return Ty::Poison;
        };
        let (a, b) = ((&a, left.1), (&b, right.1));
        match op {
            BinaryOp::Add => self.sum(a, b, "sum"),
            BinaryOp::Subtract => self.sum(a, b, "difference"),
            BinaryOp::Multiply => self.product(a, b),
            BinaryOp::Divide => {
                if b.0.is_scalar() {
                    return Ty::Tensor(Tensor { axes: join(&a.0.axes, &b.0.axes), ..a.0.clone() });
                }
                let help = if b.0.shape.len() == 2 {
                    "multiply by the inverse: `A⁻¹*x`"
                } else {
                    "divide entry by entry, `x[i]/y[i]`, or by a norm, `x/|y|`"
                };
                let (found, call) = (Ty::Tensor(b.0.clone()).describe(), self.through());
                self.report(b.1, ByVector { found, at: b.1, call, help })
            }
            BinaryOp::Dot => {
                if a.0.same_shape(b.0) {
                    return Ty::Tensor(Tensor::scalar(join(&a.0.axes, &b.0.axes)));
                }
                self.differ("an inner product", a, b)
            }
            BinaryOp::Power => self.power(a, b),
            BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Less
            | BinaryOp::LessEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterEqual => {
                if a.0.is_scalar() && b.0.is_scalar() {
                    return Ty::Bool(None, join(&a.0.axes, &b.0.axes));
                }
                self.differ("a comparison of numbers", a, b)
            }
            BinaryOp::And | BinaryOp::Or => Ty::Poison,
        }
    }

    fn logic(&mut self, op: BinaryOp, left: (&Ty<'a>, Span), right: (&Ty<'a>, Span)) -> Ty<'a> {
        match (left.0, right.0) {
            (Ty::Bool(a, x), Ty::Bool(b, y)) => {
                let known = match (op, a, b) {
                    (BinaryOp::And, Some(false), _) | (BinaryOp::And, _, Some(false)) => Some(false),
                    (BinaryOp::Or, Some(true), _) | (BinaryOp::Or, _, Some(true)) => Some(true),
                    (_, Some(_), Some(b)) => Some(*b),
                    _ => None,
                };
                let known = match (op, a, b) {
                    (BinaryOp::And, Some(a), Some(b)) => Some(*a && *b),
                    (BinaryOp::Or, Some(a), Some(b)) => Some(*a || *b),
                    _ => known,
                };
                Ty::Bool(known, join(x, y))
            }
            (Ty::Bool(..), other) => self.wrong_kind("a truth value", other, right.1, None, None),
            (other, _) => self.wrong_kind("a truth value", other, left.1, None, None),
        }
    }

    fn differ(&mut self, what: &'static str, a: (&Tensor, Span), b: (&Tensor, Span)) -> Ty<'a> {
        let (left, right) = (Ty::Tensor(a.0.clone()).describe(), Ty::Tensor(b.0.clone()).describe());
        let call = self.through();
        self.report(a.1.to(b.1), Differ { what, left, right, left_at: a.1, right_at: b.1, call })
    }

    /// `a + b`, `a - b`
    pub(crate) fn sum(&mut self, a: (&Tensor, Span), b: (&Tensor, Span), what: &'static str) -> Ty<'a> {
        if a.0.same_shape(b.0) {
            return Ty::Tensor(Tensor { axes: join(&a.0.axes, &b.0.axes), ..a.0.clone() });
        }
        if a.0.is_scalar() != b.0.is_scalar() {
            let (scalar, shaped) = if a.0.is_scalar() { (a, b) } else { (b, a) };
            let size = shaped.0.shape[0].to_string();
            let square = shaped.0.shape.len() == 2 && shaped.0.shape[0] == shaped.0.shape[1];
            let text = self.text(scalar.1);
            let text = if text.contains([' ', '+', '-']) { format!("({text})") } else { text };
            let help = if square {
                format!("a multiple of the identity is written `{text}*I[{size}]`")
            } else {
                format!("the same number in every entry is written `{text}*ones[{}]`", list(&shaped.0.shape))
            };
            let (shape, call) = (Ty::Tensor(shaped.0.clone()).describe(), self.through());
            return self.report(
                a.1.to(b.1),
                ScalarPlusShape { what, shape, scalar_at: scalar.1, shape_at: shaped.1, call, help },
            );
        }
        self.differ(if what == "sum" { "a sum" } else { "a difference" }, a, b)
    }

    /// `a*b`
    pub(crate) fn product(&mut self, a: (&Tensor, Span), b: (&Tensor, Span)) -> Ty<'a> {
        let axes = join(&a.0.axes, &b.0.axes);
        let (x, y) = (a.0, b.0);
        if x.is_scalar() {
            return Ty::Tensor(Tensor { axes, ..y.clone() });
        }
        if y.is_scalar() {
            return Ty::Tensor(Tensor { axes, ..x.clone() });
        }
        let found = match (x.shape.as_slice(), x.row, y.shape.as_slice(), y.row) {
            ([m, n], _, [k], false) if n == k => Some(Tensor::of(vec![m.clone()], axes)),
            ([m, n], _, [k, l], _) if n == k => Some(Tensor::of(vec![m.clone(), l.clone()], axes)),
            ([n], true, [k], false) if n == k => Some(Tensor::scalar(axes)),
            ([n], true, [k, l], _) if n == k => Some(Tensor { shape: vec![l.clone()], row: true, axes }),
            ([m], false, [n], true) => Some(Tensor::of(vec![m.clone(), n.clone()], axes)),
            _ => None,
        };
        if let Some(found) = found {
            return Ty::Tensor(found);
        }
        let help = match (x.shape.len(), y.shape.len()) {
            (1, 1) if !x.row && !y.row && x.shape == y.shape => {
                "an inner product is written `x·y`, an outer one `x*y'`".to_string()
            }
            (2, 1 | 2) => format!(
                "the columns of the left, {}, and the rows of the right, {}, must be one size; `'` transposes",
                x.shape[1], y.shape[0]
            ),
            (1, 2) => "a vector stands right of its matrix, `A*x`, or is transposed, `x'*A`".to_string(),
            _ => "`*` joins numbers, a matrix and a vector, or two matrices".to_string(),
        };
        let (left, right) = (Ty::Tensor(x.clone()).describe(), Ty::Tensor(y.clone()).describe());
        let call = self.through();
        self.report(a.1.to(b.1), NoProduct { left, right, left_at: a.1, right_at: b.1, call, help })
    }

    fn power(&mut self, base: (&Tensor, Span), exponent: (&Tensor, Span)) -> Ty<'a> {
        let axes = join(&base.0.axes, &exponent.0.axes);
        let wrong = if base.0.is_scalar() { exponent } else { base };
        if base.0.is_scalar() && exponent.0.is_scalar() {
            return Ty::Tensor(Tensor::scalar(axes));
        }
        let text = self.text(wrong.1);
        let help = match wrong.0.shape.len() {
            2 => format!(
                "a square is `{text}*{text}`, an inverse `{text}⁻¹`, the sum of the squares of all entries `|{text}|²`"
            ),
            _ => format!("the sum of the squares of the entries is `|{text}|²`; entry by entry, `diag({text})*{text}`"),
        };
        let (found, call) = (Ty::Tensor(wrong.0.clone()).describe(), self.through());
        self.report(wrong.1, PowerOfVector { found, at: wrong.1, call, help })
    }

    /// `A'`, `A⁻¹`, `A⁻ᵀ`
    pub(crate) fn postfix(&mut self, op: PostfixOp, ty: &Ty<'a>, at: Span, scope: &Rc<Scope<'a>>) -> Ty<'a> {
        let Some(tensor) = self.tensor(ty, at, scope) else { return Ty::Poison };
        let Tensor { shape, row, axes } = tensor.clone();
        match (op, shape.as_slice()) {
            (_, []) => Ty::Tensor(tensor),
            (PostfixOp::Transpose, [_]) => Ty::Tensor(Tensor { shape, row: !row, axes }),
            (PostfixOp::Transpose, [m, n]) => Ty::Tensor(Tensor::of(vec![n.clone(), m.clone()], axes)),
            (PostfixOp::Inverse | PostfixOp::InverseTranspose, [m, n]) if m == n => Ty::Tensor(tensor),
            _ => {
                let what = match op {
                    PostfixOp::Transpose => "a transpose",
                    PostfixOp::Inverse => "an inverse",
                    PostfixOp::InverseTranspose => "an inverse transpose",
                };
                let help = match shape.as_slice() {
                    [m, n] => format!(
                        "{m} and {n} are different sizes; a loss that inverts σ says `requires P.invertible_noise`"
                    ),
                    _ => "a vector is divided by, entry by entry or through its norm".to_string(),
                };
                let (found, call) = (ty_of(&tensor), self.through());
                self.report(at, NotSquare { what, found, at, call, help })
            }
        }
    }

    /// `-e`
    pub(crate) fn negate(&mut self, ty: &Ty<'a>, at: Span, scope: &Rc<Scope<'a>>) -> Ty<'a> {
        match ty {
            Ty::Number(value) => Ty::Number(-value),
            Ty::Size(size) => Ty::Size(size.negate()),
            _ => self.tensor(ty, at, scope).map_or(Ty::Poison, Ty::Tensor),
        }
    }

    /// `if c then a else b`: where c is known before the run, only the chosen branch counts.
    pub(crate) fn choose(
        &mut self,
        condition: &'a Expr,
        branches: (&'a Expr, &'a Expr),
        scope: &Rc<Scope<'a>>,
        expected: Option<&[Size]>,
    ) -> Ty<'a> {
        let (known, axes) = match self.expr(condition, scope, None) {
            Ty::Bool(known, axes) => (known, axes),
            Ty::Poison => return Ty::Poison,
            other => return self.wrong_kind("a truth value", &other, condition.span, None, None),
        };
        match known {
            Some(true) => self.expr(branches.0, scope, expected),
            Some(false) => self.expr(branches.1, scope, expected),
            None => {
                let (a, b) = (self.expr(branches.0, scope, expected), self.expr(branches.1, scope, expected));
                let a = self.tensor(&a, branches.0.span, scope);
                let b = self.tensor(&b, branches.1.span, scope);
                let (Some(a), Some(b)) = (a, b) else { return Ty::Poison };
                if !a.same_shape(&b) {
                    return self.differ("`if`", (&a, branches.0.span), (&b, branches.1.span));
                }
                let axes = join(&join(&axes, &a.axes), &b.axes);
                Ty::Tensor(Tensor { axes, ..a })
            }
        }
    }
}

fn ty_of(tensor: &Tensor) -> String {
    Ty::Tensor(tensor.clone()).describe()
}

fn list(shape: &[Size]) -> String {
    shape.iter().map(Size::to_string).collect::<Vec<_>>().join(", ")
}

/// Arithmetic of what is known before the run.
fn fold<'a>(op: BinaryOp, left: &Ty<'a>, right: &Ty<'a>) -> Option<Ty<'a>> {
    if let (Ty::Number(a), Ty::Number(b)) = (left, right) {
        let truth = |value| Some(Ty::Bool(Some(value), super::ty::Axes::new()));
        return match op {
            BinaryOp::Add => Some(Ty::Number(a + b)),
            BinaryOp::Subtract => Some(Ty::Number(a - b)),
            BinaryOp::Multiply => Some(Ty::Number(a * b)),
            BinaryOp::Divide => Some(Ty::Number(a / b)),
            BinaryOp::Power => whole_power(*a, *b).map_or(Some(Ty::real()), |value| Some(Ty::Number(value))),
            BinaryOp::Equal => truth(a == b),
            BinaryOp::NotEqual => truth(a != b),
            BinaryOp::Less => truth(a < b),
            BinaryOp::LessEqual => truth(a <= b),
            BinaryOp::Greater => truth(a > b),
            BinaryOp::GreaterEqual => truth(a >= b),
            BinaryOp::Dot => Some(Ty::Number(a * b)),
            BinaryOp::And | BinaryOp::Or => None,
        };
    }
    if let (Ty::Index(_), Ty::Number(_)) | (Ty::Number(_), Ty::Index(_)) = (left, right)
        && matches!(op, BinaryOp::Add | BinaryOp::Subtract)
    {
        return Some(Ty::Index(None));
    }
    let (a, b) = (as_size(left)?, as_size(right)?);
    let size = match op {
        BinaryOp::Add => a.add(&b)?,
        BinaryOp::Subtract => a.add(&b.negate())?,
        BinaryOp::Multiply => a.multiply(&b)?,
        BinaryOp::Equal if a == b => return Some(Ty::Bool(Some(true), super::ty::Axes::new())),
        _ => return None,
    };
    Some(Ty::from_size(size))
}

/// The size that a type is, if it is one.
pub(crate) fn as_size(ty: &Ty<'_>) -> Option<Size> {
    match ty {
        Ty::Size(size) => Some(size.clone()),
        Ty::Number(value) if value.fract() == 0.0 && value.abs() < 1e15 => Some(Size::constant(*value as i128)),
        _ => None,
    }
}

fn whole_power(base: f64, exponent: f64) -> Option<f64> {
    if exponent.fract() != 0.0 || exponent.abs() > 64.0 {
        return None;
    }
    Some(base.powi(exponent as i32))
}
