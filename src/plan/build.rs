//! Builds a plan: normal form, phases, the place of every value, work in order, slots.

use std::collections::{BTreeMap, BTreeSet};

use super::absorb::absorb;
use super::cost::cost;
use super::error::{Error, TooMany};
use super::inline::{inline, is_light, take_in_draws};
use super::lifetime::assign_slots;
use super::memory::refuse_giants;
use super::normal::{Normal, normalise};
use super::phase::{Phases, Role, phases, tiled_axis};
use super::remake::remake;
use super::schedule::schedule_program;
use super::side::side_axis;
use super::strip::cut;
use super::{Buffer, Plan, Space, View};
use crate::graph::{AxisId, Node, Op, Pairing, Program, RegionId, ScanOutput, Type, ValueId};
use crate::source::Span;

/// The largest number of samples: their index is one word of the random generator's counter.
const MAX_SAMPLES: usize = u32::MAX as usize;

/// How to lay out a program.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether element-wise values share passes; without it every value has a place of its own.
    pub fuse: bool,
    /// The bytes that a worker's cache holds of what passes between pieces of work.
    pub cache: usize,
    /// Whether loops of little work take in draws and sums, and tiles become as wide as the cache allows then.
    pub inline: bool,
    /// Whether all loops take in the draws that they alone read.
    pub draws: bool,
    /// The entries that a second axis has at least which is cut in tiles; none is without.
    pub side: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self { fuse: true, cache: 256 * 1024, inline: false, draws: false, side: None }
    }
}

/// Lays out a program.
///
/// # Errors
/// When an axis has more entries than can be counted, or a value has more numbers than a machine can address.
pub fn build(program: &Program, options: Options) -> Result<Plan, Error> {
    for axis in &program.axes {
        if axis.size > MAX_SAMPLES {
            let over = |node: &&Node| node.ty.axes.iter().any(|a| program.axis(*a) == axis) && !node.span.is_none();
            let span = program.nodes.iter().find(over).map_or(Span::NONE, |node| node.span);
            return Err(TooMany { axis: axis.name.clone(), size: axis.size, most: MAX_SAMPLES, span }.into());
        }
    }
    let wanted = tiled_axis(program);
    let mut tile = wanted;
    let mut normal = normalise(program, tile);
    let side = tile.zip(options.side).and_then(|(tile, least)| side_axis(&normal.program, tile, least));
    let mut phases_found = phases(&normal.program, tile, side.map(|side| side.axis));
    if let Some(remade) = phases_found.as_ref().filter(|_| options.fuse).and_then(|found| remake(&normal, found)) {
        normal = remade;
        phases_found = phases(&normal.program, tile, side.map(|side| side.axis));
    }
    let side = side.filter(|_| phases_found.is_some());
    if phases_found.is_none() {
        tile = None;
        normal = normalise(program, tile);
        phases_found = phases(&normal.program, tile, None);
    }
    let phases = phases_found.expect("without a tiled axis samples meet nowhere");
    refuse_giants(&normal, tile)?;
    let batch = tile.map_or(1, |t| program.axis(t).size);
    let width = match batch {
        128.. => 64,
        64.. => 32,
        _ => 16.min(batch.max(1)),
    };
    let mut places = Places::new(&normal, phases, tile, side.map(|side| side.axis));
    let segments = schedule_program(&mut places, options);
    let Places { buffers, views, collected, partials, unfinished, .. } = places;
    let cost = cost(&normal.program);
    let Normal { program, origin } = normal;
    let mut plan = Plan {
        program,
        origin,
        tile,
        batch,
        width,
        side,
        segments,
        buffers,
        once: Vec::new(),
        setup_slots: 0,
        kept: Vec::new(),
        scratch: Vec::new(),
        views,
        collected,
        partials,
        unfinished,
        cost,
    };
    if options.fuse && options.inline && is_light(&plan) {
        inline(&mut plan);
        plan.width = widest(&plan, options.cache);
    }
    if options.fuse && options.draws {
        take_in_draws(&mut plan);
    }
    if options.fuse {
        absorb(&mut plan, options.cache);
        cut(&mut plan, options.cache);
    }
    assign_slots(&mut plan);
    Ok(plan)
}

/// The widest tiles that the cache holds and that leave every block some; never narrower than they are.
fn widest(plan: &Plan, cache: usize) -> usize {
    let mut probe = plan.clone();
    assign_slots(&mut probe);
    let rows: usize = probe.scratch.iter().filter(|s| s.lane && !s.side).map(|s| s.rows).sum();
    let fits = |width: &usize| 4 * rows * width <= cache && width * 64 <= plan.batch;
    [1024, 512, 256, 128].into_iter().find(fits).unwrap_or(plan.width)
}

/// Places of values, handed out when first asked for.
pub(super) struct Places<'a> {
    pub program: &'a Program,
    pub phases: Phases,
    pub tile: Option<AxisId>,
    pub side: Option<AxisId>,
    pub buffers: Vec<Buffer>,
    pub views: Vec<Option<View>>,
    pub collected: Vec<Option<View>>,
    pub partials: Vec<ValueId>,
    /// Sums of which tiles of the second axis alone read entries.
    pub unfinished: BTreeSet<ValueId>,
    /// Numbers that are read from memory.
    pub numbers: Vec<ValueId>,
    /// The readers of each value.
    pub users: Vec<Vec<ValueId>>,
    scan_of: Vec<Option<ValueId>>,
    stacks: BTreeMap<(ValueId, usize), View>,
    placed: BTreeMap<ValueId, (ValueId, usize)>,
}

impl<'a> Places<'a> {
    fn new(normal: &'a Normal, phases: Phases, tile: Option<AxisId>, side: Option<AxisId>) -> Self {
        let program = &normal.program;
        let n = program.nodes.len();
        let mut users = vec![Vec::new(); n];
        let mut scan_of = vec![None; program.regions.len()];
        let mut placed = BTreeMap::new();
        for (i, node) in program.nodes.iter().enumerate() {
            let v = ValueId(i as u32);
            node.op.for_each_operand(|x| users[x.index()].push(v));
            if let Op::Scan(s) = &node.op {
                scan_of[s.region.index()] = Some(v);
                for (k, x) in s.stacked.iter().enumerate() {
                    if program.node(*x).region == s.region && is_computed_in_place(&program.node(*x).op) {
                        placed.entry(*x).or_insert((v, k));
                    }
                }
            }
        }
        Self {
            program,
            phases,
            tile,
            side,
            buffers: Vec::new(),
            views: vec![None; n],
            collected: vec![None; n],
            partials: Vec::new(),
            unfinished: BTreeSet::new(),
            numbers: Vec::new(),
            users,
            scan_of,
            stacks: BTreeMap::new(),
            placed,
        }
    }

    /// The scan in the root around a region.
    fn root_scan(&self, mut region: RegionId) -> Option<ValueId> {
        let mut scan = None;
        while region != RegionId::ROOT {
            scan = self.scan_of[region.index()];
            region = self.program.regions[region.index()];
        }
        scan
    }

    fn space(&self, v: ValueId) -> Space {
        let at = self.root_scan(self.program.node(v).region).unwrap_or(v);
        match self.phases.role[at.index()] {
            Role::Lane => Space::Scratch,
            _ if self.phases.constant[at.index()] => Space::Setup,
            _ => Space::Once,
        }
    }

    /// A new buffer for a value of this type.
    pub fn alloc(&mut self, ty: &Type, space: Space, first: Option<AxisId>, owner: ValueId) -> View {
        let side = self.side.filter(|s| space == Space::Scratch && ty.varies(*s));
        let tile = side.or(self.tile.filter(|_| space == Space::Scratch));
        let lane = tile.is_some_and(|t| ty.varies(t));
        let (view, rows) = View::dense(self.program, ty, tile, first, self.buffers.len());
        self.buffers.push(Buffer { space, lane, side: side.is_some(), rows, slot: 0, owner });
        view
    }

    /// A square of small matrices, as one matrix whose rows are those of the first axis, so that products can take it as it lies.
    fn matrix_of_squares(&mut self, pairing: &Pairing, v: ValueId) -> View {
        let mut view = self.alloc_like(v);
        let shape = &self.program.node(v).ty.shape;
        if let [_, m] = shape[..] {
            let [first, second] = pairing.axes;
            let stride = m * self.program.axis(second).size;
            view.axes = vec![(first, stride * shape[0]), (second, m)];
            view.axes.sort_unstable();
            view.shape = vec![stride, 1];
        }
        view
    }

    /// A buffer beside that of a value, of its type.
    pub fn alloc_like(&mut self, v: ValueId) -> View {
        let ty = self.program.node(v).ty.clone();
        self.alloc(&ty, self.space(v), None, v)
    }

    /// Where the k-th stacked value of a scan goes.
    pub fn stack(&mut self, scan: ValueId, k: usize) -> View {
        if let Some(view) = self.stacks.get(&(scan, k)) {
            return view.clone();
        }
        let Op::Scan(s) = &self.program.node(scan).op else { unreachable!("stacks belong to scans") };
        let t = &self.program.node(s.stacked[k]).ty;
        let ty = Type::new(t.axes.iter().copied().chain([s.axis]), t.shape.clone());
        let (space, axis) = (self.space(scan), s.axis);
        let view = self.alloc(&ty, space, Some(axis), scan);
        self.stacks.insert((scan, k), view.clone());
        view
    }

    /// Whether the value was stacked where it was computed.
    pub fn is_placed(&self, v: ValueId, scan: ValueId, k: usize) -> bool {
        self.placed.get(&v) == Some(&(scan, k))
    }

    /// A batch-wide value as one buffer.
    pub fn collect(&mut self, v: ValueId) -> View {
        if let Some(view) = &self.collected[v.index()] {
            return view.clone();
        }
        let ty = self.program.node(v).ty.clone();
        let view = self.alloc(&ty, Space::Once, None, v);
        self.collected[v.index()] = Some(view.clone());
        view
    }

    /// The place of a value.
    pub fn view(&mut self, v: ValueId) -> View {
        if let Some(view) = &self.views[v.index()] {
            return view.clone();
        }
        let view = self.alias(v).unwrap_or_else(|| {
            if let Some((scan, k)) = self.placed.get(&v).copied() {
                let Op::Scan(s) = &self.program.node(scan).op else { unreachable!("stacks belong to scans") };
                let depth = self.program.depth(s.region) - 1;
                let axis = s.axis;
                return self.stack(scan, k).sliced(axis, depth);
            }
            match &self.program.node(v).op {
                Op::Number(_) => self.numbers.push(v),
                Op::Spread(pairing, _) if self.phases.role[v.index()] == Role::Collect => {
                    return self.matrix_of_squares(pairing, v);
                }
                _ => {}
            }
            self.alloc_like(v)
        });
        self.views[v.index()] = Some(view.clone());
        view
    }

    /// The place of a value that another computes, if so.
    pub fn alias(&mut self, v: ValueId) -> Option<View> {
        let program = self.program;
        let node = program.node(v);
        Some(match &node.op {
            Op::Argument(region, _) => {
                let scan = self.scan_of[region.index()]?;
                let Op::Scan(s) = &program.node(scan).op else { return None };
                let (outer, _) = s.slices.iter().find(|(_, argument)| *argument == v)?;
                self.view(*outer).sliced(s.axis, program.depth(*region) - 1)
            }
            Op::Output(scan, which) => {
                let Op::Scan(s) = &program.node(*scan).op else { return None };
                match which {
                    ScanOutput::Final(i) => self.view(s.carries[*i].argument),
                    ScanOutput::Stacked(i) => self.stack(*scan, *i),
                }
            }
            Op::Broadcast(a) => {
                let mut view = self.view(*a);
                if program.node(*a).ty.shape.is_empty() {
                    view.shape = vec![0; node.ty.shape.len()];
                }
                view
            }
            Op::Rename { from, to, of } => {
                if Some(*to) == self.tile {
                    return None;
                }
                let mut view = if Some(*from) == self.tile { self.collect(*of) } else { self.view(*of) };
                for (axis, _) in &mut view.axes {
                    if axis == from {
                        *axis = *to;
                    }
                }
                view
            }
            Op::At { axis, index, of } => {
                let mut view = if Some(*axis) == self.tile { self.collect(*of) } else { self.view(*of) };
                view.offset += view.axis_stride(*axis) * index;
                view.axes.retain(|(x, _)| x != axis);
                view
            }
            Op::Slice { dim, start, of, .. } => {
                let mut view = self.view(*of);
                view.offset += view.shape[*dim] * start;
                view
            }
            Op::Transpose(perm, a) => {
                let mut view = self.view(*a);
                view.shape = perm.iter().map(|i| view.shape[*i]).collect();
                view
            }
            Op::Reshape(a) => {
                let from = program.node(*a).ty.shape.clone();
                self.view(*a).reshaped(&from, &node.ty.shape)?
            }
            _ => return None,
        })
    }
}

/// Whether a value has a place that it is written to, and is not a name for what others hold.
pub fn is_computed_in_place(op: &Op) -> bool {
    !matches!(
        op,
        Op::Argument(..)
            | Op::Output(..)
            | Op::Broadcast(_)
            | Op::Rename { .. }
            | Op::At { .. }
            | Op::Slice { .. }
            | Op::Transpose(..)
            | Op::Reshape(_)
            | Op::Scan(_)
            | Op::Number(_)
    )
}
