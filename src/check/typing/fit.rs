//! Written types, and values against them.

use std::rc::Rc;

use super::arithmetic::as_size;
use super::call::Arg;
use super::errors::{NotASize, WrongShape};
use super::function::{Declared, Function, Signature};
use super::scope::Scope;
use super::ty::{Axes, Entry, NoiseTy, ProcessTy, SAMPLE, Tensor, Ty};
use super::typer::Typer;
use crate::check::size::Size;
use crate::source::{Name, Span};
use crate::syntax::tree::{TypeExpr, TypeKind};

impl<'a> Typer<'a> {
    /// A type as written, its sizes worked out.
    pub(crate) fn declared(&mut self, written: &'a TypeExpr, scope: &Rc<Scope<'a>>) -> Declared {
        match &written.kind {
            TypeKind::Real(sizes) => {
                let sizes: Option<Vec<Size>> = sizes.iter().map(|size| self.size(size, scope)).collect();
                sizes.map_or(Declared::Poison, Declared::Tensor)
            }
            TypeKind::Samples(sizes) => {
                let sizes: Option<Vec<Size>> = sizes.iter().map(|size| self.size(size, scope)).collect();
                sizes.map_or(Declared::Poison, Declared::Samples)
            }
            TypeKind::Law(sizes) => {
                let sizes: Option<Vec<Size>> = sizes.iter().map(|size| self.size(size, scope)).collect();
                sizes.map_or(Declared::Poison, Declared::Law)
            }
            TypeKind::List(inner) => Declared::List(Box::new(self.declared(inner, scope))),
            TypeKind::Function(inputs, output) => {
                let inputs = inputs.iter().map(|input| self.declared(input, scope)).collect();
                let output = self.declared(output, scope);
                Declared::Function(Rc::new(Signature { inputs, output }))
            }
            TypeKind::Named(path) => match path.as_slice() {
                [word] => match word.key.as_str() {
                    "Nat" => Declared::Nat,
                    "Bool" => Declared::Bool,
                    "Text" => Declared::Text,
                    "Problem" => Declared::Problem,
                    "Optimizer" => Declared::Optimizer,
                    "Layer" => Declared::Layer,
                    "Loss" => Declared::Loss,
                    _ => Declared::Poison,
                },
                [owner, member] => match self.lookup(owner, scope) {
                    Ty::Problem(problem) => match member.key.as_str() {
                        "State" => Declared::Tensor(vec![problem.state.clone()]),
                        "Noise" => Declared::Tensor(vec![problem.noise.clone()]),
                        "Path" => {
                            let (from, to) = Self::horizon_of(&problem);
                            Declared::Path(problem.state.clone(), from, to)
                        }
                        "Brownian" => Declared::Brownian(problem.noise.clone()),
                        "Control" => Declared::Function(Rc::new(problem.control_type())),
                        _ => Declared::Poison,
                    },
                    Ty::Poison => Declared::Poison,
                    other => {
                        self.wrong_kind("a problem before the `.`", &other, owner.span, None, None);
                        Declared::Poison
                    }
                },
                _ => Declared::Poison,
            },
        }
    }

    /// A value where a declared type is asked for; what it is there, or poison after an error. `what` names the place.
    pub(crate) fn fit(
        &mut self,
        declared: &Declared,
        ty: Ty<'a>,
        at: Span,
        because: Option<Span>,
        what: &str,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        if ty.is_poison() {
            return Ty::Poison;
        }
        match declared {
            Declared::Poison => Ty::Poison,
            Declared::Tensor(shape) | Declared::Samples(shape) => {
                if shape.is_empty() && matches!(ty, Ty::Number(_) | Ty::Size(_) | Ty::Index(_) | Ty::Time(_)) {
                    return ty;
                }
                let Some(tensor) = self.tensor(&ty, at, scope) else { return Ty::Poison };
                self.fit_shape(shape, tensor, at, because, what)
            }
            Declared::Nat => match as_size(&ty) {
                Some(size) if size.value().is_none_or(|value| value >= 1) => Ty::from_size(size),
                _ if matches!(ty, Ty::Index(_)) => ty,
                _ => {
                    let (found, call) = (ty.describe(), self.through());
                    let text = self.text(at);
                    if !text.starts_with(|first: char| first.is_ascii_digit() || first == '-')
                        && !self.no_sizes.insert(text)
                    {
                        return Ty::Poison;
                    }
                    self.report(at, NotASize { what: what.to_string(), found, at, because, call })
                }
            },
            Declared::Bool => match ty {
                Ty::Bool(..) => ty,
                other => self.wrong_kind("a truth value", &other, at, because, None),
            },
            Declared::Text => match ty {
                Ty::Text => ty,
                other => self.wrong_kind("a text", &other, at, because, None),
            },
            Declared::Problem => match ty {
                Ty::Problem(_) => ty,
                other => {
                    let help = match &other {
                        Ty::Function(function) => match &**function {
                            Function::Problem(definition, _) => {
                                Some(format!("give it its parameters: `{}(…)`", definition.name))
                            }
                            _ => None,
                        },
                        _ => None,
                    };
                    self.wrong_kind("a problem", &other, at, because, help)
                }
            },
            Declared::Optimizer => match ty {
                Ty::Optimizer => ty,
                other => self.wrong_kind("an optimizer", &other, at, because, Some("`adam(1e-3)`, for one".into())),
            },
            Declared::Layer => match &ty {
                Ty::Function(_) => ty,
                other => self.wrong_kind("a layer", other, at, because, None),
            },
            Declared::List(inner) => match &ty {
                Ty::List(items) => {
                    let entry = format!("an entry of {what}");
                    let fitted: Vec<Ty<'a>> =
                        items.iter().map(|item| self.fit(inner, item.clone(), at, because, &entry, scope)).collect();
                    if fitted.iter().any(Ty::is_poison) { Ty::Poison } else { Ty::List(Rc::new(fitted)) }
                }
                other => {
                    let expected = format!("a list {}", declared.describe());
                    self.wrong_kind(&expected, other, at, because, None)
                }
            },
            Declared::Law(shape) => match &ty {
                Ty::Law(found, ..) => {
                    let found = Tensor::of(found.clone(), Axes::new());
                    if self.fit_shape(shape, found, at, because, &format!("a draw of {what}")).is_poison() {
                        return Ty::Poison;
                    }
                    ty
                }
                other => self.wrong_kind(&format!("a law for {what}"), other, at, because, None),
            },
            Declared::Path(size, ..) => match &ty {
                Ty::Process(process) if process.problem.is_some() => {
                    let found = Tensor::of(process.shape.clone(), Axes::new());
                    if self.fit_shape(std::slice::from_ref(size), found, at, because, what).is_poison() {
                        return Ty::Poison;
                    }
                    ty
                }
                other => self.wrong_kind(&format!("a path for {what}"), other, at, because, None),
            },
            Declared::Brownian(size) => match &ty {
                Ty::Noise(noise) => {
                    let found = Tensor::of(noise.shape.clone(), Axes::new());
                    if self.fit_shape(std::slice::from_ref(size), found, at, because, what).is_poison() {
                        return Ty::Poison;
                    }
                    ty
                }
                other => self.wrong_kind(&format!("the noise of a path for {what}"), other, at, because, None),
            },
            Declared::Loss => {
                if self.one_number(&ty, at, what, "a loss is one number", scope) {
                    Ty::real()
                } else {
                    Ty::Poison
                }
            }
            Declared::Function(signature) => self.fit_function(signature, ty, at, because, what, scope),
        }
    }

    /// A value of a shape, or the error that says both.
    pub(crate) fn fit_shape(
        &mut self,
        shape: &[Size],
        tensor: Tensor,
        at: Span,
        because: Option<Span>,
        what: &str,
    ) -> Ty<'a> {
        if tensor.shape == shape && !tensor.row {
            return Ty::Tensor(tensor);
        }
        let help =
            if tensor.row && tensor.shape == shape { Some("a row becomes a vector by `'`".to_string()) } else { None };
        let error = WrongShape {
            what: what.to_string(),
            expected: Ty::Tensor(Tensor::of(shape.to_vec(), Axes::new())).describe(),
            found: Ty::Tensor(tensor).describe(),
            at,
            because,
            call: self.through(),
            help,
        };
        self.report(at, error)
    }

    /// A function against a declared one: it is called with arguments of the declared types.
    fn fit_function(
        &mut self,
        signature: &Rc<Signature>,
        ty: Ty<'a>,
        at: Span,
        because: Option<Span>,
        what: &str,
        scope: &Rc<Scope<'a>>,
    ) -> Ty<'a> {
        let Ty::Function(function) = &ty else {
            let expected = format!("a function {}", signature.describe());
            let help = Some(format!(
                "{what} is called with {}",
                super::expr::count(signature.inputs.len(), "argument", "arguments")
            ));
            return self.wrong_kind(&expected, &ty, at, because, help);
        };
        match &**function {
            // What works entry by entry works on any shape.
            Function::Builtin(_) => return ty,
            Function::Loss(..) if matches!(signature.output, Declared::Loss) => {}
            Function::Layer(..) | Function::Problem(..) | Function::Loss(..) | Function::Method(..) => {
                let expected = format!("a function {}", signature.describe());
                return self.wrong_kind(&expected, &ty, at, because, None);
            }
            _ => {}
        }
        let mut given: Vec<Arg<'a>> = Vec::new();
        for input in &signature.inputs {
            let ty = match input {
                // A loss is asked about numbers of each sample.
                Declared::Tensor(shape) if shape.is_empty() && matches!(signature.output, Declared::Loss) => {
                    let entry =
                        Entry { name: "sample".into(), span: at, through: format!("an argument of {what}").into() };
                    Ty::Tensor(Tensor::scalar(Axes::from([(SAMPLE, entry)])))
                }
                // Where a number is handed to a field it is a time more often than not, and a time is a number too.
                Declared::Tensor(shape) if shape.is_empty() => Ty::Time(self.bind_time("t").1),
                other => sample_of(other, at),
            };
            given.push(Arg { name: None, ty, span: at });
        }
        let expected = match &signature.output {
            Declared::Tensor(shape) => Some(shape.clone()),
            _ => None,
        };
        let result = self.call(function, given, at, scope, expected.as_deref());
        if result.is_poison() {
            return Ty::Poison;
        }
        let value = format!("the value of {what}");
        if self.fit(&signature.output, result, at, because, &value, scope).is_poison() {
            return Ty::Poison;
        }
        let number = |one: &Declared| matches!(one, Declared::Tensor(shape) if shape.is_empty());
        match ty {
            Ty::Function(f)
                if matches!(signature.inputs.as_slice(), [one] if number(one))
                    && number(&signature.output)
                    && !matches!(*f, Function::Entrywise(_)) =>
            {
                Ty::Function(Rc::new(Function::Entrywise(f)))
            }
            other => other,
        }
    }
}

/// Some value of a declared type.
pub(crate) fn sample_of<'a>(declared: &Declared, at: Span) -> Ty<'a> {
    match declared {
        Declared::Tensor(shape) => Ty::Tensor(Tensor::of(shape.clone(), Axes::new())),
        Declared::Samples(shape) => {
            let entry = Entry { name: "sample".into(), span: at, through: "an argument".into() };
            Ty::Tensor(Tensor::of(shape.clone(), Axes::from([(SAMPLE, entry)])))
        }
        Declared::Nat => Ty::Size(Size::atom("n")),
        Declared::Bool => Ty::Bool(None, Axes::new()),
        Declared::Text => Ty::Text,
        Declared::Optimizer => Ty::Optimizer,
        Declared::Function(signature) => Ty::Function(Rc::new(Function::Declared {
            name: "f".into(),
            role: "function",
            signature: signature.clone(),
            span: at,
        })),
        Declared::Loss => Ty::real(),
        Declared::Law(shape) => Ty::Law(shape.clone(), Axes::new(), true),
        Declared::Path(size, ..) => {
            let name = Name { text: "X".into(), key: crate::source::fold("X"), span: at };
            let (shape, problem) = (vec![size.clone()], Some("a problem".to_string()));
            Ty::Process(Rc::new(ProcessTy { name, role: "path", shape, random: true, problem }))
        }
        Declared::Brownian(size) => {
            let name = Name { text: "W".into(), key: crate::source::fold("W"), span: at };
            Ty::Noise(Rc::new(NoiseTy { name, shape: vec![size.clone()] }))
        }
        Declared::Problem | Declared::Layer | Declared::List(_) | Declared::Poison => Ty::Poison,
    }
}
