//! Reports as text and as JSON.

use std::fmt;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, Severity, SourceCode};
use serde_json::{Value, json};

use super::Report;
use crate::source::SourceMap;

/// The characters of frames and arrows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// Box-drawing characters.
    #[default]
    Unicode,
    /// Nothing outside ASCII, except what the text itself holds.
    Ascii,
}

/// How reports look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rendering {
    /// The characters of frames.
    pub charset: Charset,
    /// Colours, for a terminal.
    pub colour: bool,
}

const WIDTH: usize = 100;

/// All reports, uncoloured, in box-drawing characters, a blank line between two.
pub fn render(reports: &[Report], sources: &SourceMap) -> String {
    render_with(reports, sources, Rendering::default())
}

/// All reports in the given look; the same reports give the same text on every machine.
pub fn render_with(reports: &[Report], sources: &SourceMap, look: Rendering) -> String {
    let theme = match (look.charset, look.colour) {
        (Charset::Unicode, true) => GraphicalTheme::unicode(),
        (Charset::Unicode, false) => GraphicalTheme::unicode_nocolor(),
        (Charset::Ascii, true) => {
            GraphicalTheme { characters: miette::ThemeCharacters::ascii(), ..GraphicalTheme::unicode() }
        }
        (Charset::Ascii, false) => {
            GraphicalTheme { characters: miette::ThemeCharacters::ascii(), ..GraphicalTheme::unicode_nocolor() }
        }
    };
    let handler =
        GraphicalReportHandler::new_themed(theme).with_width(WIDTH).with_links(false).without_syntax_highlighting();
    let mut text = String::new();
    for report in reports {
        if !text.is_empty() {
            text.push('\n');
        }
        let placed = Placed { report, sources };
        handler.render_report(&mut text, &placed).expect("a String takes any text");
    }
    text
}

/// One JSON object per report: `code`, `severity`, `message`, `help`, and `labels` with places and texts.
pub fn render_json(reports: &[Report], sources: &SourceMap) -> Value {
    reports.iter().map(|report| report_to_json(report, sources)).collect()
}

fn report_to_json(report: &Report, sources: &SourceMap) -> Value {
    let placed = Placed { report, sources };
    let labels: Vec<Value> =
        placed.labels().into_iter().flatten().map(|label| label_to_json(&label, sources)).collect();
    json!({
        "code": report.code(),
        "severity": if report.is_error() { "error" } else { "warning" },
        "message": report.to_string(),
        "help": report.diagnostic().help().map(|help| help.to_string()),
        "labels": labels,
    })
}

fn label_to_json(label: &LabeledSpan, sources: &SourceMap) -> Value {
    let place = |offset: usize| {
        let at = u32::try_from(offset).ok().and_then(|offset| sources.location(offset));
        at.map(|at| (json!(at.file), json!({ "line": at.line, "column": at.column })))
    };
    let start = place(label.offset());
    let end = place(label.offset() + label.len());
    json!({
        "file": start.as_ref().map(|(file, _)| file),
        "start": start.as_ref().map(|(_, at)| at),
        "end": end.map(|(_, at)| at),
        "text": label.label(),
        "primary": label.primary(),
    })
}

/// A report beside the texts that its spans point into. Labels without a place are left out.
struct Placed<'a> {
    report: &'a Report,
    sources: &'a SourceMap,
}

impl fmt::Debug for Placed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)
    }
}

impl fmt::Display for Placed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)
    }
}

impl std::error::Error for Placed<'_> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.report.diagnostic().source()
    }
}

impl Diagnostic for Placed<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.report.diagnostic().code()
    }

    fn severity(&self) -> Option<Severity> {
        self.report.diagnostic().severity()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.report.diagnostic().help()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.sources)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let labels = self.report.diagnostic().labels()?;
        let placed = |label: &LabeledSpan| self.sources.read_span(label.inner(), 0, 0).is_ok();
        Some(Box::new(labels.filter(placed)))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        self.report.diagnostic().related()
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        self.report.diagnostic().diagnostic_source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Span;

    #[derive(Debug, thiserror::Error, miette::Diagnostic)]
    #[error("expected a vector, found a matrix")]
    #[diagnostic(code(soc::shape), help("take a column"))]
    struct Mismatch {
        #[label(primary, "a matrix")]
        here: Span,
        #[label("declared here")]
        there: Span,
        #[label("no place")]
        nowhere: Span,
    }

    #[test]
    fn one_report_labels_two_files() {
        let mut sources = SourceMap::new();
        let first = sources.add("a.soc", "let σ = 1\nlet b = σ");
        let second = sources.add("b.soc", "let c = A");
        let report = Report::new(Mismatch {
            here: Span::new(second + 8, second + 9),
            there: Span::new(first + 4, first + 6),
            nowhere: Span::NONE,
        });
        let text = render(std::slice::from_ref(&report), &sources);
        assert!(text.contains("a.soc:1:5") && text.contains("b.soc:1:9"), "{text}");
        assert!(!text.contains("no place"), "{text}");
        let ascii = Rendering { charset: Charset::Ascii, colour: false };
        let frames = render_with(std::slice::from_ref(&report), &sources, ascii).replace('σ', "");
        assert!(frames.is_ascii(), "{frames}");
        let json = render_json(&[report], &sources);
        assert_eq!(json[0]["code"], "soc::shape");
        assert_eq!(json[0]["labels"][0]["file"], "b.soc");
        assert_eq!(json[0]["labels"][0]["start"]["column"], 9);
        assert_eq!(json[0]["labels"].as_array().map(Vec::len), Some(2));
        assert_eq!(sources.location(first + 6 + 4).map(|at| (at.line, at.column)), Some((1, 10)));
    }
}
