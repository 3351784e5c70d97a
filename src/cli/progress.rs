//! How far a run is.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::run::Observer;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// Not at all.
    Quiet,
    /// One line that is written anew.
    Rewritten,
    /// A line now and then.
    Lines,
}

/// Shows on stderr how far a run of several cells is.
#[derive(Debug)]
pub(super) struct Progress {
    style: Style,
    cells: usize,
    cell: usize,
    label: String,
    steps: u64,
    started: Instant,
    shown: Option<Instant>,
    tenth: u64,
    measured: Vec<(String, f64)>,
}

impl Progress {
    /// Nothing has run yet.
    pub(super) fn new(cells: usize, quiet: bool) -> Self {
        let style = match (quiet, io::stderr().is_terminal()) {
            (true, _) => Style::Quiet,
            (false, true) => Style::Rewritten,
            (false, false) => Style::Lines,
        };
        Self {
            style,
            cells,
            cell: 0,
            label: String::new(),
            steps: 0,
            started: Instant::now(),
            shown: None,
            tenth: 0,
            measured: Vec::new(),
        }
    }

    /// The next cell starts.
    pub(super) fn enter(&mut self, labels: &[(String, String)]) {
        self.cell += 1;
        self.label = labels.iter().map(|(name, label)| format!("{name} = {label}")).collect::<Vec<_>>().join(", ");
        self.measured.clear();
        self.started = Instant::now();
    }

    /// Ends the line that is written anew.
    pub(super) fn leave(&mut self) {
        if self.style == Style::Rewritten && self.shown.take().is_some() {
            let _ = writeln!(io::stderr().lock());
        }
    }

    fn show(&mut self, done: u64, now: Instant) {
        let line = self.line(done, now - self.started);
        let mut out = io::stderr().lock();
        let _ = match self.style {
            Style::Rewritten => write!(out, "\r\x1b[2K{line}").and_then(|()| out.flush()),
            Style::Lines => writeln!(out, "{line}"),
            Style::Quiet => Ok(()),
        };
        self.shown = Some(now);
    }

    fn line(&self, done: u64, elapsed: Duration) -> String {
        let mut parts = Vec::new();
        if self.cells > 1 {
            parts.push(format!("[{}/{}] {}", self.cell, self.cells, self.label));
        }
        let percent = (done * 100).checked_div(self.steps).unwrap_or(100);
        parts.push(format!("step {done}/{} ({percent} %)", self.steps));
        let seconds = elapsed.as_secs_f64();
        if done > 0 && seconds > 0.0 {
            let rate = done as f64 / seconds;
            parts.push(format!("{} steps/s", if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }));
            let to_come = (self.steps - done) + (self.cells - self.cell) as u64 * self.steps;
            if to_come > 0 {
                parts.push(format!("{} left", clock(to_come as f64 / rate)));
            } else {
                parts.push(format!("{seconds:.1} s"));
            }
        }
        parts.extend(self.measured.iter().take(3).map(|(name, value)| format!("{name} {value:.3e}")));
        parts.join("  ")
    }
}

impl Observer for Progress {
    fn started(&mut self, steps: u64) {
        self.steps = steps;
        self.started = Instant::now();
        self.shown = None;
        self.tenth = 0;
    }

    fn stepped(&mut self, done: u64, _: f64) {
        let now = Instant::now();
        let since = now - self.shown.unwrap_or(self.started);
        let tenth = done * 10 / self.steps.max(1);
        let due = match self.style {
            Style::Quiet => false,
            Style::Rewritten => since >= Duration::from_millis(100),
            Style::Lines => {
                since >= Duration::from_secs(5) || (tenth > self.tenth && since >= Duration::from_millis(500))
            }
        };
        if due || done == self.steps {
            self.tenth = tenth;
            self.show(done, now);
        }
    }

    fn measured(&mut self, _: u64, quantity: &str, value: f64) {
        match self.measured.iter_mut().find(|(name, _)| name == quantity) {
            Some(known) => known.1 = value,
            None => self.measured.push((quantity.to_owned(), value)),
        }
    }
}

/// `7 s`, `4:05 min`, `2:07 h`
fn clock(seconds: f64) -> String {
    let whole = seconds.ceil() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{}:{:02} min", whole / 60, whole % 60),
        _ => format!("{}:{:02} h", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_fast_and_how_long() {
        let mut progress = Progress::new(3, true);
        progress.enter(&[("L".into(), "first".into()), ("seed".into(), "1".into())]);
        progress.started(1000);
        let line = progress.line(200, Duration::from_secs(4));
        assert_eq!(line, "[1/3] L = first, seed = 1  step 200/1000 (20 %)  50 steps/s  56 s left");
        progress.measured(200, "error", 0.012_349);
        progress.cells = 1;
        let line = progress.line(1000, Duration::from_millis(2500));
        assert_eq!(line, "step 1000/1000 (100 %)  400 steps/s  2.5 s  error 1.235e-2");
    }

    #[test]
    fn clocks() {
        assert_eq!((clock(6.2), clock(245.0), clock(7620.0)), ("7 s".into(), "4:05 min".into(), "2:07 h".into()));
    }
}
