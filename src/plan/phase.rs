//! Cuts a program at its sums over samples.

use crate::graph::{AxisId, AxisKind, Lifetime, Op, Program, RegionId, ValueId};

/// How a value relates to the tiled axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Computed once.
    Once,
    /// Computed by every tile.
    Lane,
    /// A sum over samples, in parts.
    Partial,
    /// Computed once from a batch-wide operand.
    Collect,
}

/// When each value is computed.
#[derive(Debug)]
pub(super) struct Phases {
    /// How it relates to the tiled axis. Inside a scan that runs per tile everything is [`Role::Lane`].
    pub role: Vec<Role>,
    /// The phase; sums over samples belong to the one that follows their operands.
    pub phase: Vec<usize>,
    /// Whether it depends on nothing that changes between runs.
    pub constant: Vec<bool>,
    /// The number of phases.
    pub count: usize,
}

/// The axis to cut: the sample axis over which most values vary.
pub(super) fn tiled_axis(program: &Program) -> Option<AxisId> {
    let mut best = None;
    for (i, axis) in program.axes.iter().enumerate() {
        if axis.kind != AxisKind::Sample {
            continue;
        }
        let id = AxisId(i as u32);
        let count = program.nodes.iter().filter(|n| n.ty.varies(id)).count();
        if count > 0 && best.is_none_or(|(c, _)| count > c) {
            best = Some((count, id));
        }
    }
    best.map(|(_, id)| id)
}

/// Assigns phases, or nothing if samples meet where tiles cannot: inside a scan, or along the tiled axis itself. What varies over
/// `side` fits it.
pub(super) fn phases(program: &Program, tile: Option<AxisId>, side: Option<AxisId>) -> Option<Phases> {
    let n = program.nodes.len();
    let mut out = Phases { role: vec![Role::Once; n], phase: vec![0; n], constant: vec![false; n], count: 1 };
    let varies = |v: ValueId| [tile, side].into_iter().flatten().any(|t| program.node(v).ty.varies(t));
    // Per region: what its values need, and whether one of them varies over the tiled axis.
    let mut region_phase = vec![0; program.regions.len()];
    let mut region_lane = vec![false; program.regions.len()];
    let mut region_changes = vec![false; program.regions.len()];
    for i in 0..n {
        let v = ValueId(i as u32);
        let node = program.node(v);
        let along = match &node.op {
            Op::CumulativeSum { axis, .. } | Op::Shift { axis, .. } | Op::Place { axis, .. } => Some(*axis) == tile,
            Op::Scan(s) => Some(s.axis) == tile,
            Op::Pick(p, _) | Op::Spread(p, _) => p.axes.iter().chain([&p.pairs]).any(|axis| Some(*axis) == tile),
            _ => false,
        };
        if along && tile.is_some() {
            return None;
        }
        let mut phase = 0;
        let mut lane = varies(v);
        let mut constant = !changes(&node.op);
        let mut meets = false;
        node.op.for_each_operand(|x| {
            phase = phase.max(out.phase[x.index()]);
            constant &= out.constant[x.index()];
            meets |= varies(x) && !varies(v);
        });
        if let Op::Scan(s) = &node.op {
            meets = false;
            let r = s.region.index();
            phase = phase.max(region_phase[r]);
            lane = region_lane[r];
            constant &= !region_changes[r];
        }
        if let Op::Output(scan, _) = &node.op {
            lane = out.role[scan.index()] == Role::Lane;
        }
        if meets {
            if node.region != RegionId::ROOT {
                return None;
            }
            phase += 1;
            constant = false;
        }
        out.role[i] = match &node.op {
            Op::Rename { .. } | Op::At { .. } | Op::Spread(..) if meets => Role::Collect,
            _ if meets => Role::Partial,
            _ if lane => Role::Lane,
            _ => Role::Once,
        };
        out.phase[i] = phase;
        out.constant[i] = constant && !lane;
        out.count = out.count.max(phase + 1);
        // What a region's values need, the region needs; a nested scan hands its needs on to the region it stands in.
        if node.region != RegionId::ROOT {
            let r = node.region.index();
            region_phase[r] = region_phase[r].max(phase);
            region_lane[r] |= lane;
            region_changes[r] |= !constant && !matches!(node.op, Op::Argument(..));
        }
    }
    defer(program, &mut out);
    Some(out)
}

impl Phases {
    /// The phase in which tiles read a value for this reader, if they do.
    pub fn read_in(&self, program: &Program, reader: usize) -> Option<usize> {
        match self.role[reader] {
            Role::Lane if program.nodes[reader].region == RegionId::ROOT => Some(self.phase[reader]),
            Role::Partial => Some(self.phase[reader] - 1),
            _ => None,
        }
    }
}

/// Functions of one number wait for the phase that needs them. Their operand is kept for it then, often anyway: the slopes of a
/// net's layers would be kept beside the layers. Where it is not, it takes the place of the function, and a pass is saved.
fn defer(program: &Program, phases: &mut Phases) {
    let mut users = vec![Vec::new(); program.nodes.len()];
    for (i, node) in program.nodes.iter().enumerate() {
        node.op.for_each_operand(|x| users[x.index()].push(i));
    }
    for i in (0..program.nodes.len()).rev() {
        let node = program.node(ValueId(i as u32));
        let Op::Unary(_, operand) = node.op else { continue };
        if node.region != RegionId::ROOT || phases.role[i] != Role::Lane || program.node(operand).ty != node.ty {
            continue;
        }
        let read_in = |u: usize| phases.read_in(program, u);
        let Some(Some(first)) = users[i].iter().map(|u| read_in(*u)).min() else { continue };
        let output = program.outputs.iter().any(|(_, v)| v.index() == i);
        if first > phases.phase[i] && !output {
            phases.phase[i] = first;
        }
    }
}

fn changes(op: &Op) -> bool {
    match op {
        Op::Parameter(_) | Op::State(_) | Op::Step => true,
        Op::Draw(d) => d.lifetime == Lifetime::Step,
        _ => false,
    }
}
