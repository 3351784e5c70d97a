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

/// An option of devices for a backend that is none.
#[cfg(feature = "gpu")]
#[derive(Debug, Error, Diagnostic)]
#[error("expected `--backend gpu` or `--device` with `{option}`, found `--backend {backend}`")]
#[diagnostic(code("soc::override"), help("name a device, or leave `{option}` out"))]
pub(super) struct OptionWithoutGpu {
    pub(super) option: &'static str,
    pub(super) backend: &'static str,
}
