//! What is needed for the outputs, and how the parts of a scan are needed: by values of each sample, or by others.

use std::collections::BTreeMap;

use crate::graph::{AxisId, Op, Program, RegionId, ScanOutput, ValueId};

/// For whom a value is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Context {
    /// It stands in the root.
    Root,
    /// It stands in a scan, for outputs without the tiled axis.
    Free,
    /// It stands in a scan, for outputs that vary over the tiled axis.
    Lane,
}

impl Context {
    pub(super) const ALL: [Self; 3] = [Self::Root, Self::Free, Self::Lane];
}

/// The live part of a program.
#[derive(Debug)]
pub(super) struct Live {
    values: Vec<[bool; 3]>,
    /// The outputs asked of a scan, by the scan and the context of its body.
    pub outputs: BTreeMap<(ValueId, Context), Vec<ScanOutput>>,
    /// The scan of each region.
    pub scan_of: Vec<Option<ValueId>>,
}

impl Live {
    /// Whether the value is needed in that context.
    pub fn has(&self, v: ValueId, context: Context) -> bool {
        self.values[v.index()][context as usize]
    }
}

/// The context of a value read by one in `context`.
pub(super) fn context_of(program: &Program, v: ValueId, context: Context) -> Context {
    if program.node(v).region == RegionId::ROOT { Context::Root } else { context }
}

/// Finds what is live; `tile` decides between the contexts of scans in the root.
pub(super) fn live(program: &Program, tile: Option<AxisId>) -> Live {
    let mut scan_of = vec![None; program.regions.len()];
    for (i, node) in program.nodes.iter().enumerate() {
        if let Op::Scan(s) = &node.op {
            scan_of[s.region.index()] = Some(ValueId(i as u32));
        }
    }
    let mut live = Live { values: vec![[false; 3]; program.nodes.len()], outputs: BTreeMap::new(), scan_of };
    let mut work: Vec<(ValueId, Context)> = program.outputs.iter().map(|(_, v)| (*v, Context::Root)).collect();
    while let Some((v, context)) = work.pop() {
        let context = context_of(program, v, context);
        let seen = &mut live.values[v.index()][context as usize];
        if std::mem::replace(seen, true) {
            continue;
        }
        let node = program.node(v);
        match &node.op {
            Op::Output(scan, which) => {
                let Op::Scan(s) = &program.node(*scan).op else { continue };
                let inner = if context == Context::Root {
                    if tile.is_some_and(|t| node.ty.varies(t)) { Context::Lane } else { Context::Free }
                } else {
                    context
                };
                work.push((*scan, context));
                let asked = live.outputs.entry((*scan, inner)).or_default();
                if !asked.contains(which) {
                    asked.push(*which);
                }
                work.push((
                    match which {
                        ScanOutput::Final(i) => s.carries[*i].argument,
                        ScanOutput::Stacked(i) => s.stacked[*i],
                    },
                    inner,
                ));
            }
            Op::Argument(region, _) => {
                let Some(scan) = live.scan_of[region.index()] else { continue };
                let Op::Scan(s) = &program.node(scan).op else { continue };
                if let Some(c) = s.carries.iter().find(|c| c.argument == v) {
                    work.push((c.init, context));
                    work.push((c.next, context));
                }
                if let Some((outer, _)) = s.slices.iter().find(|(_, argument)| *argument == v) {
                    work.push((*outer, context));
                }
            }
            Op::Scan(_) => {}
            op => op.for_each_operand(|x| work.push((x, context))),
        }
    }
    live
}
