//! What can go wrong before any stage is reached, or between two.

use miette::Diagnostic;
use thiserror::Error;

/// A verification of a file that expects nothing.
#[derive(Debug, Error, Diagnostic)]
#[error("expected `expect` statements in {place}, found none")]
#[diagnostic(code(soc::expect), help("say what must hold: `expect error < 1e-2 at the end`"))]
pub(super) struct NothingExpected {
    pub(super) place: String,
}

/// A run with no step and nothing to measure.
#[derive(Debug, Error, Diagnostic)]
#[error("expected an experiment, found neither `train` nor `measure` in `{file}`")]
#[diagnostic(
    code(soc::setting),
    help("`socrun check` checks a file of definitions; `socrun run` needs something to do")
)]
pub(super) struct NothingToDo {
    pub(super) file: String,
}

/// A device for a backend that has none.
#[cfg(feature = "gpu")]
#[derive(Debug, Error, Diagnostic)]
#[error("expected `--backend gpu` with `--device`, found `--backend {backend}`")]
#[diagnostic(code("soc::override"), help("leave out `--backend`: a named device says enough"))]
pub(super) struct DeviceWithoutGpu {
    pub(super) backend: &'static str,
}

/// Half precision for a backend that has none.
#[cfg(feature = "gpu")]
#[derive(Debug, Error, Diagnostic)]
#[error("expected `--backend gpu` or `--device` with `--activations f16`, found `--backend {backend}`")]
#[diagnostic(code("soc::override"), help("name a device, or leave `--activations` out"))]
pub(super) struct HalfWithoutGpu {
    pub(super) backend: &'static str,
}
