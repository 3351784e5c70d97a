//! probe
use socrun::backend::{Executor, Feed, cpu::Cpu, reference::Reference};
use socrun::diagnostic::{Sink, render};
use socrun::source::SourceMap;
use socrun::lower::Stage;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let mut map = SourceMap::new();
    let mut sink = Sink::default();
    let modules = socrun::syntax::load_all(&mut map, socrun::syntax::Entry::File(args[1].as_ref()), &mut sink);
    let checked = socrun::check::check(modules, &[], &mut sink, &mut map);
    if sink.has_errors() { println!("{}", render(&sink.into_reports(), &map)); return; }
    let checked = checked.unwrap();
    let outline = socrun::lower::outline(&checked);
    let n = outline.sweep.first().map_or(1, |s| s.1.len());
    let only: Option<usize> = args.get(2).and_then(|x| x.parse().ok());
    for i in 0..n {
        if only.is_some_and(|o| o != i) { continue; }
        let cell = match socrun::lower::cell(&checked, &[i]) { Ok(c) => c, Err(e) => { sink.push(*e); println!("{}", render(&sink.into_reports(), &map)); return; } };
        let mut init = Reference::new(cell.init.clone());
        let params = init.execute(&Feed { parameters: &[], states: &[], step: 0, seed: 1 }).unwrap();
        for s in &cell.stages {
            if let Stage::Train(t) = s {
                let states: Vec<_> = t.program.states.iter().map(|s| ndarray::ArrayD::zeros(s.shape.clone())).collect();
                let program = socrun::transform::optimise(t.program.clone()); let outputs = program.outputs.clone();
                let feed = Feed { parameters: &params, states: &states, step: 0, seed: 1 };
                let mut cpu = Cpu::new(program.clone(), 2).unwrap();
                let c = cpu.execute(&feed).unwrap();
                let t0 = std::time::Instant::now();
                let reps = 20;
                for k in 0..reps { cpu.execute(&Feed { step: k, ..feed }).unwrap(); }
                let per = t0.elapsed() / reps as u32;
                let r = Reference::new(t.program.clone()).execute(&feed).unwrap();
                let mut worst: f64 = 0.0; let mut value = 0.0;
                for ((o, a), b) in outputs.iter().zip(&c).zip(&r) {
                    let d = a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
                    let n = b.iter().map(|y| y * y).sum::<f64>().sqrt();
                    let e = if n > 0.0 { d / n } else { d };
                    if matches!(o.0, socrun::graph::Output::Gradient(_)) { worst = worst.max(e) } else { value = f64::max(value, e) }
                }
                println!("{i} {:?} nodes {} per step {per:?} value {value:.1e} gradient {worst:.1e}", cell.labels, program.nodes.len());
            }
        }
    }
}
