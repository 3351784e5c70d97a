use socrun::backend::{Executor, Feed, reference::Reference};
use socrun::diagnostic::{Sink, render};
use socrun::source::SourceMap;
use socrun::lower::Stage;
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let mut map = SourceMap::new();
    let mut sink = Sink::default();
    let modules = socrun::syntax::load_all(&mut map, socrun::syntax::Entry::File(path.as_ref()), &mut sink);
    let checked = socrun::check::check(modules, &[], &mut sink, &mut map);
    if sink.has_errors() { println!("{}", render(&sink.into_reports(), &map)); return; }
    let checked = checked.unwrap();
    let outline = socrun::lower::outline(&checked);
    println!("{outline:?}");
    let chosen: Vec<usize> = outline.sweep.iter().map(|s| std::env::args().nth(2).and_then(|x| x.parse().ok()).unwrap_or(0usize).min(s.1.len()-1)).collect();
    let t = std::time::Instant::now();
    let cell = match socrun::lower::cell(&checked, &chosen) { Ok(c) => c, Err(e) => { sink.push(*e); println!("{}", render(&sink.into_reports(), &map)); return; } };
    println!("lowered in {:?}", t.elapsed());
    let mut init = Reference::new(cell.init.clone());
    let params = init.execute(&Feed { parameters: &[], states: &[], step: 0, seed: 1 }).unwrap();
    for (n, p) in cell.parameters.iter().zip(&params) { println!("{n} {:?}", p.shape()); }
    for s in &cell.stages {
        if let Stage::Train(t) = s {
            println!("{} nodes", t.program.nodes.len());
            let states: Vec<_> = t.program.states.iter().map(|s| ndarray::ArrayD::zeros(s.shape.clone())).collect();
            let outputs = t.program.outputs.clone();
            let t0 = std::time::Instant::now();
            let out = Reference::new(t.program.clone()).execute(&Feed { parameters: &params, states: &states, step: 0, seed: 1 });
            println!("executed in {:?}", t0.elapsed());
            match out { Ok(out) => for (o, v) in outputs.iter().zip(out) { println!("{:?} {:?} {:.6}", o.0, v.shape(), v.iter().map(|x| x*x).sum::<f64>().sqrt()); }, Err(f) => println!("{f:?} {:?}", t.program.node(f.value)) }
        }
    }
    for m in &cell.running_measures {
        let out = Reference::new(m.program.clone()).execute(&Feed { parameters: &params, states: &[], step: 0, seed: 1 }).unwrap();
        println!("{:?} {:?}", m.quantities, out);
    }
}
