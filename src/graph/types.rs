//! Handles, types and the whole of a program.

use serde::{Deserialize, Serialize};

use super::ops::Op;
use crate::source::Span;

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(pub u32);

        impl $name {
            /// The position in its arena.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

handle!(
    /// A value: a handle into [`Program::nodes`].
    ValueId
);
handle!(
    /// An axis: a handle into [`Program::axes`].
    AxisId
);
handle!(
    /// A region: the root is 0, every scan body has its own.
    RegionId
);

impl RegionId {
    /// The region outside of every scan.
    pub const ROOT: Self = Self(0);
}

/// What an axis ranges over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AxisKind {
    /// Independent paths or draws: what a batch is made of, and what tiles are cut from.
    Sample,
    /// Steps of a time grid.
    Time,
    /// Any other finite index.
    Index,
}

/// A named index set.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Its name in messages and printed graphs.
    pub name: String,
    /// The number of its entries.
    pub size: usize,
    /// What it ranges over.
    pub kind: AxisKind,
}

/// Axes and shape of a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Type {
    /// The axes, sorted by handle.
    pub axes: Vec<AxisId>,
    /// The element dimensions.
    pub shape: Vec<usize>,
}

impl Type {
    /// A scalar that varies over nothing.
    pub const SCALAR: Self = Self { axes: Vec::new(), shape: Vec::new() };

    /// The type with these axes, in any order, and this shape.
    pub fn new(axes: impl IntoIterator<Item = AxisId>, shape: impl Into<Vec<usize>>) -> Self {
        let mut axes: Vec<_> = axes.into_iter().collect();
        axes.sort_unstable();
        axes.dedup();
        Self { axes, shape: shape.into() }
    }

    /// A type without axes.
    pub fn shaped(shape: impl Into<Vec<usize>>) -> Self {
        Self { axes: Vec::new(), shape: shape.into() }
    }

    /// Whether the value varies over the axis.
    pub fn varies(&self, axis: AxisId) -> bool {
        self.axes.contains(&axis)
    }

    /// The product of the element dimensions.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A value of the graph.
#[derive(Clone, Debug)]
pub struct Node {
    /// How it is computed.
    pub op: Op,
    /// Its axes and shape.
    pub ty: Type,
    /// The region in which it is computed.
    pub region: RegionId,
    /// The text it stems from.
    pub span: Span,
}

/// A trained tensor, fed by the run.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterInfo {
    /// `V.down.W`
    pub name: String,
    /// Its shape; parameters have no axes.
    pub shape: Vec<usize>,
}

/// A memory cell that a program reads and, through an [`Output::State`], writes once per run of the program.
#[derive(Clone, Debug, PartialEq)]
pub struct StateInfo {
    /// Its name in checkpoints.
    pub name: String,
    /// The axes over which its content varies, sorted; none but where a schedule hands values from program to program.
    pub axes: Vec<AxisId>,
    /// Its shape.
    pub shape: Vec<usize>,
}

impl StateInfo {
    /// The type of its content.
    pub fn ty(&self) -> Type {
        Type { axes: self.axes.clone(), shape: self.shape.clone() }
    }
}

/// What a value of the program is handed out as.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A result with a name. It may vary over axes; the host receives them in the order of the type, before the shape.
    Named(String),
    /// The gradient of the objective in the parameter with this number.
    Gradient(usize),
    /// The next value of the parameter with this number.
    Parameter(usize),
    /// The next content of the cell with this number.
    State(usize),
}

/// A whole computation.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The axes.
    pub axes: Vec<Axis>,
    /// The values; each refers only to earlier ones.
    pub nodes: Vec<Node>,
    /// The parent of every region; the root is its own.
    pub regions: Vec<RegionId>,
    /// The parameters.
    pub parameters: Vec<ParameterInfo>,
    /// The memory cells.
    pub states: Vec<StateInfo>,
    /// What is handed out.
    pub outputs: Vec<(Output, ValueId)>,
}

impl Program {
    /// The node of a value.
    pub fn node(&self, id: ValueId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The axis of a handle.
    pub fn axis(&self, id: AxisId) -> &Axis {
        &self.axes[id.index()]
    }

    /// The full extents of a type: the sizes of its axes, then its shape.
    pub fn extents(&self, ty: &Type) -> Vec<usize> {
        ty.axes.iter().map(|a| self.axis(*a).size).chain(ty.shape.iter().copied()).collect()
    }

    /// The number of regions around the region: 0 for the root.
    pub fn depth(&self, mut region: RegionId) -> usize {
        let mut depth = 0;
        while region != RegionId::ROOT {
            region = self.regions[region.index()];
            depth += 1;
        }
        depth
    }
}
