//! One error or warning of any stage.

use std::fmt;

use miette::{Diagnostic, Severity};

/// An error or warning with its spans, whatever stage raised it.
pub struct Report(Box<dyn Diagnostic + Send + Sync + 'static>);

impl Report {
    /// Wraps an error struct.
    pub fn new(error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }

    /// The wrapped error.
    pub fn diagnostic(&self) -> &(dyn Diagnostic + Send + Sync + 'static) {
        &*self.0
    }

    /// The code, such as `soc::name`; empty when the error has none.
    pub fn code(&self) -> String {
        self.0.code().map_or_else(String::new, |code| code.to_string())
    }

    /// Whether this stops the run; warnings do not.
    pub fn is_error(&self) -> bool {
        self.0.severity().unwrap_or(Severity::Error) == Severity::Error
    }

    /// The offset of the primary label, or else of the first.
    pub fn offset(&self) -> Option<usize> {
        let labels: Vec<_> = self.0.labels()?.filter(|label| label.offset() > 0).collect();
        labels.iter().find(|label| label.primary()).or_else(|| labels.first()).map(miette::LabeledSpan::offset)
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
