//! What can be called.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::builtin::Builtin;
use super::problem::ProblemTy;
use super::scope::Scope;
use super::ty::{AxisId, OTHER, Ty};
use crate::check::size::Size;
use crate::source::{Name, Span};
use crate::syntax::tree::{Definition, Expr, Layer, Param, TypeExpr};

/// A declared type.
#[derive(Clone, Debug)]
pub(crate) enum Declared {
    /// `R`, `R[d, m]`, `P.State`
    Tensor(Vec<Size>),
    /// `Nat`
    Nat,
    /// `Bool`
    Bool,
    /// `Text`
    Text,
    /// `Problem`
    Problem,
    /// `Optimizer`
    Optimizer,
    /// `Layer`
    Layer,
    /// `Loss`: one number, whatever the arguments vary over.
    Loss,
    /// `Samples[d]`: a value of this shape for each sample.
    Samples(Vec<Size>),
    /// `Law[d]`: of what a draw of this shape comes from.
    Law(Vec<Size>),
    /// `P.Path`: the path of a state of this size, between these times.
    Path(Size, Option<f64>, Option<f64>),
    /// `P.Brownian`: the increments of a noise of this size.
    Brownian(Size),
    /// `[Nat]`
    List(Box<Declared>),
    /// `(R, R) -> R[d]`
    Function(Rc<Signature>),
    /// Found at fault already.
    Poison,
}

/// The type of a function.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    pub(crate) inputs: Vec<Declared>,
    pub(crate) output: Declared,
}

impl Declared {
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Tensor(shape) => super::ty::Tensor::of(shape.clone(), super::ty::Axes::new()).to_string(),
            Self::Nat => "Nat".into(),
            Self::Bool => "Bool".into(),
            Self::Text => "Text".into(),
            Self::Problem => "Problem".into(),
            Self::Optimizer => "Optimizer".into(),
            Self::Layer => "Layer".into(),
            Self::Loss => "Loss".into(),
            Self::Law(shape) | Self::Samples(shape) => {
                let word = if matches!(self, Self::Law(_)) { "Law" } else { "Samples" };
                let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
                if sizes.is_empty() { word.into() } else { format!("{word}[{}]", sizes.join(", ")) }
            }
            Self::Path(size, ..) => format!("Path of R[{size}]"),
            Self::Brownian(size) => format!("Brownian of R[{size}]"),
            Self::List(inner) => format!("[{}]", inner.describe()),
            Self::Function(signature) => signature.describe(),
            Self::Poison => "?".into(),
        }
    }
}

impl Signature {
    pub(crate) fn describe(&self) -> String {
        let inputs: Vec<String> = self.inputs.iter().map(Declared::describe).collect();
        format!("({}) -> {}", inputs.join(", "), self.output.describe())
    }
}

/// The types of a call's arguments with the type found for them, and the time that was bound around.
type Known<'a> = (Vec<Ty<'a>>, Ty<'a>);

/// A function of the text in the scope it was written in.
pub(crate) struct Closure<'a> {
    pub(crate) name: Option<&'a Name>,
    pub(crate) params: &'a [Param],
    pub(crate) result: Option<&'a TypeExpr>,
    pub(crate) body: &'a Expr,
    pub(crate) scope: Rc<Scope<'a>>,
    /// What was found at earlier calls.
    pub(crate) known: RefCell<Vec<Known<'a>>>,
}

/// A law of the state without control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GaussianLaw {
    /// At a time.
    Marginal,
    /// At a time, given the value at the end.
    Bridge,
    /// At a time, given the value at an earlier one.
    Transition,
}

/// Something that can be called.
pub(crate) enum Function<'a> {
    Closure(Closure<'a>),
    /// Known by its type alone: a net, a control, a kernel, a member of a problem.
    Declared {
        name: Arc<str>,
        /// "net", "function", "member"
        role: &'static str,
        signature: Rc<Signature>,
        span: Span,
    },
    Builtin(&'static Builtin),
    /// `randn[d]`, `reshape[n, m]`
    Sized(&'static Builtin, Vec<Size>),
    /// σ of a problem: takes the state and the time, or the time alone where the noise is additive.
    ControlMap(Rc<ProblemTy<'a>>),
    /// `P.weight`
    Weight(Rc<ProblemTy<'a>>),
    /// `P.marginal`, `P.bridge`, `P.transition`.
    GaussianLaw(Rc<ProblemTy<'a>>, GaussianLaw),
    Layer(&'a Layer, usize),
    /// A layer with its parameters.
    Applied {
        layer: &'a Layer,
        scope: Rc<Scope<'a>>,
    },
    Problem(&'a Definition, (usize, usize)),
    Loss(&'a Definition, usize),
    Method(&'a Definition, usize),
    /// `softmax[sample]`: over the samples in place of the entries.
    OverSamples(&'static Builtin, AxisId),
    Partial(Rc<Function<'a>>, Vec<(Option<Name>, Ty<'a>, Span)>),
    Detached(Rc<Function<'a>>),
    /// At a copy of its parameters: "averaged" or "held".
    Copied(Rc<Function<'a>>, &'static str),
    /// A function of a number, which is applied to the entries of an array.
    Entrywise(Rc<Function<'a>>),
    Gradient(Rc<Function<'a>>, Span),
    Jacobian(Rc<Function<'a>>, Span),
    Divergence(Rc<Function<'a>>, Span),
    Laplacian(Rc<Function<'a>>, Span),
}

impl Function<'_> {
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Closure(closure) => match closure.name {
                Some(name) => format!("the function `{name}`"),
                None => "a function".into(),
            },
            Self::Declared { name, role, .. } => format!("the {role} `{name}`"),
            Self::Builtin(builtin) | Self::Sized(builtin, _) => format!("the function `{}`", builtin.name),
            Self::ControlMap(problem) => format!("the member `σ` of `{}`", problem.name),
            Self::GaussianLaw(problem, which) => {
                let member = match which {
                    GaussianLaw::Marginal => "marginal",
                    GaussianLaw::Bridge => "bridge",
                    GaussianLaw::Transition => "transition",
                };
                format!("the member `{member}` of `{}`", problem.name)
            }
            Self::Weight(problem) => format!("the member `weight` of `{}`", problem.name),
            Self::Layer(layer, _) => format!("the layer `{}`", layer.name),
            Self::Applied { layer, .. } => format!("the layer `{}`", layer.name),
            Self::Problem(definition, _) => format!("the problem `{}` without its parameters", definition.name),
            Self::Loss(definition, _) => format!("the loss `{}`", definition.name),
            Self::Method(definition, _) => format!("the method `{}` without its arguments", definition.name),
            Self::OverSamples(builtin, axis) => {
                format!("the function `{}[{}]`", builtin.name, if *axis == OTHER { "other" } else { "sample" })
            }
            Self::Partial(inner, _) => format!("{} with holes", inner.describe()),
            Self::Detached(inner) => format!("{}, detached", inner.describe()),
            Self::Copied(inner, how) => format!("{}, {how}", inner.describe()),
            Self::Entrywise(inner) => inner.describe(),
            Self::Gradient(inner, _) => format!("the gradient of {}", inner.describe()),
            Self::Jacobian(inner, _) => format!("the Jacobian of {}", inner.describe()),
            Self::Divergence(inner, _) => format!("the divergence of {}", inner.describe()),
            Self::Laplacian(inner, _) => format!("the Laplacian of {}", inner.describe()),
        }
    }
}
