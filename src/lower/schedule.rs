//! What a training does in order: programs, what stands between them, and the memory they share.

use std::sync::Arc;

use super::evaluations::Evaluations;
use super::experiment::Group;
use crate::graph::Program;
use crate::source::{Span, Tensors};

/// A training that says itself what happens when.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// In order.
    pub actions: Vec<Action>,
    /// The buffers; actions know them by their places.
    pub buffers: Vec<Buffer>,
    /// The steps that optimisers make, at most.
    pub steps: u64,
    /// Where it stands in the file.
    pub span: Span,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Action {
    /// A program runs.
    Run(Box<Stretch>),
    /// A memory cell gets the root of an equation.
    Solve(Box<Root>),
    /// Copies of parameters, by their places among those of the cell, become equal to their parameters.
    Copy(Vec<usize>),
    /// A loop.
    Repeat {
        /// How often, unless a stretch inside leaves the loop.
        times: u64,
        /// What.
        body: Vec<Action>,
    },
    /// Happens in the first round of the loop around and in every so many-th after it.
    Every {
        /// The rounds from one time to the next.
        rounds: u64,
        /// What.
        body: Vec<Action>,
    },
}

/// A program between two changes of what it reads. Rows are drawn before it runs; what it computed is pushed, then moves
/// parameters, then decides about the loop.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// Reads memory cells and writes them; one output per pushed field; objective, rates and the next parameters, where
    /// it minimises; [`Stretch::UNTIL`], where it may leave a loop.
    pub program: Program,
    /// Rows drawn into memory cells.
    pub draws: Vec<RowDraw>,
    /// Samples of files drawn into memory cells.
    pub samples: Vec<SampleDraw>,
    /// Outputs pushed into buffers.
    pub pushes: Vec<RowPush>,
    /// Who moves, and how; nobody, where nothing is minimised.
    pub groups: Vec<Group>,
    /// Whether it may leave the loop around.
    pub leaves: bool,
    /// What a run evaluates.
    pub evaluations: Vec<Evaluations>,
    /// Where it stands in the file.
    pub span: Span,
}

impl Stretch {
    /// The name of the output that is not zero where the loop ends.
    pub const UNTIL: &'static str = "until";
}

/// Rows of one size, of which the newest are kept.
#[derive(Clone, Debug)]
pub struct Buffer {
    /// Its name in the file.
    pub name: String,
    /// The most rows it keeps.
    pub capacity: usize,
    /// The extents of the fields of a row. A column of points is one field; one of paths has its values at the left ends
    /// of the steps and the one at the end.
    pub fields: Vec<Vec<usize>>,
    /// Where it stands in the file.
    pub span: Span,
}

impl Buffer {
    /// The numbers in a row.
    pub fn row(&self) -> usize {
        self.fields.iter().map(|field| field.iter().product::<usize>()).sum()
    }
}

/// Rows drawn from a buffer, with replacement.
#[derive(Clone, Debug)]
pub struct RowDraw {
    /// The buffer.
    pub buffer: usize,
    /// The memory cell of each field.
    pub cells: Vec<String>,
    /// The field to which the chances are proportional; all rows alike without one.
    pub weight: Option<usize>,
    /// How many rows.
    pub rows: usize,
    /// The stream of random numbers.
    pub stream: u64,
    /// Where it stands in the file.
    pub span: Span,
}

/// Samples of a file, drawn with replacement.
#[derive(Clone, Debug)]
pub struct SampleDraw {
    /// The file.
    pub file: Arc<Tensors>,
    /// The memory cell that gets them.
    pub cell: String,
    /// How many.
    pub rows: usize,
    /// The stream of random numbers.
    pub stream: u64,
}

/// Rows pushed into a buffer, one per sample.
#[derive(Clone, Debug)]
pub struct RowPush {
    /// The buffer.
    pub buffer: usize,
    /// The output of each field.
    pub outputs: Vec<String>,
}

/// The root of an equation for one number between the ends of a bracket.
#[derive(Clone, Debug)]
pub struct Root {
    /// Computes [`Root::ENDS`] and [`Root::RESIDUAL`] from memory cells, the unknown among them.
    pub program: Program,
    /// The memory cell of the unknown.
    pub cell: String,
    /// Whether [`Root::OTHERWISE`] stands for a root that does not exist.
    pub otherwise: bool,
    /// What a run evaluates.
    pub evaluations: Vec<Evaluations>,
    /// Where it stands in the file.
    pub span: Span,
}

impl Root {
    /// The names of the outputs that hold the ends of the bracket.
    pub const ENDS: [&'static str; 2] = ["from", "to"];
    /// The name of the output that is zero at the root.
    pub const RESIDUAL: &'static str = "residual";
    /// The name of the output that is taken where the bracket holds no root.
    pub const OTHERWISE: &'static str = "otherwise";
}

impl Schedule {
    /// Its programs, in order.
    pub fn programs(&self) -> Vec<&Program> {
        fn collect<'a>(actions: &'a [Action], found: &mut Vec<&'a Program>) {
            for action in actions {
                match action {
                    Action::Run(stretch) => found.push(&stretch.program),
                    Action::Solve(root) => found.push(&root.program),
                    Action::Copy(_) => {}
                    Action::Repeat { body, .. } | Action::Every { body, .. } => collect(body, found),
                }
            }
        }
        let mut found = Vec::new();
        collect(&self.actions, &mut found);
        found
    }

    /// Its programs, in order.
    pub fn programs_mut(&mut self) -> Vec<&mut Program> {
        fn collect<'a>(actions: &'a mut [Action], found: &mut Vec<&'a mut Program>) {
            for action in actions {
                match action {
                    Action::Run(stretch) => found.push(&mut stretch.program),
                    Action::Solve(root) => found.push(&mut root.program),
                    Action::Copy(_) => {}
                    Action::Repeat { body, .. } | Action::Every { body, .. } => collect(body, found),
                }
            }
        }
        let mut found = Vec::new();
        collect(&mut self.actions, &mut found);
        found
    }
}

/// The steps that optimisers make in these actions, at most.
pub(super) fn steps(actions: &[Action]) -> u64 {
    let of = |action: &Action| match action {
        Action::Run(stretch) => u64::from(!stretch.groups.is_empty()),
        Action::Solve(_) | Action::Copy(_) => 0,
        Action::Repeat { times, body } => times.saturating_mul(steps(body)),
        // Counted by the loop around, which may be shorter than the rounds.
        Action::Every { body, .. } => steps(body),
    };
    actions.iter().map(of).fold(0, u64::saturating_add)
}
