//! Where the time of a program went, and the least that it could have taken.

use std::fmt;

use crate::plan::{Cost, Floor};

/// Kinds of work, in the order of a [`Phase`]'s times.
pub const KINDS: [&str; 5] = ["products", "entries", "sums", "draws", "moves"];

/// What was measured over some runs of a program.
#[derive(Clone, Debug)]
pub struct Timing {
    /// The number of runs.
    pub runs: u64,
    /// Worker threads; none where a device does one thing after another.
    pub threads: usize,
    /// The phases, in order; of a device, the kinds of its dispatches.
    pub phases: Vec<Phase>,
    /// Seconds of all runs, with the hand-over of what comes in and goes out.
    pub seconds: f64,
    /// The operations of one run.
    pub cost: Cost,
    /// The least time of one run at the peaks of this machine.
    pub floor: Floor,
    /// Seconds and kind of the longest dispatch, on a device that has a clock.
    pub longest: Option<(f64, &'static str)>,
}

/// Work between two meeting points.
#[derive(Clone, Debug)]
pub struct Phase {
    /// When it runs.
    pub name: &'static str,
    /// Seconds from its start to its end, over all runs.
    pub seconds: f64,
    /// Seconds of all workers by kind of work.
    pub work: [f64; KINDS.len()],
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |seconds: f64| 1e3 * seconds / self.runs.max(1) as f64;
        let whole = ms(self.seconds);
        let share = |x: f64| if whole > 0.0 { 100.0 * x / whole } else { 0.0 };
        let least = 1e3 * self.floor.seconds();
        writeln!(f, "{} runs, {whole:.2} ms each; the floor is {least:.2} ms, {:.0} % of it", self.runs, share(least))?;
        writeln!(f, "{}", self.floor)?;
        if let Some((seconds, kind)) = self.longest {
            writeln!(f, "longest   {:.2} ms for a dispatch of {kind}", 1e3 * seconds)?;
        }
        write!(f, "{:<14}{:>10}{:>8}", "phase", "ms", "%")?;
        if self.threads > 0 {
            for kind in KINDS {
                write!(f, "{kind:>10}")?;
            }
            write!(f, "      (ms per worker)")?;
        }
        writeln!(f)?;
        let mut rest = whole;
        for (i, phase) in self.phases.iter().enumerate() {
            let own = ms(phase.seconds);
            rest -= own;
            write!(f, "{:<14}{own:>10.3}{:>8.1}", format!("{} {}", i + 1, phase.name), share(own))?;
            for work in phase.work.into_iter().filter(|_| self.threads > 0) {
                let workers = if phase.name.ends_with("tiles") { self.threads as f64 } else { 1.0 };
                write!(f, "{:>10.3}", ms(work) / workers)?;
            }
            writeln!(f)?;
        }
        write!(f, "{:<14}{rest:>10.3}{:>8.1}", "hand-over", share(rest))
    }
}
