//! How a command ends.

use std::process::ExitCode;

use crate::diagnostic::Report;

/// The ways in which a command ends, each an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// 0
    Done,
    /// 1: errors in the file.
    Errors,
    /// 2: errors on the command line.
    Usage,
    /// 3: a value was not finite.
    NonFinite,
    /// 4: the machine is too small, or a device is not there or was lost.
    Resources,
    /// 5: an expectation does not hold.
    Unmet,
    /// 74: a file could not be read or written.
    Files,
}

impl Exit {
    /// What a command ends with when it stops because of these reports: the files before the machine, the machine before
    /// the text; the command line only if nothing else is wrong.
    pub(super) fn because_of(reports: &[Report]) -> Self {
        let errors: Vec<String> = reports.iter().filter(|report| report.is_error()).map(Report::code).collect();
        let any = |code: &str| errors.iter().any(|found| found == code);
        // A file that an import names is an error of the text that imports it.
        let unplaced = reports.iter().any(|report| report.code() == "soc::io" && report.offset().is_none());
        if errors.is_empty() {
            Self::Done
        } else if unplaced {
            Self::Files
        } else if any("soc::resources") || any("soc::device") {
            Self::Resources
        } else if any("soc::nonfinite") {
            Self::NonFinite
        } else if errors.iter().all(|code| code == "soc::override" || code == "soc::resume") {
            Self::Usage
        } else {
            Self::Errors
        }
    }

    /// The first of two ends that is not `Done`.
    pub(super) fn or(self, other: Self) -> Self {
        if self == Self::Done { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Errors => 1,
            Exit::Usage => 2,
            Exit::NonFinite => 3,
            Exit::Resources => 4,
            Exit::Unmet => 5,
            Exit::Files => 74,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn because_of(codes: &[&str]) -> Exit {
        let report = |code: &&str| Report::new(miette::MietteDiagnostic::new("made up").with_code(*code));
        Exit::because_of(&codes.iter().map(report).collect::<Vec<_>>())
    }

    #[test]
    fn the_command_line_is_at_fault_only_if_the_text_is_not() {
        assert_eq!(because_of(&[]), Exit::Done);
        assert_eq!(because_of(&["soc::override"]), Exit::Usage);
        assert_eq!(because_of(&["soc::resume"]), Exit::Usage);
        assert_eq!(because_of(&["soc::override", "soc::name"]), Exit::Errors);
        assert_eq!(because_of(&["soc::resources"]), Exit::Resources);
        assert_eq!(because_of(&["soc::nonfinite"]), Exit::NonFinite);
        assert_eq!(because_of(&["soc::io"]), Exit::Files);
    }
}
