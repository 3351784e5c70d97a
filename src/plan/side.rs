//! A second axis to cut in tiles, of values that do not vary over samples.
//!
//! A network over all pairs of times is as much work as one over samples, but is needed once for the whole batch. Its lanes
//! are pairs then: its layers are products with lanes as those of any net, and what passes between them stays in the cache.

use super::Cut;
use crate::graph::{AxisId, AxisKind, Op, Program, RegionId, ValueId};

/// The lanes of a tile.
const WIDTH: usize = 64;

/// The axis to cut, if there is one: the longest of those with `least` entries or more over which products vary and whose values
/// are of the kinds below.
pub(super) fn side_axis(program: &Program, tile: AxisId, least: usize) -> Option<Cut> {
    let long = |(i, axis): (usize, &crate::graph::Axis)| {
        let id = AxisId(i as u32);
        let asked = id != tile && axis.kind != AxisKind::Sample && axis.size >= least;
        (asked && suits(program, id, tile)).then_some(Cut { axis: id, size: axis.size, width: WIDTH })
    };
    program.axes.iter().enumerate().filter_map(long).max_by_key(|cut| cut.size)
}

fn suits(program: &Program, axis: AxisId, tile: AxisId) -> bool {
    let varies = |v: ValueId| program.node(v).ty.varies(axis);
    let mut products = false;
    let fits = (0..program.nodes.len()).map(|i| ValueId(i as u32)).all(|v| {
        let node = program.node(v);
        let reads = node.op.operands().into_iter().any(varies);
        let own = varies(v);
        if !own && !reads {
            return true;
        }
        products |= own && matches!(node.op, Op::Contract(..));
        let alone = |v: ValueId| program.node(v).ty.axes.len() == 1;
        let known = match &node.op {
            Op::Pick(p, _) => own && p.pairs == axis && !reads,
            Op::Spread(p, _) => !own && p.pairs == axis && node.ty.axes.len() == 2,
            Op::Contract(..) | Op::Reduce(..) => own || !node.ty.varies(tile),
            Op::Concat(..) | Op::Broadcast(_) | Op::Slice { .. } | Op::Transpose(..) | Op::Reshape(_) => own,
            op => own && super::is_elementwise(op),
        };
        // What meets over the axis belongs to no tile of samples.
        let apart = node.op.operands().into_iter().all(|x| !program.node(x).ty.varies(tile));
        known && apart && node.region == RegionId::ROOT && (!own || alone(v))
    });
    fits && products && program.outputs.iter().all(|(_, v)| !varies(*v))
}
