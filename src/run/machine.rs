//! How the run gets from a program to something that executes it.

use crate::backend::Executor;
use crate::diagnostic::Report;
use crate::graph::Program;

/// A program on a machine.
pub struct Loaded {
    /// The program as the executor runs it: faults and outputs refer to this one.
    pub program: Program,
    /// Runs it.
    pub executor: Box<dyn Executor>,
}

/// Loads programs.
pub trait Machine {
    /// Makes a program ready to run.
    ///
    /// # Errors
    /// When the machine cannot hold it.
    fn load(&self, program: &Program) -> Result<Loaded, Report>;

    /// The bytes that buffers may take.
    fn memory(&self) -> u64 {
        u64::MAX
    }
}
