//! Expectations that say nothing that can be measured.

use miette::Diagnostic;
use thiserror::Error;

use crate::source::Span;

#[derive(Debug, Error, Diagnostic)]
#[error("expected a claim about measured quantities, found {found}")]
#[diagnostic(code(soc::expect), help("{help}"))]
pub(in crate::check::typing) struct NoClaim {
    pub(in crate::check::typing) found: String,
    #[label("{found}")]
    pub(in crate::check::typing) at: Span,
    pub(in crate::check::typing) help: &'static str,
}

#[derive(Debug, Error, Diagnostic)]
#[error("expected measured quantities, numbers and their arithmetic, found {found}")]
#[diagnostic(
    code(soc::expect),
    help(
        "an expectation looks at what was measured: `measure` works the value out; here stand quantities, `q[L = a]`, \
         numbers, `+ - * / ^`, `abs exp log sqrt min max`, `slope(q, n)` and `standard_error(q)`"
    )
)]
pub(in crate::check::typing) struct NoFormula {
    pub(in crate::check::typing) found: String,
    #[label("{found}")]
    pub(in crate::check::typing) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("expected a measured quantity in this expectation, found none")]
#[diagnostic(code(soc::expect), help("compare a `let` of a `measure` block: `expect error < 1e-2`"))]
pub(in crate::check::typing) struct NothingMeasured {
    #[label("nothing in here is measured")]
    pub(in crate::check::typing) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("the swept name `{name}` is not bound in this expectation")]
#[diagnostic(
    code(soc::axis),
    help("ask it of one value, `{quantity}[{name} = …]`, of each, `by {name}`, or of the average, `mean over {name}`")
)]
pub(in crate::check::typing) struct Unbound {
    pub(in crate::check::typing) name: String,
    pub(in crate::check::typing) quantity: String,
    #[label("has an axis `{name}` left")]
    pub(in crate::check::typing) at: Span,
    #[label("swept here")]
    pub(in crate::check::typing) sweep: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("expected one value of the sweep of `{name}`, found {found}")]
#[diagnostic(code(soc::expect), help("{help}"))]
pub(in crate::check::typing) struct NotSwept {
    pub(in crate::check::typing) name: String,
    pub(in crate::check::typing) found: String,
    #[label("{found}")]
    pub(in crate::check::typing) at: Span,
    #[label("swept here")]
    pub(in crate::check::typing) sweep: Span,
    pub(in crate::check::typing) help: String,
}

#[derive(Debug, Error, Diagnostic)]
#[error("expected a step at which `{name}` is measured, found {step}")]
#[diagnostic(code(soc::expect), help("{help}"))]
pub(in crate::check::typing) struct NotMeasuredAt {
    pub(in crate::check::typing) name: String,
    pub(in crate::check::typing) step: f64,
    #[label("nothing is measured at this step")]
    pub(in crate::check::typing) at: Span,
    #[label("measured here")]
    pub(in crate::check::typing) measure: Span,
    pub(in crate::check::typing) help: String,
}
