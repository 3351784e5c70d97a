//! Compiles groups of element-wise values.

use super::compile::Compiler;
use super::fused::{Access, Do, Fused, Instruction, Load, Quick, Source, Store, To};
use super::strided::coalesce;
use crate::graph::{Binary, Op, ValueId};
use crate::plan::View;

#[derive(Clone, Copy, PartialEq)]
enum Operand {
    Number(f32),
    Load(usize),
    Member(usize),
}

/// What becomes of a member of a group: an instruction and what it reads, unless another instruction does it too.
type Piece = Option<(Do, Vec<Operand>)>;

/// Registers, handed out and taken back.
#[derive(Default)]
struct Pool {
    free: Vec<usize>,
    count: usize,
}

impl Pool {
    fn take(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.count += 1;
            self.count - 1
        })
    }
}

impl Compiler<'_> {
    /// A group.
    pub fn fused(&self, members: &[ValueId]) -> Fused {
        let program = &self.plan.program;
        let ty = self.ty(members[0]);
        let stored: Vec<View> =
            members.iter().filter(|v| self.plan.views[v.index()].is_some()).map(|v| self.view(*v)).collect();
        let dims = stored.first().map_or_else(|| self.dims(ty), |view| self.dims_by(ty, view));
        let mut loads: Vec<View> = Vec::new();
        let operands: Vec<Vec<Operand>> = members
            .iter()
            .map(|v| {
                let load = |x: ValueId| {
                    if let Some(i) = members.iter().position(|m| *m == x) {
                        return Operand::Member(i);
                    }
                    if let Some(c) = self.constant(x) {
                        return Operand::Number(c as f32);
                    }
                    let view = self.view(x);
                    if let Some(i) = loads.iter().position(|y| *y == view) {
                        return Operand::Load(i);
                    }
                    loads.push(view);
                    Operand::Load(loads.len() - 1)
                };
                program.node(*v).op.operands().into_iter().map(load).collect()
            })
            .collect();
        let mut sizes: Vec<_> = dims.iter().map(|d| d.1).collect();
        let mut strides: Vec<_> = loads.iter().chain(&stored).map(|view| self.strides(view, &dims)).collect();
        coalesce(&mut sizes, &mut strides);
        if sizes.is_empty() {
            sizes.push(1);
            for s in &mut strides {
                s.push(1);
            }
        }
        let store_strides = strides.split_off(loads.len());

        let pieces = self.pieces_of(members, operands, &|k| rows_alone(&sizes, &strides[k]));
        let last_use = |wanted: &dyn Fn(&Operand) -> bool| {
            pieces.iter().rposition(|piece| piece.iter().any(|(_, o)| o.iter().any(wanted)))
        };
        let mut pool = Pool::default();
        // An operand with one number per row is read as such by functions of two numbers; others want it spread out.
        let rows: Vec<bool> = strides.iter().map(|s| rows_alone(&sizes, s)).collect();
        let only_binary = |k: usize| {
            pieces.iter().flatten().all(|(what, o)| {
                let reads = o.iter().filter(|o| **o == Operand::Load(k)).count();
                let other = o.iter().any(|o| matches!(o, Operand::Load(x) if *x != k && rows[*x]));
                reads == 0 || (reads == 1 && !other && matches!(what, Do::Binary(..)))
            })
        };
        let loads: Vec<Load> = loads
            .iter()
            .zip(&strides)
            .enumerate()
            .map(|(k, (view, strides))| {
                let access = if Fused::is_dense(&sizes, strides) {
                    Access::Dense
                } else if rows[k] && only_binary(k) {
                    Access::Rows
                } else {
                    Access::Copied(pool.take())
                };
                Load { ptr: self.ptr(view), strides: strides.clone(), access }
            })
            .collect();
        let mut stores: Vec<Store> = Vec::new();
        let mut results = vec![Source::Register(0); members.len()];
        let mut code = Vec::new();
        let mut stored = stored.iter().zip(store_strides);
        for (i, v) in members.iter().enumerate() {
            let Some((what, read)) = &pieces[i] else { continue };
            let mut spare = Vec::new();
            let mut source = |o: &Operand, pool: &mut Pool, code: &mut Vec<Instruction>| match o {
                Operand::Load(k) => match loads[*k].access {
                    Access::Dense => Source::Memory(*k),
                    Access::Rows => Source::Rows(*k),
                    Access::Copied(to) => Source::Register(to),
                },
                Operand::Member(m) => results[*m],
                Operand::Number(x) => {
                    let to = pool.take();
                    spare.push(to);
                    code.push(Instruction { what: Do::Fill(*x), from: [Source::Register(0); 3], to: To::Register(to) });
                    Source::Register(to)
                }
            };
            let mut from = [Source::Register(0); 3];
            for (to, o) in from.iter_mut().zip(read) {
                *to = source(o, &mut pool, &mut code);
            }
            let what = *what;
            let target = self.plan.views[v.index()].is_some().then(|| stored.next()).flatten();
            let (to, result) = match target {
                Some((view, strides)) if Fused::is_dense(&sizes, &strides) => {
                    stores.push(Store { ptr: self.ptr(view), strides, from: None });
                    (To::Store(stores.len() - 1), Source::Stored(stores.len() - 1))
                }
                target => {
                    let register = pool.take();
                    if let Some((view, strides)) = target {
                        stores.push(Store { ptr: self.ptr(view), strides, from: Some(register) });
                    }
                    (To::Register(register), Source::Register(register))
                }
            };
            results[i] = result;
            code.push(Instruction { what, from, to });
            pool.free.append(&mut spare);
            // What is read here for the last time makes room, unless it is handed out.
            for (k, load) in loads.iter().enumerate() {
                if let Access::Copied(register) = load.access
                    && last_use(&|o| matches!(o, Operand::Load(x) if *x == k)) == Some(i)
                {
                    pool.free.push(register);
                }
            }
            for m in 0..=i {
                let last = last_use(&|o| matches!(o, Operand::Member(x) if *x == m)).unwrap_or(m);
                if let Source::Register(register) = results[m]
                    && last == i
                    && self.plan.views[members[m].index()].is_none()
                {
                    pool.free.push(register);
                }
            }
        }
        Fused { sizes, loads, code, stores, registers: pool.count }
    }

    /// What is done for each member: quick functions of what one other reads and nothing else are done with that one.
    /// `spread` says which loads have to be brought into place before anything but a function of two reads them.
    fn pieces_of(
        &self,
        members: &[ValueId],
        operands: Vec<Vec<Operand>>,
        spread: &dyn Fn(usize) -> bool,
    ) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::with_capacity(members.len());
        let uses = |m: usize| operands.iter().flatten().filter(|o| **o == Operand::Member(m)).count();
        for (v, o) in members.iter().zip(&operands) {
            let (what, read) = match (&self.plan.program.node(*v).op, o.as_slice()) {
                (Op::Unary(f, _), [a]) => (Do::Unary(*f), vec![*a]),
                (Op::Binary(f, ..), [a, Operand::Number(y)]) => (Do::Right(*f, *y), vec![*a]),
                (Op::Binary(f, ..), [Operand::Number(x), b]) => (Do::Left(*f, *x), vec![*b]),
                (Op::Binary(f, ..), [a, b]) => (Do::Binary(*f), vec![*a, *b]),
                (Op::Select(..), [c, a, b]) => (Do::Select, vec![*c, *a, *b]),
                _ => unreachable!("groups hold element-wise values"),
            };
            let joined = read.iter().enumerate().find_map(|(place, o)| {
                let Operand::Member(m) = *o else { return None };
                let alone = uses(m) == 1 && self.plan.views[members[m].index()].is_none();
                let first = pieces[m].as_ref().filter(|_| alone)?;
                let (f, g) = (quick(first.0, 0)?, quick(what, place)?);
                let (a, rest) = first.1.split_first()?;
                let others = rest.iter().chain(read.iter().enumerate().filter(|(i, _)| *i != place).map(|(_, o)| o));
                let all: Vec<Operand> = std::iter::once(a).chain(others).copied().collect();
                let in_place = !all.iter().any(|o| matches!(o, Operand::Load(k) if spread(*k)));
                in_place.then_some((m, (Do::Twice([f.0, g.0], [f.1, g.1]), all)))
            });
            match joined {
                Some((m, piece)) => {
                    pieces[m] = None;
                    pieces.push(Some(piece));
                }
                None => pieces.push(Some((what, read))),
            }
        }
        pieces
    }

    /// The number that a value is everywhere, if that is plain.
    pub fn constant(&self, v: ValueId) -> Option<f64> {
        match &self.plan.program.node(v).op {
            Op::Number(b) => Some(b.value()),
            Op::Broadcast(a) => self.constant(*a),
            _ => None,
        }
    }
}

/// What is done as a quick function of the operand at a place, and the number that is the other, if it is one.
fn quick(what: Do, place: usize) -> Option<(Quick, Option<f32>)> {
    let turned = |f: Binary, turned: bool| match (f, turned) {
        (Binary::Add, _) => Some(Quick::Add),
        (Binary::Subtract, false) => Some(Quick::Subtract),
        (Binary::Subtract, true) => Some(Quick::From),
        (Binary::Multiply, _) => Some(Quick::Multiply),
        _ => None,
    };
    match what {
        Do::Binary(f) => Some((turned(f, place == 1)?, None)),
        Do::Right(f, y) => Some((turned(f, false)?, Some(y))),
        Do::Left(f, x) => Some((turned(f, true)?, Some(x))),
        _ => None,
    }
}

/// Whether an operand has one number per row of several.
fn rows_alone(sizes: &[usize], strides: &[usize]) -> bool {
    sizes.len() > 1 && sizes.last().is_some_and(|n| *n >= 16) && strides.last() == Some(&0)
}
