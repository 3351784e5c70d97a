//! Derivatives that do not exist.

use miette::Diagnostic;
use thiserror::Error;

use crate::source::Span;

#[derive(Debug, Error, Diagnostic)]
#[error("∇ is the gradient of a scalar field, found a field with values in {shape}")]
#[diagnostic(
    code(soc::derivative),
    help("the Jacobian is `∂{field}`, rows are outputs; its transpose is `∂{field}(…)'`")
)]
pub(in crate::check::typing) struct GradientOfVector {
    pub(in crate::check::typing) field: String,
    pub(in crate::check::typing) shape: String,
    #[label("`{field}` has values in {shape}")]
    pub(in crate::check::typing) at: Span,
    #[label("through this call")]
    pub(in crate::check::typing) call: Option<Span>,
}

#[derive(Debug, Error, Diagnostic)]
#[error("∂ is the Jacobian of a vector field, found a field with values in {shape}")]
#[diagnostic(code(soc::derivative), help("{help}"))]
pub(in crate::check::typing) struct JacobianOfScalar {
    pub(in crate::check::typing) field: String,
    pub(in crate::check::typing) shape: String,
    #[label("`{field}` has values in {shape}")]
    pub(in crate::check::typing) at: Span,
    #[label("through this call")]
    pub(in crate::check::typing) call: Option<Span>,
    pub(in crate::check::typing) help: String,
}

#[derive(Debug, Error, Diagnostic)]
#[error("{operator} stands before a field, found {found}")]
#[diagnostic(
    code(soc::derivative),
    help("a field is a function of a point, `let g(x) = …`; its derivative is called like it: `∇g(X(T))`")
)]
pub(in crate::check::typing) struct NoField {
    pub(in crate::check::typing) operator: &'static str,
    pub(in crate::check::typing) found: String,
    #[label("{found}")]
    pub(in crate::check::typing) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("`∂[{name}]` differentiates in a number, found {found}")]
#[diagnostic(code(soc::derivative), help("the name in brackets is a bound time, a parameter of type R, or a net"))]
pub(in crate::check::typing) struct NoVariable {
    pub(in crate::check::typing) name: String,
    pub(in crate::check::typing) found: String,
    #[label("{found}")]
    pub(in crate::check::typing) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("{operator} takes {expected}, found a field from {from} to {to}")]
#[diagnostic(
    code(soc::derivative),
    help("`div` is of fields like a drift, R[d] to R[d]; `Δ` of fields like a cost, R[d] to R")
)]
pub(in crate::check::typing) struct DivergenceOf {
    pub(in crate::check::typing) operator: &'static str,
    pub(in crate::check::typing) expected: &'static str,
    pub(in crate::check::typing) from: String,
    pub(in crate::check::typing) to: String,
    #[label("this field")]
    pub(in crate::check::typing) at: Span,
    #[label("through this call")]
    pub(in crate::check::typing) call: Option<Span>,
}
