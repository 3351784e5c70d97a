//! Pairs of the grammar to tree, item by item.
//!
//! In: a text. Out: the tree of all items that parsed, and an error for each that did not. May not know: where the
//! text came from.

mod binders;
mod build;
mod expect;
mod expressions;
mod items;
mod operators;
mod statements;
mod types;

use pest::Parser as _;
use pest::error::{ErrorVariant, InputLocation};

pub(super) use self::expressions::vulgar_fraction;

use self::build::Builder;
use super::errors;
use super::explain::Stop;
use super::grammar::{Grammar, Rule};
use super::scan::{Fault, ITEM_WORDS, Scan};
use super::tree::{File, Item, Text};
use crate::diagnostic::Sink;
use crate::source::Span;

/// Parses the text of one file whose first byte stands at `base`.
///
/// Every item that does not parse is one error in `sink`; the others are in the tree.
pub fn parse(text: &str, base: u32, sink: &mut Sink) -> File {
    let scan = Scan::new(text);
    for fault in &scan.faults {
        errors::report_fault(*fault, base, text, sink);
    }
    if let Some(Fault::TooDeep { .. }) = scan.faults.last() {
        return File::default();
    }
    let mut file = File { doc: scan.head_doc(text), items: Vec::new(), samples: Vec::new() };
    let mut at = scan.skip_blanks(text, 0);
    while at < text.len() {
        let (item, end) = parse_item(text, base, at, &scan, sink, &mut file.samples);
        file.items.extend(item);
        at = scan.skip_blanks(text, end);
    }
    file
}

/// Parses the item at `at` and returns where it ended, or where the next one may start. `samples` gets the files that it
/// names.
fn parse_item(
    text: &str,
    base: u32,
    at: usize,
    scan: &Scan,
    sink: &mut Sink,
    samples: &mut Vec<Text>,
) -> (Option<Item>, usize) {
    match Grammar::parse(Rule::item, &text[at..]) {
        Ok(mut pairs) => {
            let pair = pairs.next().expect("a parse has its own pair");
            let end = at + pair.as_span().end();
            let mut builder = Builder { text, scan, base, from: at, sink, samples, depth: 0 };
            (Some(builder.item(pair)), end)
        }
        Err(error) => {
            let next = next_item(text, at, scan);
            // The parser recurses, and gives up before its stack does.
            if let ErrorVariant::CustomError { .. } = error.variant {
                let whole = Span::new(base + at as u32, base + next as u32);
                Builder { text, scan, base, from: at, sink, samples, depth: 0 }.too_deep(whole);
                return (None, next);
            }
            report_item(text, base, (at, next), stop_of(&error), scan, sink);
            (None, next)
        }
    }
}

fn stop_of(error: &pest::error::Error<Rule>) -> usize {
    let (InputLocation::Pos(stop) | InputLocation::Span((stop, _))) = error.location;
    stop
}

/// Errors reported per item before the rest of it is left alone.
const MOST_ERRORS: usize = 8;

/// Words the error of an item, blanks the statement that holds it and looks for the next.
fn report_item(text: &str, base: u32, (item, until): (usize, usize), stop: usize, scan: &Scan, sink: &mut Sink) {
    // A broken bracket is reported already; what the parser says behind it would only repeat that.
    let places = scan.faults.iter().map(|fault| fault.place());
    let sound = places.filter(|place| (item..until).contains(place)).min().unwrap_or(usize::MAX);
    let mut text = text.to_owned();
    let mut stop = stop;
    for _ in 0..MOST_ERRORS {
        let place = scan.skip_blanks(&text, item + stop);
        if place >= sound {
            return;
        }
        let found = Stop::new(&text, base, item, until, place, scan);
        let error = found.explain(scan);
        let statement = found.statement(&error, scan);
        sink.push(error);
        let Some((start, end)) = statement else { return };
        let blank: String = text[start..end].chars().flat_map(blank_like).collect();
        text.replace_range(start..end, &blank);
        match Grammar::parse(Rule::item, &text[item..]) {
            Ok(_) => return,
            Err(error) => stop = stop_of(&error),
        }
    }
}

/// As many blanks as the letter has bytes.
fn blank_like(letter: char) -> impl Iterator<Item = char> {
    std::iter::repeat_n(if letter == '\n' { '\n' } else { ' ' }, letter.len_utf8())
}

/// The next line after `from` that starts an item: one outside all brackets, or at the margin when the bracket around
/// it is never closed.
fn next_item(text: &str, from: usize, scan: &Scan) -> usize {
    let mut line = from;
    while let Some(length) = text[line..].find('\n') {
        line += length + 1;
        let rest = &text[line..];
        let start = line + (rest.len() - rest.trim_start_matches([' ', '\t']).len());
        let word = text[start..].split(|letter: char| !letter.is_alphanumeric() && letter != '_').next();
        if !word.is_some_and(|word| ITEM_WORDS.contains(&word)) {
            continue;
        }
        let free = match scan.bracket_around(start) {
            None => true,
            Some(bracket) => start == line && bracket.close.is_none(),
        };
        if free {
            return start;
        }
    }
    text.len()
}
