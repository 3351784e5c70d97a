//! Who watches a run.

use crate::backend::timing::Timing;

/// Is told what a run does while it does it. Nothing that an observer does changes a result.
pub trait Observer {
    /// The training starts, or goes on after `done` steps, until `steps` are made.
    fn started(&mut self, done: u64, steps: u64) {
        let _ = (done, steps);
    }

    /// `done` steps are made; the last one had this objective.
    fn stepped(&mut self, done: u64, objective: f64) {
        let _ = (done, objective);
    }

    /// A training came to its end in this many seconds, on a machine that was asked where the time went.
    fn timed(&mut self, seconds: f64, timing: &Timing) {
        let _ = (seconds, timing);
    }

    /// A quantity was measured after `step` steps.
    fn measured(&mut self, step: u64, quantity: &str, value: f64) {
        let _ = (step, quantity, value);
    }
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}
