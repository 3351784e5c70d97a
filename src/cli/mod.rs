//! The `socrun` command.
//!
//! In: arguments. Out: text on stdout, progress and diagnostics on stderr, an exit code. Knows every stage by its front
//! door alone, through `pipeline`. May not know: what happens inside a stage.

mod args;
mod catalogue;
mod cells;
mod check;
mod cite;
#[cfg(feature = "gpu")]
mod devices;
mod doctor;
mod elaborate;
mod errors;
mod exit;
mod explain;
mod fmt;
mod list;
mod machine;
mod matrix;
mod pipeline;
mod progress;
mod run;
mod sweep;
mod terminal;
mod verify;

use std::process::ExitCode;

use args::{Arguments, Command};
use exit::Exit;

/// Formulas nest, and so do the functions that walk them: the main thread's stack is the system's choice, this one is not.
const STACK: usize = 256 << 20;

/// Runs the command.
pub fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(answer) => {
            // Help and version are answers, not errors; both kinds know where they belong.
            let _ = answer.print();
            return if answer.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let worker = std::thread::Builder::new().name("main".to_owned()).stack_size(STACK).spawn(|| dispatch(arguments));
    match worker.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(exit))) => exit.into(),
        Ok(Ok(Err(why))) => {
            terminal::say(&format!("socrun: cannot write to stdout: {why}"));
            Exit::Files.into()
        }
        // The panic has told what it has to tell.
        Ok(Err(_)) => ExitCode::from(101),
        Err(why) => {
            terminal::say(&format!("socrun: the system grants no thread: {why}"));
            Exit::Resources.into()
        }
    }
}

/// Runs a command; an error is one of writing to stdout.
fn dispatch(arguments: Arguments) -> std::io::Result<Exit> {
    match arguments.command {
        Command::Run(run) => run::run(&run),
        Command::Verify(verify) => verify::verify(&verify),
        Command::Cite(cite) => cite::cite(&cite),
        Command::List(list) => list::list(&list),
        Command::Check(check) => check::check(&check),
        Command::Fmt(fmt) => fmt::fmt(&fmt),
        Command::Explain(explain) => explain::explain(&explain),
        Command::Doctor => doctor::doctor(),
    }
}
