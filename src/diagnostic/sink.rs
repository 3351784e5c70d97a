//! Where errors go while a stage continues.

use miette::Diagnostic;

use super::Report;

/// Collects reports, so that a stage can go on after an error and a reader sees all of them in one go.
#[derive(Debug, Default)]
pub struct Sink {
    reports: Vec<Report>,
}

impl Sink {
    /// Nothing reported yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reports an error or a warning.
    pub fn push(&mut self, error: impl Diagnostic + Send + Sync + 'static) {
        self.reports.push(Report::new(error));
    }

    /// Adds reports that another stage collected.
    pub fn extend(&mut self, reports: impl IntoIterator<Item = Report>) {
        self.reports.extend(reports);
    }

    /// Whether an error was reported; warnings do not count.
    pub fn has_errors(&self) -> bool {
        self.reports.iter().any(Report::is_error)
    }

    /// Whether nothing was reported.
    pub fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }

    /// The reports so far, in the order in which they were raised.
    pub fn reports(&self) -> &[Report] {
        &self.reports
    }

    /// The reports in the order of the text; those without a place come first.
    pub fn into_reports(self) -> Vec<Report> {
        let mut reports = self.reports;
        reports.sort_by_key(|report| report.offset().unwrap_or(0));
        reports
    }
}
