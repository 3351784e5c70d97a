//! Names in expressions and written types.

use super::errors::UnknownType;
use super::{Resolver, Role};
use crate::check::walk::{as_name, children};
use crate::diagnostic::nearest;
use crate::source::Name;
use crate::syntax::tree::{Expr, ExprKind, Integral, Let, Param, TypeExpr, TypeKind};

/// The types that are words.
pub(super) const TYPE_WORDS: [&str; 7] = ["Nat", "Bool", "Text", "Problem", "Optimizer", "Layer", "Loss"];

/// The types that a problem has as members.
pub(super) const MEMBER_TYPES: [&str; 5] = ["State", "Control", "Noise", "Path", "Brownian"];

/// What stands in brackets after a statistic over samples.
const AXES_OF_SAMPLES: [&str; 2] = ["sample", "other"];

impl Resolver<'_> {
    pub(super) fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Name(name) => self.need(name),
            ExprKind::Lambda(params, body) => {
                self.enter();
                self.params(params, false);
                self.expr(body);
                self.leave();
            }
            // A statistic over the samples names its axis in brackets.
            ExprKind::Index(base, indices)
                if matches!(as_name(base), Some(name) if !AXES_OF_SAMPLES.contains(&name.key.as_str()) && !self.is_local(&name.key))
                    && matches!(indices.as_slice(), [one] if matches!(as_name(one), Some(name) if AXES_OF_SAMPLES.contains(&name.key.as_str()) && !self.is_known(&name.key))) =>
            {
                self.expr(base);
            }
            ExprKind::Partial(_, name, body) => {
                self.need(name);
                self.expr(body);
            }
            ExprKind::MeanOver(name, drawn, body) => {
                if let Some(drawn) = drawn {
                    self.expr(drawn);
                }
                self.binder(name, body);
            }
            ExprKind::Sum(_, name, bounds, body) => {
                for end in bounds.iter().flat_map(|pair| [&pair.0, &pair.1]) {
                    self.expr(end);
                }
                self.binder(name, body);
            }
            ExprKind::Comprehension(entry, indices) => {
                self.enter();
                for (name, from, to) in indices {
                    self.expr(from);
                    self.expr(to);
                    self.bind(name);
                }
                self.expr(entry);
                self.leave();
            }
            ExprKind::Integral(integral) => self.integral(integral),
            ExprKind::With(base, lets) => {
                self.expr(base);
                for one in lets {
                    self.let_value(one);
                }
            }
            _ => {
                for child in children(expr) {
                    self.expr(child);
                }
            }
        }
    }

    fn binder(&mut self, name: &Name, body: &Expr) {
        self.enter();
        self.bind(name);
        self.expr(body);
        self.leave();
    }

    fn integral(&mut self, integral: &Integral) {
        for end in integral.bounds.iter().flat_map(|(from, to)| [from, to]) {
            self.expr(end);
        }
        let differential = &integral.differential;
        self.enter();
        match differential.at.as_deref() {
            Some(at) => {
                self.need(&differential.name);
                match as_name(at) {
                    Some(variable) => self.bind(variable),
                    None => self.expr(at),
                }
            }
            None if self.is_noise(&differential.name.key) => self.bind_usual("t", differential.span),
            None => self.bind(&differential.name),
        }
        self.expr(&integral.integrand);
        self.leave();
    }

    /// The right-hand side of a `let`, its parameters in scope.
    pub(super) fn let_value(&mut self, one: &Let) {
        self.enter();
        if let Some(params) = &one.params {
            self.params(params, false);
        }
        if let Some(ty) = &one.ty {
            self.ty(ty, false);
        }
        self.expr(&one.value);
        self.leave();
    }

    /// Declares parameters in the innermost frame, types and defaults in the scope of those before. With `sizes`,
    /// unknown names in sizes are declared too, as layers do.
    pub(super) fn params(&mut self, params: &[Param], sizes: bool) {
        for param in params {
            if let Some(ty) = &param.ty {
                self.ty(ty, sizes);
            }
            if let Some(default) = &param.default {
                self.expr(default);
            }
            match param.ty.as_ref().and_then(member_type) {
                Some("Brownian") => self.declare(&param.name, Role::Noise),
                _ => self.declare(&param.name, Role::Plain),
            }
        }
    }

    pub(super) fn ty(&mut self, ty: &TypeExpr, sizes: bool) {
        match &ty.kind {
            TypeKind::Real(dims) | TypeKind::Law(dims) | TypeKind::Samples(dims) => {
                for dim in dims {
                    if sizes && let Some(name) = as_name(dim) {
                        if !self.is_local(&name.key) && !self.top.contains_key(&name.key) {
                            self.bind(name);
                        }
                    } else {
                        self.expr(dim);
                    }
                }
            }
            TypeKind::Named(path) => match path.as_slice() {
                [word] => self.type_word(word, &TYPE_WORDS),
                [owner, member] => {
                    self.need(owner);
                    self.type_word(member, &MEMBER_TYPES);
                }
                _ => self.unknown_type(path),
            },
            TypeKind::List(inner) => self.ty(inner, sizes),
            TypeKind::Function(inputs, output) => {
                for input in inputs {
                    self.ty(input, sizes);
                }
                self.ty(output, sizes);
            }
        }
    }

    fn type_word(&mut self, word: &Name, known: &[&'static str]) {
        if known.contains(&&*word.text) {
            return;
        }
        let help = match nearest(&word.text, known.iter().copied()) {
            Some(near) => format!("did `{near}` stand here?"),
            None => format!(
                "expected `R`, `R[…]`, {}",
                known.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ")
            ),
        };
        self.sink.push(UnknownType { name: word.text.to_string(), help, at: word.span });
    }

    fn unknown_type(&mut self, path: &[Name]) {
        let Some(span) = path.iter().map(|name| name.span).reduce(crate::source::Span::to) else { return };
        let words: Vec<&str> = path.iter().map(|name| &*name.text).collect();
        let help = "a type is `R`, `R[…]`, `Nat`, or a problem's `P.State`, `P.Control`, `P.Noise`".to_string();
        self.sink.push(UnknownType { name: words.join("."), help, at: span });
    }
}

/// The word after the `.` of a type such as `P.Path`.
fn member_type(ty: &TypeExpr) -> Option<&str> {
    match &ty.kind {
        TypeKind::Named(path) if path.len() == 2 => Some(path[1].key.as_str()),
        _ => None,
    }
}
