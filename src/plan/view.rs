//! Where a value lies inside a buffer.

use super::Buffer;
use crate::graph::{AxisId, AxisKind, Program, Type};

/// A dimension of an index space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dim {
    /// An axis other than the tiled one.
    Axis(AxisId),
    /// An element dimension.
    Shape(usize),
    /// The samples of a tile.
    Lane,
}

/// Part of a buffer: the row of index i is `offset + Σ stride·i + Σ stride·k` over its own dimensions and the counters
/// of the loops around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The buffer.
    pub buffer: usize,
    /// The first row.
    pub offset: usize,
    /// Strides of the axes other than the tiled one.
    pub axes: Vec<(AxisId, usize)>,
    /// Strides of the element dimensions.
    pub shape: Vec<usize>,
    /// Strides along the counters of the loops around it, by the loop's depth.
    pub loops: Vec<(usize, usize)>,
}

impl View {
    /// A whole buffer that holds a value of this type: axes outside, `first` outermost, then the element dimensions; a
    /// sample axis that is not tiled stands innermost.
    pub fn dense(
        program: &Program,
        ty: &Type,
        tile: Option<AxisId>,
        first: Option<AxisId>,
        buffer: usize,
    ) -> (Self, usize) {
        let own: Vec<_> = ty.axes.iter().copied().filter(|a| Some(*a) != tile).collect();
        let inner = |a: &AxisId| program.axis(*a).kind == AxisKind::Sample && Some(*a) != first;
        let mut rows = 1;
        let mut axes = Vec::new();
        for a in own.iter().filter(|a| inner(a)).rev() {
            axes.push((*a, rows));
            rows *= program.axis(*a).size;
        }
        let mut shape = vec![0; ty.shape.len()];
        for (stride, n) in shape.iter_mut().zip(&ty.shape).rev() {
            *stride = rows;
            rows *= n;
        }
        for a in own.iter().filter(|a| !inner(a) && Some(**a) != first).rev() {
            axes.push((*a, rows));
            rows *= program.axis(*a).size;
        }
        if let Some(a) = first {
            axes.push((a, rows));
            rows *= program.axis(a).size;
        }
        axes.sort_unstable();
        (Self { buffer, offset: 0, axes, shape, loops: Vec::new() }, rows)
    }

    /// The stride, in numbers, along a dimension in tiles of `width` lanes; 0 along what the value does not vary over.
    pub fn stride(&self, buffers: &[Buffer], width: usize, dim: Dim) -> usize {
        let lane = buffers[self.buffer].lane;
        let unit = if lane { width } else { 1 };
        match dim {
            Dim::Lane => usize::from(lane),
            Dim::Axis(a) => self.axes.iter().find(|(x, _)| *x == a).map_or(0, |(_, s)| s * unit),
            Dim::Shape(i) => self.shape.get(i).map_or(0, |s| s * unit),
        }
    }

    /// The stride in rows along an axis.
    pub fn axis_stride(&self, axis: AxisId) -> usize {
        self.axes.iter().find(|(x, _)| *x == axis).map_or(0, |(_, s)| *s)
    }

    /// The entry of an axis at a loop's counter.
    pub fn sliced(&self, axis: AxisId, depth: usize) -> Self {
        let mut view = self.clone();
        let stride = view.axis_stride(axis);
        view.axes.retain(|(x, _)| *x != axis);
        if stride != 0 {
            view.loops.push((depth, stride));
        }
        view
    }

    /// The same numbers under another shape, if strides allow it.
    pub fn reshaped(&self, from: &[usize], to: &[usize]) -> Option<Self> {
        let unit = self.shape.iter().zip(from).rev().find(|(_, n)| **n != 1).map_or(1, |(s, _)| *s);
        let mut expected = unit;
        for (s, n) in self.shape.iter().zip(from).rev() {
            if *n != 1 && *s != expected {
                return None;
            }
            expected *= n;
        }
        let mut stride = unit;
        let mut shape = vec![0; to.len()];
        for (s, n) in shape.iter_mut().zip(to).rev() {
            *s = stride;
            stride *= n;
        }
        Some(Self { shape, ..self.clone() })
    }
}
