//! probe
use socrun::diagnostic::Sink;
use socrun::source::SourceMap;
use socrun::lower::Stage;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let mut map = SourceMap::new();
    let mut sink = Sink::default();
    let modules = socrun::syntax::load_all(&mut map, socrun::syntax::Entry::File(args[1].as_ref()), &mut sink);
    let checked = socrun::check::check(modules, &[], &mut sink, &mut map).unwrap();
    let i: usize = args[2].parse().unwrap();
    let Ok(cell) = socrun::lower::cell(&checked, &[i]) else { panic!() };
    for s in &cell.stages {
        if let Stage::Train(t) = s {
            let mut p = t.program.clone();
            println!("// {:?} {} nodes", cell.labels, p.nodes.len());
            for pass in &socrun::transform::PASSES[..args.get(3).map_or(99, |x| x.parse().unwrap()).min(socrun::transform::PASSES.len())] {
                let t0 = std::time::Instant::now();
                p = (pass.run)(p);
                println!("// {} {} nodes {:?}", pass.name, p.nodes.len(), t0.elapsed());
            }
            println!("{}", socrun::graph::text::summary(&p));
        }
    }
}
