use socrun::backend::reference::Reference;
use socrun::diagnostic::{Report, Sink, render};
use socrun::graph::Program;
use socrun::lower::Stage;
use socrun::run::{Loaded, Machine, Observer, run_cell};
use socrun::source::SourceMap;
struct M;
impl Machine for M {
    fn load(&self, p: &Program) -> Result<Loaded, Report> {
        Ok(Loaded { program: p.clone(), executor: Box::new(Reference::new(p.clone())) })
    }
}
struct O(std::time::Instant);
impl Observer for O {
    fn measured(&mut self, s: u64, q: &str, v: f64) { println!("{:6.1}s {s} {q} = {v:.6}", self.0.elapsed().as_secs_f64()); }
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let steps: Option<u64> = args.get(2).and_then(|s| s.parse().ok());
    let mut map = SourceMap::new();
    let mut sink = Sink::default();
    let modules = socrun::syntax::load_all(&mut map, socrun::syntax::Entry::File(args[1].as_ref()), &mut sink);
    if sink.has_errors() { println!("{}", render(&sink.into_reports(), &map)); return; }
    let checked = socrun::check::provisional::provisional(modules, &map, &mut sink);
    if sink.has_errors() { println!("{}", render(&sink.into_reports(), &map)); return; }
    let checked = checked.unwrap();
    for s in checked.structures.values() { for f in &s.facts { println!("  {:?} {} {}", f.predicate, f.holds, f.why); } }
    let outline = socrun::lower::outline(&checked);
    let mut all = vec![vec![]];
    for (_, l) in &outline.sweep { all = all.iter().flat_map(|c: &Vec<usize>| (0..l.len()).map(move |i| [c.as_slice(), &[i]].concat())).collect(); }
    for chosen in all {
        let mut cell = match socrun::lower::cell(&checked, &chosen) { Ok(c) => c, Err(e) => { sink.push(*e); println!("{}", render(&sink.into_reports(), &map)); return; } };
        println!("{:?}", cell.labels);
        for s in &mut cell.stages { if let (Stage::Train(t), Some(n)) = (s, steps) { t.steps = n; } }
        match run_cell(&cell, &M, cell.seed.unwrap_or(1), &mut O(std::time::Instant::now())) {
            Ok(o) => println!("{:?} {:?}", o.failure.map(|f| f.to_string()), o.timing),
            Err(r) => println!("{r:?}"),
        }
    }
}
