//! Layers and nets: a layer is typed at the sizes of each use.

use std::rc::Rc;

use super::call::Arg;
use super::errors::{FrozenWithoutFile, ResultDiffers, TooManyArguments, UnboundSize, WrongShape};
use super::expr::count;
use super::function::{Declared, Function, Signature};
use super::scope::Scope;
use super::ty::{Axes, Tensor, Ty};
use super::typer::Typer;
use crate::check::size::Size;
use crate::check::walk::as_name;
use crate::source::Span;
use crate::syntax::tree::{Expr, ExprKind, Layer, Net, StatementKind, TypeExpr, TypeKind};

/// The role of a net whose parameters do not move.
pub(super) const FROZEN: &str = "frozen net";

impl<'a> Typer<'a> {
    /// A net is known by its declared type.
    pub(crate) fn net_type(&mut self, net: &'a Net, root: &Rc<Scope<'a>>) -> Ty<'a> {
        let mut inputs = Vec::new();
        for param in &net.inputs {
            inputs.push(if let Some(written) = &param.ty {
                self.declared(written, root)
            } else {
                let help = Some(format!("say what flows in: `{}: R[d]`", param.name));
                let error = super::errors::WrongKind {
                    expected: "a type for each input of a net".into(),
                    found: "none".into(),
                    at: param.span,
                    because: None,
                    call: None,
                    help,
                };
                self.report(param.span, error);
                Declared::Poison
            });
        }
        let output = self.declared(&net.output, root);
        if inputs.iter().chain([&output]).any(|one| matches!(one, Declared::Poison)) {
            return Ty::Poison;
        }
        let signature = Rc::new(Signature { inputs, output });
        Ty::Function(Rc::new(Function::Declared {
            name: net.name.text.clone(),
            role: if net.frozen.is_some() { FROZEN } else { "net" },
            signature,
            span: net.name.span,
        }))
    }

    /// The layers of a net at its inputs, against its declared result.
    pub(crate) fn check_net(&mut self, net: &'a Net, root: &Rc<Scope<'a>>) {
        let inner = Scope::child(root);
        for param in &net.inputs {
            let Some(written) = &param.ty else { return };
            let declared = self.declared(written, root);
            inner.bind(&param.name.key, super::fit::sample_of(&declared, param.span));
        }
        if let (Some(at), None) = (net.frozen, &net.stored) {
            self.report(at, FrozenWithoutFile { net: net.name.text.to_string(), at });
        }
        let declared = self.declared(&net.output, root);
        let Declared::Tensor(shape) = &declared else { return };
        self.asked = Some(net.output.span);
        let ty = self.expr(&net.value, &inner, Some(shape));
        self.asked = None;
        if ty.is_poison() {
            return;
        }
        let what = format!("the result of the net `{}`", net.name);
        let also = last_layer(&net.value);
        let Some(tensor) = self.tensor(&ty, net.value.span, &inner) else { return };
        if tensor.shape == *shape {
            return;
        }
        let at = also.unwrap_or(net.value.span);
        self.fit_shape(shape, tensor, at, Some(net.output.span), &what);
    }

    /// A layer with its parameters; one without any takes its inputs at once.
    pub(crate) fn call_layer(
        &mut self,
        layer: &'a Layer,
        module: usize,
        given: Vec<Arg<'a>>,
        at: Span,
        scope: &Rc<Scope<'a>>,
        expected: Option<&[Size]>,
    ) -> Ty<'a> {
        let inner = Scope::child(&self.root(module));
        if layer.params.is_empty() && !given.is_empty() {
            return self.apply_layer(layer, &inner, given, at, scope, expected);
        }
        let callee = format!("the layer `{}`", layer.name);
        if !self.bind_params(&layer.params, given, &inner, at, &callee, Some(layer.name.span)) {
            return Ty::Poison;
        }
        Ty::Function(Rc::new(Function::Applied { layer, scope: inner }))
    }

    /// A layer at its inputs; several for one parameter are joined to a vector.
    pub(crate) fn apply_layer(
        &mut self,
        layer: &'a Layer,
        bound: &Rc<Scope<'a>>,
        given: Vec<Arg<'a>>,
        at: Span,
        scope: &Rc<Scope<'a>>,
        expected: Option<&[Size]>,
    ) -> Ty<'a> {
        let inner = Scope::child(bound);
        if given.iter().any(|one| one.ty.is_poison()) {
            return Ty::Poison;
        }
        let values: Vec<(Ty<'a>, Span)> = if layer.inputs.len() == 1 && given.len() > 1 {
            let types: Vec<Ty<'a>> = given.iter().map(|one| one.ty.clone()).collect();
            let place = given.iter().map(|one| one.span).reduce(Span::to).unwrap_or(at);
            match self.joined(&types, place, scope) {
                Some(tensor) => vec![(Ty::Tensor(tensor), place)],
                None => return Ty::Poison,
            }
        } else {
            given.into_iter().map(|one| (one.ty, one.span)).collect()
        };
        if values.len() != layer.inputs.len() {
            let callee = format!("the layer `{}`", layer.name);
            let expected = count(layer.inputs.len(), "input", "inputs");
            let (found, call) = (values.len(), self.through());
            let because = Some(layer.name.span);
            return self.report(at, TooManyArguments { callee, expected, found, at, because, call, help: None });
        }
        let mut axes = Axes::new();
        for (param, (ty, span)) in layer.inputs.iter().zip(values) {
            let Some(mut tensor) = self.tensor(&ty, span, scope) else { return Ty::Poison };
            if let Some(written) = &param.ty {
                // A number goes where a vector of one component is asked for.
                if matches!(&written.kind, TypeKind::Real(sizes) if sizes.len() == 1) && tensor.is_scalar() {
                    tensor.shape = vec![Size::constant(1)];
                }
                let what = format!("the input `{}` of the layer `{}`", param.name, layer.name);
                if !self.match_sizes(written, &tensor, &inner, span, &what) {
                    return Ty::Poison;
                }
            }
            axes = super::ty::join(&axes, &tensor.axes);
            inner.bind(&param.name.key, Ty::Tensor(tensor));
        }
        if let Some(expected) = expected {
            let asked = Tensor::of(expected.to_vec(), Axes::new());
            if !self.match_result(layer, &asked, &inner, at) {
                return Ty::Poison;
            }
        }
        if let Some(size) = self.open_size(&layer.output, &inner) {
            let name = self.text(size);
            return self.report(at, UnboundSize { name, at, because: size });
        }
        self.calls.push(at);
        let asked = self.asked.replace(layer.output.span);
        let ty = self.layer_body(layer, &inner);
        self.asked = asked;
        self.calls.pop();
        ty
    }

    fn layer_body(&mut self, layer: &'a Layer, inner: &Rc<Scope<'a>>) -> Ty<'a> {
        let declared = self.declared(&layer.output, inner);
        let shape = match &declared {
            Declared::Tensor(shape) => Some(shape.clone()),
            _ => None,
        };
        let mut result = None;
        for statement in &layer.body.statements {
            match &statement.kind {
                StatementKind::Let(one) => {
                    inner.set(&one.name.key, super::scope::Binding::Lazy(one));
                    self.lookup(&one.name, inner);
                }
                StatementKind::Parameter { name, ty, drawn, init } => {
                    let ty = self.parameter(name, ty, *drawn, init, inner);
                    inner.bind(&name.key, ty);
                }
                StatementKind::Return(value) => result = Some(value),
                _ => {}
            }
        }
        let Some(value) = result else {
            let error = super::errors::MissingStatement {
                place: layer.name.text.to_string(),
                what: "`return`",
                help: "a layer ends with `return` and its result",
                at: layer.name.span,
            };
            return self.report(layer.name.span, error);
        };
        let ty = self.expr(value, inner, shape.as_deref());
        let what = format!("the result of the layer `{}`", layer.name);
        self.fit(&declared, ty, value.span, Some(layer.output.span), &what, inner)
    }

    /// `param W: R[n, m] ~ uniform(-k, k)`
    fn parameter(
        &mut self,
        name: &crate::source::Name,
        written: &'a TypeExpr,
        drawn: bool,
        init: &'a Expr,
        inner: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let declared = self.declared(written, inner);
        let Declared::Tensor(shape) = &declared else {
            if !matches!(declared, Declared::Poison) {
                let found = format!("the type {}", declared.describe());
                let error = super::errors::WrongKind {
                    expected: "a parameter of real numbers".into(),
                    found,
                    at: written.span,
                    because: None,
                    call: self.through(),
                    help: None,
                };
                self.report(written.span, error);
            }
            return Ty::Poison;
        };
        let whole = Ty::Tensor(Tensor::of(shape.clone(), Axes::new()));
        let what = format!("the first value of `{name}`");
        let value = self.expr(init, inner, Some(shape));
        match (drawn, &value) {
            (_, Ty::Poison) => {}
            (true, Ty::Law(law, ..)) => {
                if !law.is_empty() {
                    self.fit_shape(shape, Tensor::of(law.clone(), Axes::new()), init.span, Some(written.span), &what);
                }
            }
            (true, other) => {
                let other = other.clone();
                self.wrong_kind("a law after `~`", &other, init.span, None, Some("a value is given with `=`".into()));
            }
            (false, Ty::Law(..)) => {
                self.wrong_kind(
                    "a value after `=`",
                    &value,
                    init.span,
                    None,
                    Some("a draw is written with `~`".into()),
                );
            }
            // A number fills the whole parameter.
            (false, _) => {
                if let Some(tensor) = self.tensor(&value, init.span, inner)
                    && !tensor.is_scalar()
                {
                    self.fit_shape(shape, tensor, init.span, Some(written.span), &what);
                }
            }
        }
        whole
    }

    /// Binds the size names of a written type that are still free by a shape, and compares the others.
    fn match_sizes(
        &mut self,
        written: &'a TypeExpr,
        found: &Tensor,
        inner: &Rc<Scope<'a>>,
        at: Span,
        what: &str,
    ) -> bool {
        self.match_shape(written, found, inner, |typer, expected, found| {
            let call = typer.through();
            let error = WrongShape {
                what: what.to_string(),
                expected,
                found,
                at,
                because: Some(written.span),
                call,
                help: None,
            };
            typer.report(at, error);
        })
    }

    /// The same for a result: the place of use asks, the layer says.
    fn match_result(&mut self, layer: &'a Layer, asked: &Tensor, inner: &Rc<Scope<'a>>, at: Span) -> bool {
        self.match_shape(&layer.output, asked, inner, |typer, said, asked| {
            let (asked_at, call) = (typer.asked, typer.through());
            let error = ResultDiffers {
                layer: layer.name.text.to_string(),
                asked,
                said,
                at,
                asked_at,
                said_at: layer.output.span,
                call,
            };
            typer.report(at, error);
        })
    }

    fn match_shape(
        &mut self,
        written: &'a TypeExpr,
        tensor: &Tensor,
        inner: &Rc<Scope<'a>>,
        wrong: impl FnOnce(&mut Self, String, String),
    ) -> bool {
        let TypeKind::Real(sizes) = &written.kind else { return true };
        let describe = |shape: Vec<Size>| Ty::Tensor(Tensor::of(shape, Axes::new())).describe();
        if sizes.len() != tensor.shape.len() {
            let said = match sizes.len() {
                0 => "a number".to_string(),
                1 => "a vector".to_string(),
                2 => "a matrix".to_string(),
                many => format!("an array of {many} dimensions"),
            };
            wrong(self, said, Ty::Tensor(tensor.clone()).describe());
            return false;
        }
        let mut said = Vec::new();
        for (size, found) in sizes.iter().zip(&tensor.shape) {
            if let Some(name) = self.free_size(size, inner) {
                inner.bind(&name, Ty::from_size(found.clone()));
                said.push(found.clone());
                continue;
            }
            match self.size(size, inner) {
                Some(size) => said.push(size),
                None => return false,
            }
        }
        if said == tensor.shape && !tensor.row {
            return true;
        }
        wrong(self, describe(said), Ty::Tensor(tensor.clone()).describe());
        false
    }

    /// The name in a size that nothing binds yet.
    fn free_size(&self, size: &'a Expr, inner: &Rc<Scope<'a>>) -> Option<crate::source::Symbol> {
        let name = as_name(size)?;
        let known = inner.find(&name.key).is_some() || self.resolved[inner.module].names.contains_key(&name.key);
        (!known).then(|| name.key.clone())
    }

    /// A size of the result that nothing says.
    fn open_size(&self, written: &'a TypeExpr, inner: &Rc<Scope<'a>>) -> Option<Span> {
        let TypeKind::Real(sizes) = &written.kind else { return None };
        sizes.iter().find(|size| self.free_size(size, inner).is_some()).map(|size| size.span)
    }
}

/// The callee of the outermost application, which decides the size of a net's result.
fn last_layer(value: &Expr) -> Option<Span> {
    match &value.kind {
        ExprKind::Call(..) => Some(value.span),
        ExprKind::Group(inner) => last_layer(inner),
        _ => None,
    }
}
