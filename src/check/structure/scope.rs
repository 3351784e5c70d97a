//! What the formulas of one problem may mention, and what lies behind its own `let`s.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::walk::{as_name, binds, free_names, free_names_of_let};
use crate::source::Symbol;
use crate::syntax::tree::{BinaryOp, Definition, Expr, ExprKind, Let, Param, StatementKind, TypeKind, UnaryOp};

/// The names of a problem's body.
pub(super) struct Scope<'a> {
    lets: BTreeMap<Symbol, &'a Let>,
    params: BTreeMap<Symbol, &'a Param>,
    /// The free names of every `let`, those of the `let`s it uses included.
    reach: BTreeMap<Symbol, BTreeSet<Symbol>>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(definition: &'a Definition) -> Self {
        let mut scope = Self {
            lets: BTreeMap::new(),
            params: definition.params.iter().map(|param| (param.name.key.clone(), param)).collect(),
            reach: BTreeMap::new(),
        };
        for statement in &definition.body.statements {
            if let StatementKind::Let(one) = &statement.kind {
                scope.reach.insert(one.name.key.clone(), free_names_of_let(one));
                scope.lets.insert(one.name.key.clone(), one);
            }
        }
        // Definitions stand in any order, so what each reaches spreads until nothing changes.
        loop {
            let wider: BTreeMap<Symbol, BTreeSet<Symbol>> =
                scope.reach.iter().map(|(name, direct)| (name.clone(), scope.spread(direct.clone()))).collect();
            if wider == scope.reach {
                return scope;
            }
            scope.reach = wider;
        }
    }

    pub(super) fn find_let(&self, key: &Symbol) -> Option<&'a Let> {
        self.lets.get(key).copied()
    }

    /// All names on which the value of `expr` may depend, `let`s looked into.
    pub(super) fn reach(&self, expr: &Expr) -> BTreeSet<Symbol> {
        self.spread(free_names(expr))
    }

    /// Whether `expr` may depend on one of `names`.
    pub(super) fn depends(&self, expr: &Expr, names: &[Symbol]) -> bool {
        let reach = self.reach(expr);
        names.iter().any(|name| reach.contains(name))
    }

    fn spread(&self, direct: BTreeSet<Symbol>) -> BTreeSet<Symbol> {
        let mut all = direct.clone();
        for name in &direct {
            if let Some(behind) = self.reach.get(name) {
                all.extend(behind.iter().cloned());
            }
        }
        all
    }

    /// The value of a call of one of the problem's own functions, the arguments in place of the parameters; `None` for
    /// anything else, and where substitution would be unsafe.
    pub(super) fn unfold(&self, expr: &Expr) -> Option<Expr> {
        match &expr.kind {
            ExprKind::Name(name) => {
                let one = self.find_let(&name.key)?;
                if one.params.is_some() {
                    return None;
                }
                Some(one.value.clone())
            }
            ExprKind::Call(callee, arguments) => {
                let one = self.find_let(&as_name(callee)?.key)?;
                let params = one.params.as_ref()?;
                if params.len() != arguments.len() || arguments.iter().any(|argument| argument.name.is_some()) {
                    return None;
                }
                if binds(&one.value) {
                    return None;
                }
                let values: BTreeMap<Symbol, &Expr> = params
                    .iter()
                    .zip(arguments)
                    .map(|(param, argument)| (param.name.key.clone(), &argument.value))
                    .collect();
                Some(substitute(&one.value, &values))
            }
            _ => None,
        }
    }

    /// `expr` with all of the problem's own `let`s looked into.
    pub(super) fn unfold_all(&self, expr: &Expr) -> Expr {
        self.unfold_some(expr, 16, &mut 4096)
    }

    /// `budget` bounds the expressions looked at, for `let`s that double at each level grow without end.
    fn unfold_some(&self, expr: &Expr, depth: usize, budget: &mut usize) -> Expr {
        if depth == 0 || *budget == 0 {
            return expr.clone();
        }
        *budget -= 1;
        if let Some(value) = self.unfold(expr) {
            return group(self.unfold_some(&value, depth - 1, budget));
        }
        map_children(expr, &mut |child| self.unfold_some(child, depth, budget))
    }

    /// Whether `expr` is surely a real number, from its form alone.
    pub(super) fn is_scalar(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Number { .. } | ExprKind::Norm(..) => true,
            ExprKind::Group(inner) | ExprKind::Unary(UnaryOp::Negate | UnaryOp::SquareRoot, _, inner) => {
                self.is_scalar(inner)
            }
            ExprKind::Binary(BinaryOp::Dot, ..) => true,
            ExprKind::Binary(
                BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Power,
                _,
                a,
                b,
            ) => self.is_scalar(a) && self.is_scalar(b),
            ExprKind::Name(name) => {
                if let Some(one) = self.find_let(&name.key) {
                    return one.params.is_none() && self.is_scalar(&one.value);
                }
                self.params.get(&name.key).and_then(|param| param.ty.as_ref()).is_some_and(|ty| match &ty.kind {
                    TypeKind::Real(sizes) => sizes.is_empty(),
                    TypeKind::Named(path) => path.len() == 1 && path[0].key.as_str() == "Nat",
                    TypeKind::Samples(_) | TypeKind::Law(_) | TypeKind::List(_) | TypeKind::Function(..) => false,
                })
            }
            ExprKind::Call(callee, arguments) => {
                let elementwise = ["exp", "log", "sqrt", "sin", "cos", "tanh", "abs", "min", "max"];
                let known = as_name(callee).is_some_and(|name| elementwise.contains(&name.key.as_str()));
                known && arguments.iter().all(|argument| self.is_scalar(&argument.value))
            }
            _ => false,
        }
    }
}

fn group(expr: Expr) -> Expr {
    let span = expr.span;
    match expr.kind {
        ExprKind::Binary(..) | ExprKind::Unary(..) | ExprKind::If(..) => {
            Expr { kind: ExprKind::Group(Box::new(expr)), span }
        }
        _ => expr,
    }
}

fn substitute(expr: &Expr, values: &BTreeMap<Symbol, &Expr>) -> Expr {
    if let ExprKind::Name(name) = &expr.kind
        && let Some(value) = values.get(&name.key)
    {
        return group((*value).clone());
    }
    map_children(expr, &mut |child| substitute(child, values))
}

/// `expr` with every direct child replaced; forms that bind names are left as they are.
fn map_children(expr: &Expr, f: &mut dyn FnMut(&Expr) -> Expr) -> Expr {
    let mut boxed = |child: &Expr| Box::new(f(child));
    let kind = match &expr.kind {
        ExprKind::Group(a) => ExprKind::Group(boxed(a)),
        ExprKind::Unary(op, spelling, a) => ExprKind::Unary(*op, *spelling, boxed(a)),
        ExprKind::Postfix(op, spelling, a) => ExprKind::Postfix(*op, *spelling, boxed(a)),
        ExprKind::Norm(spelling, a) => ExprKind::Norm(*spelling, boxed(a)),
        ExprKind::Binary(op, spelling, a, b) => ExprKind::Binary(*op, *spelling, boxed(a), boxed(b)),
        ExprKind::If(a, b, c) => ExprKind::If(boxed(a), boxed(b), boxed(c)),
        ExprKind::Tuple(items) => ExprKind::Tuple(items.iter().map(f).collect()),
        ExprKind::List(items) => ExprKind::List(items.iter().map(f).collect()),
        ExprKind::Range(a, b) => ExprKind::Range(boxed(a), boxed(b)),
        ExprKind::Index(a, indices) => ExprKind::Index(boxed(a), indices.iter().map(f).collect()),
        ExprKind::Member(a, name) => ExprKind::Member(boxed(a), name.clone()),
        ExprKind::Call(callee, arguments) => {
            let arguments = arguments.iter().map(|argument| {
                let mut argument = argument.clone();
                argument.value = f(&argument.value);
                argument
            });
            ExprKind::Call(callee.clone(), arguments.collect())
        }
        other => other.clone(),
    };
    Expr { kind, span: expr.span }
}
