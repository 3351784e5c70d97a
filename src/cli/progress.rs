//! How far a run is.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::terminal::say;
use crate::backend::timing::Timing;
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
    board: Mutex<Board>,
}

/// What the cells under way share.
#[derive(Debug)]
struct Board {
    /// Cells that were not begun.
    waiting: usize,
    /// How far each cell under way is: its number and its percentage.
    running: Vec<(usize, u64)>,
    /// When the line that is written anew was last written.
    shown: Option<Instant>,
}

/// Watches one cell.
#[derive(Debug)]
pub(super) struct Watch<'p> {
    progress: &'p Progress,
    number: usize,
    label: String,
    steps: u64,
    /// The steps that were made before this process began.
    before: u64,
    started: Instant,
    shown: Option<Instant>,
    tenth: u64,
    measured: Vec<(String, f64)>,
}

/// What a cell is called: `rate = 0.1, seed = 1`.
pub(super) fn label(labels: &[(String, String)]) -> String {
    labels.iter().map(|(name, label)| format!("{name} = {label}")).collect::<Vec<_>>().join(", ")
}

impl Progress {
    /// Nothing has run yet; `waiting` of the cells are to be run.
    pub(super) fn new(cells: usize, waiting: usize, quiet: bool) -> Self {
        let style = match (quiet, io::stderr().is_terminal()) {
            (true, _) => Style::Quiet,
            (false, true) => Style::Rewritten,
            (false, false) => Style::Lines,
        };
        Self { style, cells, board: Mutex::new(Board { waiting, running: Vec::new(), shown: None }) }
    }

    /// A cell starts.
    pub(super) fn enter(&self, number: usize, labels: &[(String, String)]) -> Watch<'_> {
        let label = label(labels);
        let mut board = self.board();
        board.waiting = board.waiting.saturating_sub(1);
        board.running.push((number, 0));
        Watch {
            progress: self,
            number,
            label,
            steps: 0,
            before: 0,
            started: Instant::now(),
            shown: None,
            tenth: 0,
            measured: Vec::new(),
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    /// `4/9 cells ended, 5: 45 %, 6: 12 %`
    fn line(&self, cells: usize) -> String {
        let ended = cells - self.waiting - self.running.len();
        let running = self.running.iter().map(|(number, percent)| format!("  [{}] {percent} %", number + 1));
        format!("{ended}/{cells} cells ended{}", running.collect::<String>())
    }
}

impl Watch<'_> {
    /// The cell has ended: ends the line that is written anew.
    pub(super) fn leave(self) {
        let mut board = self.progress.board();
        board.running.retain(|(number, _)| *number != self.number);
        if self.progress.style == Style::Rewritten && board.running.is_empty() && board.shown.take().is_some() {
            let _ = writeln!(io::stderr().lock());
        }
    }

    fn show(&mut self, done: u64, now: Instant) {
        let mut board = self.progress.board();
        if let Some(own) = board.running.iter_mut().find(|(number, _)| *number == self.number) {
            own.1 = (done * 100).checked_div(self.steps).unwrap_or(100);
        }
        let line = match self.progress.style {
            Style::Rewritten if board.running.len() > 1 => board.line(self.progress.cells),
            _ => self.line(done, now - self.started, board.waiting, board.running.len()),
        };
        let mut out = io::stderr().lock();
        let _ = match self.progress.style {
            Style::Rewritten => write!(out, "\r\x1b[2K{line}").and_then(|()| out.flush()),
            Style::Lines => writeln!(out, "{line}"),
            Style::Quiet => Ok(()),
        };
        board.shown = Some(now);
        self.shown = Some(now);
    }

    /// `waiting` cells are still to come, and `together` run at a time.
    fn line(&self, done: u64, elapsed: Duration, waiting: usize, together: usize) -> String {
        let mut parts = Vec::new();
        if self.progress.cells > 1 {
            parts.push(format!("[{}/{}] {}", self.number + 1, self.progress.cells, self.label));
        }
        let percent = (done * 100).checked_div(self.steps).unwrap_or(100);
        parts.push(format!("step {done}/{} ({percent} %)", self.steps));
        let seconds = elapsed.as_secs_f64();
        if done > self.before && seconds > 0.0 {
            let rate = (done - self.before) as f64 / seconds;
            parts.push(format!("{} steps/s", if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }));
            let to_come = (self.steps - done) + (waiting as u64 * self.steps).div_ceil(together.max(1) as u64);
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

impl Observer for Watch<'_> {
    fn started(&mut self, done: u64, steps: u64) {
        self.steps = steps;
        self.before = done;
        self.started = Instant::now();
        self.shown = None;
        self.tenth = 0;
    }

    fn stepped(&mut self, done: u64, _: f64) {
        let now = Instant::now();
        let since = now - self.shown.unwrap_or(self.started);
        let tenth = done * 10 / self.steps.max(1);
        let due = match self.progress.style {
            Style::Quiet => return,
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

    fn timed(&mut self, seconds: f64, timing: &Timing) {
        let each = 1e3 * (seconds - timing.seconds) / timing.runs.max(1) as f64;
        say(&format!(
            "{}{timing}\nbetween       {each:>10.3}",
            if self.label.is_empty() { String::new() } else { format!("{}: ", self.label) }
        ));
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
        let progress = Progress::new(3, 3, true);
        let mut watch = progress.enter(0, &[("L".into(), "first".into()), ("seed".into(), "1".into())]);
        watch.started(0, 1000);
        let line = watch.line(200, Duration::from_secs(4), 2, 1);
        assert_eq!(line, "[1/3] L = first, seed = 1  step 200/1000 (20 %)  50 steps/s  56 s left");
        let line = watch.line(200, Duration::from_secs(4), 2, 2);
        assert!(line.ends_with("50 steps/s  36 s left"), "{line}");
        watch.started(800, 1000);
        let line = watch.line(900, Duration::from_secs(2), 0, 1);
        assert!(line.ends_with("step 900/1000 (90 %)  50 steps/s  2 s left"), "{line}");
        let progress = Progress::new(1, 1, true);
        let mut watch = progress.enter(0, &[]);
        watch.started(0, 1000);
        watch.measured(200, "error", 0.012_349);
        let line = watch.line(1000, Duration::from_millis(2500), 0, 1);
        assert_eq!(line, "step 1000/1000 (100 %)  400 steps/s  2.5 s  error 1.235e-2");
    }

    #[test]
    fn cells_side_by_side_share_a_line() {
        let board = Board { waiting: 3, running: vec![(4, 45), (5, 12)], shown: None };
        assert_eq!(board.line(9), "4/9 cells ended  [5] 45 %  [6] 12 %");
    }

    #[test]
    fn clocks() {
        assert_eq!((clock(6.2), clock(245.0), clock(7620.0)), ("7 s".into(), "4:05 min".into(), "2:07 h".into()));
    }
}
