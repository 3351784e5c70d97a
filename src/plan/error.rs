//! Why a program cannot be laid out.

use miette::Diagnostic;
use thiserror::Error;

use crate::graph::ValueId;
use crate::source::Span;

/// A program that this machine cannot run.
#[derive(Clone, Debug, Error, Diagnostic)]
pub enum Error {
    /// More memory than allowed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    TooLarge(#[from] Box<TooLarge>),
    /// More entries than can be counted.
    #[error(transparent)]
    #[diagnostic(transparent)]
    TooMany(#[from] TooMany),
}

impl From<TooLarge> for Error {
    fn from(e: TooLarge) -> Self {
        Self::TooLarge(Box::new(e))
    }
}

/// The memory that a program needs exceeds the limit.
#[derive(Clone, Debug, Error, Diagnostic)]
#[error("this needs {}, and {} may be used", readable(*bytes), readable(u128::from(*limit)))]
#[diagnostic(code(soc::resources), help("{}", self.advice()))]
pub struct TooLarge {
    /// The bytes needed.
    pub bytes: u128,
    /// The bytes allowed.
    pub limit: u64,
    /// The value that needs most.
    pub culprit: ValueId,
    /// Where its text stands.
    #[label(primary, "the largest value")]
    pub span: Span,
    /// The bytes it needs.
    pub culprit_bytes: u128,
    /// Names and sizes of its axes.
    pub axes: Vec<(String, usize)>,
    /// Its element dimensions.
    pub shape: Vec<usize>,
}

impl TooLarge {
    fn advice(&self) -> String {
        let mut sizes: Vec<_> = self.axes.iter().map(|(name, n)| format!("{name} = {n}")).collect();
        sizes.extend((!self.shape.is_empty()).then(|| format!("entries {:?}", self.shape)));
        let largest = self.axes.iter().max_by_key(|(_, n)| *n).filter(|(_, n)| Some(n) > self.shape.iter().max());
        let lower = largest.map_or_else(|| "its dimensions".to_owned(), |(name, _)| format!("`{}`", setting(name)));
        format!("the largest value ({}) takes {}; lower {lower}", sizes.join(", "), readable(self.culprit_bytes))
    }
}

/// An axis with more entries than the random generator can tell apart.
#[derive(Clone, Debug, Error, Diagnostic)]
#[error("`{axis}` has {size} entries, and an axis has at most {most}")]
#[diagnostic(code(soc::resources), help("lower `{}`", setting(axis)))]
pub struct TooMany {
    /// The axis.
    pub axis: String,
    /// Its size.
    pub size: usize,
    /// The largest size.
    pub most: usize,
    /// Where the first value over it stands.
    #[label(primary, "the first value over it")]
    pub span: Span,
}

/// The setting of a file that sizes an axis.
fn setting(axis: &str) -> &str {
    match axis {
        "sample" => "batch",
        "time" => "grid",
        other => other,
    }
}

fn readable(bytes: u128) -> String {
    const UNITS: [&str; 7] = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"];
    let (mut x, mut unit) = (bytes as f64, 0);
    while x >= 1000.0 && unit + 1 < UNITS.len() {
        x /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{x:.1} {}", UNITS[unit]) }
}
