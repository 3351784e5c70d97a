//! The one table of error codes.

/// A code, what it is about in a few words, and the page that explains it.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// As rendered, such as `soc::name`.
    pub code: &'static str,
    /// What went wrong, for a list of all codes.
    pub title: &'static str,
}

impl Code {
    /// The file name of the page in `docs/errors`, such as `name.md`.
    pub fn page(&self) -> String {
        format!("{}.md", self.code.trim_start_matches("soc::").replace("::", "-"))
    }
}

const fn code(code: &'static str, title: &'static str) -> Code {
    Code { code, title }
}

/// Every code a report may carry.
pub const CODES: &[Code] = &[
    code("soc::io", "a file that cannot be read or written"),
    code("soc::encoding", "a file that is not UTF-8"),
    code("soc::too_large", "a file beyond the limit for texts"),
    code("soc::import", "an import that names nothing, leaves its root or comes back to itself"),
    code("soc::syntax", "a text that is not in the language"),
    code("soc::nesting", "brackets nested too deeply"),
    code("soc::name", "a name that is unknown, given twice or of the wrong role"),
    code("soc::kind", "a thing of one kind where another is expected"),
    code("soc::size", "a size that is no natural number or does not fit"),
    code("soc::shape", "shapes that do not fit"),
    code("soc::axis", "a value that varies over an axis where it may not"),
    code("soc::call", "arguments that do not fit the parameters"),
    code("soc::derivative", "a derivative that does not exist"),
    code("soc::problem", "equations that do not make a control problem"),
    code("soc::process", "a process without a direction or an equation"),
    code("soc::method", "a loop without an end, or a buffer that is not used as it was declared"),
    code("soc::requires", "a loss or a method on a problem that does not meet its requirements"),
    code("soc::setting", "a setting that is unknown, missing, unused or out of range"),
    code("soc::expect", "an expectation that says nothing that can be measured"),
    code("soc::override", "a value given on the command line that does not fit"),
    code("soc::data", "a file of numbers that cannot be used"),
    code("soc::resume", "an interrupted run that cannot go on"),
    code("soc::lower", "a mistake that only concrete sizes show"),
    code("soc::resources", "sizes beyond the machine"),
    code("soc::device", "a device that is not there, cannot be opened or was lost"),
    code("soc::nonfinite", "a value that became infinite or not a number"),
    code("soc::internal", "a mistake in the compiler itself"),
];

/// The row of a code.
pub fn find_code(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|row| row.code == code)
}
