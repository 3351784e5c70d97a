//! The syntax: what parses, what does not and how it is worded, and the printer.

use socrun::diagnostic::{Sink, render};
use socrun::source::SourceMap;
use socrun::syntax;

#[test]
fn programs_of_the_reference_parse() {
    for entry in std::fs::read_dir("tests/lang/ok").expect("the folder stands") {
        let path = entry.expect("readable").path();
        let text = std::fs::read_to_string(&path).expect("readable");
        let mut sources = SourceMap::new();
        let base = sources.add(path.display().to_string(), text.as_str());
        let mut sink = Sink::new();
        let file = syntax::parse(&text, base, &mut sink);
        assert!(sink.is_empty(), "{}", render(&sink.into_reports(), &sources));
        assert!(!file.items.is_empty());
    }
}

#[test]
fn shown() {
    for name in ["losses", "quadratic_ou", "experiment"] {
        let text = std::fs::read_to_string(format!("tests/lang/ok/{name}.soc")).expect("readable");
        let mut sink = Sink::new();
        println!("{}", syntax::dump(&syntax::parse(&text, 1, &mut sink)));
    }
}

fn errors_of(name: &str, text: &str) -> String {
    let mut sources = SourceMap::new();
    let base = sources.add(name, text);
    let mut sink = Sink::new();
    syntax::parse(text, base, &mut sink);
    render(&sink.into_reports(), &sources)
}

#[test]
fn errors_are_worded() {
    insta::glob!("lang/err/syntax-*.soc", |path| {
        let text = std::fs::read_to_string(path).expect("readable");
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        insta::assert_snapshot!(errors_of(&name, &text));
    });
}
