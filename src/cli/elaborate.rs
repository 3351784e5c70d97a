//! The text of a file with the values of the command line in place.

use crate::source::{SourceFile, SourceMap, Span};
use crate::syntax::tree::{Block, Expr, ExprKind, File, Item, ItemKind, StatementKind};

/// The text of `file`, whose tree was `before`, with what `after` took from elsewhere written where it belongs.
pub(super) fn elaborate(file: &SourceFile, before: &File, after: &File, sources: &SourceMap) -> String {
    let mut text = file.text().to_string();
    let mut edits = Elaboration { sources, edits: Vec::new() };
    // A profile changes which expectations there are; every other item is where it was.
    let same = |old: &Item| after.items.iter().find(|new| new.span == old.span);
    let pairs: Vec<(&Item, &Item)> = before.items.iter().filter_map(|old| Some((old, same(old)?))).collect();
    for (old, new) in pairs {
        match (&old.kind, &new.kind) {
            (ItemKind::Let(old), ItemKind::Let(new)) => edits.value(&old.value, &new.value),
            (ItemKind::Sweep(old), ItemKind::Sweep(new)) => {
                old.iter().zip(new).for_each(|(old, new)| edits.value(&old.values, &new.values));
            }
            (ItemKind::Train(old), ItemKind::Train(new)) => edits.block(old, new),
            (ItemKind::Measure(old), ItemKind::Measure(new)) => {
                for (old, new) in [(&old.every, &new.every), (&old.from, &new.from)] {
                    old.iter().zip(new).for_each(|(old, new)| edits.value(old, new));
                }
                edits.block(&old.body, &new.body);
            }
            _ => {}
        }
    }
    edits.edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    for (span, new) in edits.edits {
        let base = file.base();
        text.replace_range((span.start - base) as usize..(span.end - base) as usize, &new);
    }
    text
}

struct Elaboration<'a> {
    sources: &'a SourceMap,
    edits: Vec<(Span, String)>,
}

impl Elaboration<'_> {
    fn value(&mut self, old: &Expr, new: &Expr) {
        if new.span != old.span {
            self.edits.push((old.span, self.written(new)));
        }
    }

    fn block(&mut self, old: &Block, new: &Block) {
        for statement in &new.statements {
            let StatementKind::Setting { name, value } = &statement.kind else { continue };
            let there = old.statements.iter().find_map(|statement| match &statement.kind {
                StatementKind::Setting { name: known, value } if known == name => Some(value),
                _ => None,
            });
            if let Some(there) = there {
                self.value(there, value);
            } else {
                let after_brace = Span::new(old.span.start + 1, old.span.start + 1);
                self.edits.push((after_brace, format!("\n  {} {}", name.text, self.written(value))));
            }
        }
    }

    /// One value given for a swept name stands for a list of one.
    fn written(&self, value: &Expr) -> String {
        let text = self.sources.text(value.span);
        match &value.kind {
            ExprKind::List(_) if !text.starts_with('[') => format!("[{text}]"),
            _ => text.to_owned(),
        }
    }
}
