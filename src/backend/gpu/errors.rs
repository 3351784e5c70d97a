//! Why a program cannot run on a device.

use miette::Diagnostic;
use thiserror::Error;

use crate::plan;
use crate::source::Span;

/// A device that cannot be used, or a program that it cannot run.
#[derive(Clone, Debug, Error, Diagnostic)]
pub enum Error {
    /// No such device.
    #[error(transparent)]
    #[diagnostic(transparent)]
    NoDevice(#[from] NoDevice),
    /// The driver does not open it.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Refused(#[from] Refused),
    /// It has no numbers of 16 bits.
    #[error(transparent)]
    #[diagnostic(transparent)]
    NoHalf(#[from] NoHalf),
    /// It has no matrix units that can be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    NoUnits(#[from] NoUnits),
    /// The program cannot be laid out.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Plan(#[from] plan::Error),
    /// A value exceeds what the device allows.
    #[error(transparent)]
    #[diagnostic(transparent)]
    OverLimit(#[from] Box<OverLimit>),
    /// A kernel that the driver does not take.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Kernel(#[from] Box<Kernel>),
}

/// There is no device of the wanted kind.
#[derive(Clone, Debug, Error, Diagnostic)]
#[error("{}", self.message())]
#[diagnostic(code(soc::device), help("{}", self.advice()))]
pub struct NoDevice {
    /// The name or number asked for; any that is no software, if none was.
    pub wanted: Option<String>,
    /// What there is.
    pub found: Vec<String>,
}

impl NoDevice {
    fn message(&self) -> String {
        let expected = match &self.wanted {
            Some(wanted) => format!("expected a device called `{wanted}`"),
            None => "expected a GPU".to_owned(),
        };
        let found = match self.found.as_slice() {
            [] => "none".to_owned(),
            all => all.join("; "),
        };
        format!("{expected}, found {found}")
    }

    fn advice(&self) -> &'static str {
        if self.found.is_empty() {
            "install a driver for Vulkan, Metal or DirectX 12, or run with `--backend cpu`"
        } else {
            "name one of these with `--device`, by its number or a part of its name, or run with `--backend cpu`"
        }
    }
}

/// The driver does not open a device.
#[derive(Clone, Debug, Error, Diagnostic)]
#[error("expected to open the device `{device}`, found that its driver refuses: {why}")]
#[diagnostic(code(soc::device), help("`socrun doctor` tests every device; `--backend cpu` needs none"))]
pub struct Refused {
    /// The device.
    pub device: String,
    /// What the driver says.
    pub why: String,
}

/// A device has no numbers of 16 bits.
#[derive(Clone, Debug, Error, Diagnostic)]
#[error("expected a device with numbers of 16 bits, found `{device}`, which has none")]
#[diagnostic(
    code(soc::device),
    help("`socrun doctor` lists `f16` among what a device can do; leave `--activations f16` out")
)]
pub struct NoHalf {
    /// The device.
    pub device: String,
}

/// A device has no matrix units that can be used.
#[derive(Clone, Debug, Error, Diagnostic)]
#[error("expected matrix units on the device `{device}`, found {why}")]
#[diagnostic(
    code(soc::device),
    help("`socrun doctor` lists `cooperative matrices` among what a device can do; leave `--matrix-units` out")
)]
pub struct NoUnits {
    /// The device.
    pub device: String,
    /// What it has.
    pub why: String,
}

/// A program needs more of something than a device allows.
#[derive(Clone, Debug, Error, Diagnostic)]
#[error("this needs {needed} {what}, and the device `{device}` allows {limit}")]
#[diagnostic(code(soc::resources), help("{advice}"))]
pub struct OverLimit {
    /// Of what.
    pub what: &'static str,
    /// Whether it is memory, of which a piece of the batch needs less.
    pub is_memory: bool,
    /// How much is needed.
    pub needed: u128,
    /// How much there is.
    pub limit: u64,
    /// The device.
    pub device: String,
    /// What to do.
    pub advice: String,
    /// The value that needs it.
    #[label(primary, "the value that needs it")]
    pub span: Span,
}

/// A generated kernel that a driver does not take: a mistake in the compiler, or in the driver.
#[derive(Clone, Debug, Error, Diagnostic)]
#[error("expected the driver of `{device}` to take a generated kernel, found: {why}")]
#[diagnostic(
    code(soc::internal),
    help("this is a mistake in socrun itself or in the driver; please report it with the file")
)]
pub struct Kernel {
    /// The device.
    pub device: String,
    /// What it says, with the place in the generated text.
    pub why: String,
    /// The value that the line at fault computes.
    #[label("in the kernel of this")]
    pub span: Span,
}
