//! What the command line may say.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

/// Experiments in stochastic optimal control and measure transport, written as mathematics.
#[derive(Debug, Parser)]
#[command(name = "socrun", version, arg_required_else_help = true)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

impl Arguments {
    /// The arguments of the process. Where no command stands first, `run` is meant.
    pub(super) fn read(given: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut given: Vec<OsString> = given.into_iter().collect();
        let commands = Self::command();
        let is_command = |first: &OsString| {
            let answers = ["help", "-h", "--help", "-V", "--version"];
            answers.iter().any(|answer| first == answer) || commands.get_subcommands().any(|c| first == c.get_name())
        };
        if given.get(1).is_some_and(|first| !is_command(first)) {
            given.insert(1, "run".into());
        }
        Self::try_parse_from(given)
    }
}

const EXIT_CODES: &str = "`socrun FILE` is `socrun run FILE`.

Exit codes: 0 done, 1 errors in the file, 2 errors on the command line, 3 a value was not finite,
4 the machine is too small, or a device is not there or was lost, 5 an expectation does not hold,
74 a file could not be read or written.";

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run an experiment: train, measure, and write tables, figures and a report
    Run(RunArguments),
    /// Run experiments and say which of their expectations hold
    Verify(VerifyArguments),
    /// Look for errors without running anything
    Check(CheckArguments),
    /// Show the problems, losses and layers of the library
    List(ListArguments),
    /// Print BibTeX for all that a file uses
    Cite(CiteArguments),
    /// Put files into the standard layout
    Fmt(FmtArguments),
    /// Show a file as one of the compiler's forms
    Explain(ExplainArguments),
    /// Show what this machine has, and test every kind of work on every part of it
    Doctor,
}

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// The experiment
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) settings: Settings,
    #[command(flatten)]
    pub(super) target: Target,
    #[command(flatten)]
    pub(super) sweep: Sweep,
    /// The directory to write [default: runs/<name of the file>-<hash>]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Start a run anew that was interrupted in that directory
    #[arg(long)]
    pub(super) force: bool,
    /// Seconds from one record of a training under way to the next; a run that was interrupted goes on from there
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = seconds)]
    pub(super) keep_every: f64,
    /// Print one JSON object instead of tables
    #[arg(long)]
    pub(super) json: bool,
    /// Say nothing on stderr but errors
    #[arg(long, short)]
    pub(super) quiet: bool,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// The experiments
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) settings: Settings,
    #[command(flatten)]
    pub(super) target: Target,
    #[command(flatten)]
    pub(super) sweep: Sweep,
    /// Print one JSON array instead of tables
    #[arg(long)]
    pub(super) json: bool,
    /// Say nothing on stderr but errors
    #[arg(long, short)]
    pub(super) quiet: bool,
}

#[derive(Debug, Args)]
pub(super) struct Sweep {
    /// Cells of a sweep that run side by side; they share the worker threads, and results do not depend on it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<usize>::new().range(1..=4096))]
    pub(super) jobs: usize,
}

#[derive(Debug, Args)]
pub(super) struct Settings {
    /// Give a top-level `let`, or a setting of `train`, another value
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    pub(super) set: Vec<(String, String)>,
    /// Short for `--set steps=N`
    #[arg(long, value_name = "N")]
    pub(super) steps: Option<u64>,
    /// Take the values of a profile of the file
    #[arg(long = "with", value_name = "PROFILE")]
    pub(super) profile: Option<String>,
    /// The seed of all draws; stands for a seed that the file gives or sweeps over
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct Target {
    /// What runs the experiment
    #[arg(long, value_enum, default_value_t = Backend::Auto)]
    pub(super) backend: Backend,
    /// The GPU, by its number or a part of its name: see `socrun doctor`
    #[cfg(feature = "gpu")]
    #[arg(long, value_name = "DEVICE")]
    pub(super) device: Option<String>,
    /// How a GPU keeps what a net's activations give until the backward pass needs it
    #[cfg(feature = "gpu")]
    #[arg(long, value_enum, default_value_t = Activations::F32)]
    pub(super) activations: Activations,
    /// Take products of matrices by the matrix units of a GPU, which may round their factors to half precision
    #[cfg(feature = "gpu")]
    #[arg(long)]
    pub(super) matrix_units: bool,
    /// The number of worker threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=4096))]
    pub(super) threads: Option<usize>,
    /// Say after each training where its time went, and the least that it could have taken
    #[arg(long)]
    pub(super) timing: bool,
}

/// How activations are kept.
#[cfg(feature = "gpu")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Activations {
    /// In single precision
    F32,
    /// Rounded to half precision: half the memory, where the device has such numbers
    F16,
}

/// What runs programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Backend {
    /// A GPU for the programs that it pays for, if there is one, else the CPU
    Auto,
    /// All cores, in single precision
    Cpu,
    /// A GPU, in single precision
    #[cfg(feature = "gpu")]
    Gpu,
    /// The plain interpreter in double precision: slow, the meaning of every program
    Reference,
}

impl Backend {
    pub(super) const fn name(self) -> &'static str {
        match self {
            // Where no GPU is in use, and where it is the loader adds that.
            Self::Auto | Self::Cpu => "cpu",
            #[cfg(feature = "gpu")]
            Self::Gpu => "gpu",
            Self::Reference => "reference",
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// The files
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<PathBuf>,
    /// Give a top-level `let`, or a setting of `train`, another value
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    pub(super) set: Vec<(String, String)>,
    /// Print the diagnostics as JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// A file whose problems, losses and layers are shown as well
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// Show which loss or method runs on which problem, and why not where it does not
    #[arg(long)]
    pub(super) matrix: bool,
    /// Print JSON in place of text
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct CiteArguments {
    /// The file
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct FmtArguments {
    /// The files; `-` reads stdin and writes stdout
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<PathBuf>,
    /// Spell everything in ASCII
    #[arg(long, conflicts_with = "unicode")]
    pub(super) ascii: bool,
    /// Spell everything as on paper
    #[arg(long)]
    pub(super) unicode: bool,
    /// Write nothing; exit with 1 if a file would change
    #[arg(long)]
    pub(super) check: bool,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    /// The form
    #[arg(long, value_enum)]
    pub(super) stage: Stage,
    /// The experiment
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) settings: Settings,
    /// The number of worker threads that the plan is for [default: one per core]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=4096))]
    pub(super) threads: Option<usize>,
}

/// The forms that a text goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Stage {
    /// The syntax tree of the file
    Tree,
    /// Modules, names and the structure of every problem
    Typed,
    /// The tensor graphs of the first cell, after all passes
    Graph,
    /// Phases, memory and cost of these graphs
    Plan,
    /// Their kernels for a GPU
    #[cfg(feature = "gpu")]
    Wgsl,
}

fn seconds(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value| (0.0..=1e9).contains(value));
    value.ok_or_else(|| format!("expected a number of seconds from 0 to 1e9, found `{text}`"))
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() && !value.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("expected NAME=VALUE, found `{text}`")),
    }
}
