//! The place where the parser stopped, in words.
//!
//! The grammar says where a text stops being one; what was probably meant is read off the tokens around that place,
//! so that the grammar need not know mistakes.

use super::errors::Unexpected;
use super::scan::Scan;
use super::tokens::{Token, TokenKind, tokens};
use crate::source::Span;

/// What is known at the place where the parser stopped.
pub(super) struct Stop<'t> {
    /// All tokens of the text from the item on, comments left out; places are in the whole file.
    tokens: Vec<Token<'t>>,
    /// The token that does not fit; the length of `tokens` at the end of the text.
    at: usize,
    /// The first token of the statement or item that it belongs to.
    head: usize,
    /// Whether the tokens go to the end of the file.
    last: bool,
    text: &'t str,
    base: u32,
}

impl<'t> Stop<'t> {
    /// Looks at the text from `item` to `until`, which stops to parse at `found`.
    pub fn new(text: &'t str, base: u32, item: usize, until: usize, found: usize, scan: &Scan) -> Self {
        let mut all = tokens(&text[item..until]);
        all.retain(|token| token.kind != TokenKind::Comment);
        for token in &mut all {
            token.start += item;
        }
        let at = all.partition_point(|token| token.end() <= found);
        let mut stop = Self { tokens: all, at, head: 0, last: until == text.len(), text, base };
        stop.head = stop.find_head(scan);
        stop
    }

    /// The nearest token before the stop that can head a statement: first on its line or after a brace, in the same
    /// block, and a word that heads statements, if there is one.
    fn find_head(&self, scan: &Scan) -> usize {
        let block = self.block(scan);
        let mut fallback = 0;
        for at in (0..self.at.min(self.tokens.len())).rev() {
            let token = &self.tokens[at];
            if block.is_some_and(|open| token.start <= open) {
                break;
            }
            fallback = at;
            let inside = scan.bracket_around(token.start).map(|bracket| bracket.open);
            let first = at == 0 || self.tokens[at - 1].text == "{" || self.starts_line(at);
            if first && inside == block && form_of(token.text).is_some() {
                return at;
            }
        }
        fallback
    }

    /// The innermost brace around the stop.
    fn block(&self, scan: &Scan) -> Option<usize> {
        let mut inner = scan.bracket_around(self.place());
        while let Some(bracket) = inner {
            if self.text.as_bytes()[bracket.open] == b'{' {
                return Some(bracket.open);
            }
            inner = scan.bracket_around(bracket.open);
        }
        None
    }

    fn starts_line(&self, at: usize) -> bool {
        at == 0 || self.text[self.tokens[at - 1].end()..self.tokens[at].start].contains('\n')
    }

    fn place(&self) -> usize {
        self.tokens.get(self.at).map_or(self.text.len(), |token| token.start)
    }

    /// The bytes of the statement that does not parse: from its head to the next line of the same block that may start
    /// another. `None` outside of blocks.
    pub fn statement(&self, error: &Unexpected, scan: &Scan) -> Option<(usize, usize)> {
        let block = self.block(scan)?;
        let before = self.at.checked_sub(1)?;
        let complete = self.tokens[before].ends_operand() || self.tokens[before].text == "{";
        // A line that is at fault itself, and not for what the line before leaves open.
        let own = error.context.is_none() && complete && self.at < self.tokens.len() && self.starts_line(self.at);
        let context = error
            .context
            .and_then(|span| self.tokens.iter().position(|token| token.start as u32 + self.base == span.start));
        let head = if own { self.at } else { context.map_or(self.head, |context| context.min(self.head)) };
        let start = self.tokens[head].start;
        if start <= block {
            return None;
        }
        let from = if own { self.at } else { before };
        for next in from + 1..self.tokens.len() {
            let token = &self.tokens[next];
            let inside = scan.bracket_around(token.start).map(|bracket| bracket.open);
            let starts = token.kind == TokenKind::Word || matches!(token.text, "(" | "}");
            if inside == Some(block) && starts && (self.starts_line(next) || token.text == "}") {
                return Some((start, token.start));
            }
        }
        None
    }

    fn span(&self, at: usize) -> Span {
        let (start, end) = self.tokens.get(at).map_or((0, 0), |token| (token.start, token.end()));
        Span::new(self.base + start as u32, self.base + end as u32)
    }

    /// The last character before the stop.
    fn line_end(&self) -> Span {
        let end = self.tokens[self.at - 1].end();
        let last = self.text[..end].chars().next_back().map_or(0, char::len_utf8);
        Span::new(self.base + (end - last) as u32, self.base + end as u32)
    }

    /// Whether the statement before simply ended: what stands here belongs to the next line.
    fn at_line_end(&self) -> bool {
        let closes = |token: &Token<'_>| token.kind == TokenKind::Word || matches!(token.text, ")" | "]" | "}");
        self.at > 0 && self.tokens.get(self.at).is_none_or(|token| self.starts_line(self.at) && closes(token))
    }

    fn found(&self) -> String {
        if self.at_line_end() && self.at < self.tokens.len() {
            return "the end of the line".to_owned();
        }
        match self.tokens.get(self.at) {
            Some(token) if token.kind == TokenKind::Text => "a string".to_owned(),
            Some(token) => format!("`{}`", shorten(token.text)),
            None if self.last => "the end of the file".to_owned(),
            None => "the next item".to_owned(),
        }
    }

    fn previous(&self) -> Option<&Token<'t>> {
        self.tokens.get(self.at.checked_sub(1)?)
    }

    fn error(&self, message: impl Into<String>, label: impl Into<String>) -> Unexpected {
        Unexpected {
            message: message.into(),
            here: if self.at_line_end() { self.line_end() } else { self.span(self.at) },
            label: label.into(),
            context: None,
            context_label: String::new(),
            help: None,
        }
    }

    /// The error in words: what was expected, what was found, what to do.
    pub fn explain(&self, scan: &Scan) -> Unexpected {
        self.wrong_sign()
            .or_else(|| self.no_item())
            .or_else(|| self.field_sign())
            .or_else(|| self.open_integral())
            .or_else(|| self.missing_word())
            .or_else(|| self.missing_let())
            .or_else(|| self.fact(scan))
            .or_else(|| self.expectation())
            .or_else(|| self.open_term())
            .or_else(|| self.product())
            .unwrap_or_else(|| self.plain())
    }

    /// Signs of other languages.
    fn wrong_sign(&self) -> Option<Unexpected> {
        let sign = self.tokens.get(self.at)?;
        let (expected, help) = match sign.text {
            ";" => ("the next statement", "remove it; a statement ends where no operator goes on"),
            "==" => ("`=`", "equality is written `=`"),
            "**" => ("`^`", "a power is written `x^2` or `x²`"),
            "&&" => ("`and`", "logic is written in words: `and`, `or`, `not`"),
            "||" => ("a value", "logic is written in words: `and`, `or`, `not`; a norm has something between its bars"),
            "!" => ("`not`", "logic is written in words: `and`, `or`, `not`"),
            "%" => ("an operator", "there is no remainder; a percentage is written as a number"),
            ":=" => ("`=`", "a value gets its name by `let name = value`"),
            "..." => ("`..`", "a range is written `1..5`"),
            "@" => ("an operator", "products of matrices are written `A*B`"),
            _ => return None,
        };
        let mut error = self.error(format!("expected {expected}, found {}", self.found()), "not in the language");
        error.help = Some(help.to_owned());
        Some(error)
    }

    /// The first token of an item starts none.
    fn no_item(&self) -> Option<Unexpected> {
        let token = self.tokens.get(self.at).filter(|_| self.at == 0)?;
        let words = super::scan::ITEM_WORDS;
        let mut error = self.error(format!("expected an item, found {}", self.found()), "starts no item");
        let near = crate::diagnostic::nearest(token.text, words.iter().copied());
        error.help = Some(if let Some(word) = near.filter(|_| token.kind == TokenKind::Word) {
            format!("the nearest word is `{word}`")
        } else {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            format!("an item starts with {}", words.join(", "))
        });
        Some(error)
    }

    /// `∇(…)`
    fn field_sign(&self) -> Option<Unexpected> {
        let sign = self.previous()?.text;
        let (what, example) = match sign {
            "∇" | "grad" => ("gradient", "∇g(x)"),
            "∂" | "jac" => ("Jacobian", "∂b(x, t)"),
            "Δ" | "∆" | "laplacian" => ("Laplacian", "Δ g(x)"),
            "div" => ("divergence", "div v(x)"),
            _ => return None,
        };
        let mut error = self.error(
            format!("expected the name of a field after `{sign}`, found {}", self.found()),
            "no name of a field",
        );
        error.help = Some(match sign {
            "Δ" | "∆" => "`Δ` is the Laplacian, as in `Δ g(x)`; a name may be spelled `Delta`".to_owned(),
            _ => format!("a {what} is that of a named field: define it with `let`, then write `{example}`"),
        });
        Some(error)
    }

    /// An integral before the stop, at the same depth, that has no differential yet.
    fn open_integral(&self) -> Option<Unexpected> {
        let mut depth = 0_usize;
        let mut sign = None;
        for at in (self.head..self.at.min(self.tokens.len())).rev() {
            match self.tokens[at].text {
                ")" | "]" | "}" => depth += 1,
                "(" | "[" | "{" if depth == 0 => break,
                "(" | "[" | "{" => depth -= 1,
                "∫" | "int" if depth == 0 => {
                    sign = Some(at);
                    break;
                }
                word if depth == 0 && self.is_differential(at, word) => break,
                _ => {}
            }
        }
        let sign = sign?;
        let previous = self.previous()?;
        if sign + 1 == self.at || !previous.ends_operand() {
            return None;
        }
        let found = self.tokens.get(self.at).map_or("", |token| token.text);
        if previous.kind == TokenKind::Number && self.product_at().is_some() {
            return None;
        }
        let mut error = if matches!(found, "+" | "-") {
            let mut error = self.error(
                format!("expected the differential of this integral, found {}", self.found()),
                "the integrand ends before this sign",
            );
            error.help = Some("put a sum in parentheses: `∫ (f + g) dt`".to_owned());
            error
        } else {
            let mut error = self.error(
                format!("expected the differential of this integral, found {}", self.found()),
                if self.at_line_end() { "no differential behind this" } else { "no differential before this" },
            );
            let joined = self.at >= 2 && self.tokens[self.at - 2].text == "*" && is_differential_word(previous.text);
            error.help = Some(if joined {
                "a differential stands after a blank or `·`: `v ds`, `v·dW`".to_owned()
            } else {
                "end the integral with `dt`, `dW` or the like: `∫ f dt`".to_owned()
            });
            error
        };
        error.context = Some(self.span(sign));
        error.context_label = "this integral".into();
        Some(error)
    }

    /// Whether the token at `at` is a differential behind an integrand.
    fn is_differential(&self, at: usize, word: &str) -> bool {
        let Some(before) = at.checked_sub(1).map(|at| &self.tokens[at]) else { return false };
        is_differential_word(word) && (before.ends_operand() || matches!(before.text, "·" | "⋅"))
    }

    /// A statement whose head asks for a word or sign that has not come yet.
    fn missing_word(&self) -> Option<Unexpected> {
        let head = self.tokens.get(self.head)?;
        let (needed, form) = form_of(head.text)?;
        let mut depth = 0_usize;
        let mut needed = needed.iter();
        let mut missing = needed.next();
        for token in &self.tokens[self.head + 1..self.at.min(self.tokens.len())] {
            match token.text {
                "(" | "[" => depth += 1,
                ")" | "]" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && missing.is_some_and(|needed| needed.split(' ').any(|word| word == token.text)) {
                missing = needed.next();
            }
        }
        let missing = missing?;
        if depth > 0 || self.at <= self.head {
            return None;
        }
        let after_head = self.at == self.head + 1;
        let label = if self.at_line_end() { "ends too early" } else { "does not go on like this" };
        let expected = if after_head || !self.previous()?.ends_operand() {
            if matches!(head.text, "cite") { "a string".to_owned() } else { self.value_or_name(head.text) }
        } else {
            let words: Vec<String> = missing.split(' ').map(|word| format!("`{word}`")).collect();
            words.join(" or ")
        };
        let mut error = self.error(format!("expected {expected}, found {}", self.found()), label);
        error.help = Some(format!("the form is `{form}`"));
        error.context = Some(self.span(self.head));
        error.context_label = format!("this `{}`", head.text);
        Some(error)
    }

    fn value_or_name(&self, head: &str) -> String {
        match (head, self.at - self.head) {
            ("return" | "minimize" | "measure" | "train" | "cost" | "stop", _) => "a value".to_owned(),
            (_, 1) => "a name".to_owned(),
            _ => "a value or a name".to_owned(),
        }
    }

    /// `x = 3` in a body.
    fn missing_let(&self) -> Option<Unexpected> {
        self.tokens.get(self.at).filter(|token| token.text == "=")?;
        let name = self.previous().filter(|name| name.kind == TokenKind::Word)?;
        let first = self.at - 1;
        if !(self.starts_line(first) || first > 0 && self.tokens[first - 1].text == "{") {
            return None;
        }
        let mut error = self.error("expected a statement, found a name and `=`", "gives no value by itself");
        error.help = Some(match name.text {
            "batch" | "every" | "grid" | "steps" => format!("a setting stands without `=`: `{} 100`", name.text),
            _ => format!("a value gets its name by `let {} = …`", name.text),
        });
        Some(error)
    }

    /// `cite "…" { title … }` with something else than a text.
    fn fact(&self, scan: &Scan) -> Option<Unexpected> {
        let open = self.block(scan)?;
        let before: Vec<_> = self.tokens.iter().take_while(|token| token.start < open).collect();
        let [.., word, key] = before.as_slice() else { return None };
        if word.text != "cite" || key.kind != TokenKind::Text {
            return None;
        }
        let expected = if self.previous().is_some_and(|token| token.kind == TokenKind::Word) {
            "a text in quotes or a number"
        } else {
            "the name of a fact"
        };
        let mut error = self.error(format!("expected {expected}, found {}", self.found()), "does not go on like this");
        error.help = Some("a source is described by `title \"…\"`, `author \"…\"`, `year 2023`".to_owned());
        Some(error)
    }

    /// An expectation that goes on as none does.
    fn expectation(&self) -> Option<Unexpected> {
        let head = self.tokens.get(self.head).filter(|head| head.text == "expect")?;
        if self.at <= self.head + 1 || self.closer().is_some() || self.open_term().is_some() {
            return None;
        }
        let mut error = self.error(
            format!("expected a claim, when it is looked at, and how swept names are bound, found {}", self.found()),
            if self.at_line_end() { "ends too early" } else { "does not go on like this" },
        );
        error.context = Some(self.span(self.head));
        error.context_label = format!("this `{}`", head.text);
        error.help = Some(
            "a claim is `a < b`, `a in b ± c` or `a in b..c`; then `at step n` or `at the end`; then `by L`, \
             `mean over n`"
                .to_owned(),
        );
        Some(error)
    }

    /// `dX = A*X` without a differential.
    fn open_term(&self) -> Option<Unexpected> {
        let start = (0..self.at).rev().find(|at| {
            self.starts_line(*at)
                && is_differential_word(self.tokens[*at].text)
                && self.tokens.get(at + 1).is_some_and(|token| token.text == "=")
        })?;
        let between = &self.tokens[start + 2..self.at];
        if between.is_empty() || !self.previous()?.ends_operand() || (self.head > start && self.head < self.at) {
            return None;
        }
        let mut error = self.error(
            format!("expected a differential after this term, found {}", self.found()),
            if self.at_line_end() { "no differential behind this" } else { "no differential before this" },
        );
        error.context = Some(self.span(start));
        error.context_label = "this equation".into();
        error.help = Some(
            "every term of an equation ends with its differential: `dX = b dt + σ dW`; a sum goes in parentheses"
                .to_owned(),
        );
        Some(error)
    }

    /// Two operands side by side.
    fn product(&self) -> Option<Unexpected> {
        let (left, right) = self.product_at()?;
        let touching = left.end() == right.start;
        if right.text == "(" && left.kind == TokenKind::Word && !touching {
            let mut error = self.error(
                format!("expected an operator after `{}`, found `(` after a blank", left.text),
                "stands apart from its name",
            );
            error.help = Some(format!(
                "a call's `(` touches its name: `{}(…)`; a product is written `{}*(…)`",
                left.text, left.text
            ));
            return Some(error);
        }
        if right.text == "(" && left.kind != TokenKind::Number {
            return None;
        }
        let between = if touching { "here" } else { "between the two" };
        let mut error = self.error(
            format!("expected an operator after `{}`, found {}", shorten(left.text), self.found()),
            format!("no operator {between}"),
        );
        error.help = Some(if right.text == "(" {
            format!("there is no product without a sign: write `{}*(…)`", left.text)
        } else if left.kind == TokenKind::Sign {
            format!("there is no product without a sign: write `…{}*{}`", left.text, shorten(right.text))
        } else {
            format!("there is no product without a sign: write `{}*{}`", shorten(left.text), shorten(right.text))
        });
        Some(error)
    }

    fn product_at(&self) -> Option<(&Token<'t>, &Token<'t>)> {
        let right = self.tokens.get(self.at).filter(|token| token.starts_operand() && token.text != "[")?;
        let left = self.previous().filter(|token| token.ends_operand() && token.text != "}")?;
        let one_line = !self.starts_line(self.at);
        (one_line && right.text != "|").then_some((left, right))
    }

    /// Nothing better is known than whether a value or an operator is missing.
    fn plain(&self) -> Unexpected {
        let found = self.found();
        let after_operand = self.previous().is_some_and(Token::ends_operand);
        if after_operand {
            let closer = self.closer();
            let expected = match closer {
                Some(closer) => format!("an operator, `,` or `{closer}`"),
                None => "an operator or the end of the statement".to_owned(),
            };
            return self.error(format!("expected {expected}, found {found}"), "does not go on like this");
        }
        let mut error = self.error(format!("expected a value, found {found}"), "no value starts here");
        if self.at_line_end() {
            error.label = "a value is missing behind this".into();
        } else if let Some(token) = self.tokens.get(self.at).filter(|token| token.kind == TokenKind::Word) {
            error = self.error(
                format!("expected a value or a name, found the word `{}` of the language", token.text),
                "not a name",
            );
        }
        error
    }

    /// What closes the innermost bracket around the stop.
    fn closer(&self) -> Option<char> {
        let mut open = Vec::new();
        for token in &self.tokens[..self.at.min(self.tokens.len())] {
            match token.text {
                "(" => open.push(')'),
                "[" => open.push(']'),
                "{" => open.push('}'),
                ")" | "]" | "}" => drop(open.pop()),
                _ => {}
            }
        }
        open.pop().filter(|closer| *closer != '}')
    }
}

fn is_differential_word(word: &str) -> bool {
    word.strip_prefix('d').is_some_and(|rest| rest.starts_with(char::is_alphabetic)) && word != "div"
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= 24 { text.to_owned() } else { text.chars().take(23).chain(['…']).collect() }
}

/// What must follow a head word, in order (alternatives by blanks), and the whole form.
fn form_of(word: &str) -> Option<(&'static [&'static str], &'static str)> {
    Some(match word {
        "cite" => (&[], "cite \"arXiv:0000.00000\""),
        "use" => (&[], "use std.nets.{a, b}"),
        "let" => (&["="], "let name = value"),
        "problem" => (&["= {"], "problem P(d: Nat) { … }` or `problem P = Q(d = 2)"),
        "loss" => (&["{"], "loss L(P: Problem, u: P.Control) { … }"),
        "method" => (&["{"], "method M(P: Problem, u: P.Control, opt: Optimizer) { … }"),
        "repeat" => (&["times", "{"], "repeat 100 times { … }"),
        "every" => (&["{"], "every 10 { … }"),
        "until" => (&[], "until β = 1"),
        "run" => (&[], "run M(P, u, adam(1e-3))"),
        "buffer" => (&[":", "capacity"], "buffer B: (x: R[d], a: R[d]) capacity 10_000"),
        "push" => (&["-> →"], "push (x, a) -> B"),
        "solve" => (&["in", "..", ":"], "solve β in 0..1: e = v"),
        "layer" => (&["-> →", "= {"], "layer L(n: Nat)(x: R[m]) -> R[n] { … }"),
        "net" => (&["-> →", "="], "net V(x: R[d], t: R) -> R[d] = layers([64])(x, t)"),
        "sweep" => (&["in"], "sweep L in [a, b], seed in 1..5"),
        "train" => (&["{"], "train { … }"),
        "measure" => (&["{"], "measure every 100 { … }"),
        "plot" => (&["against"], "plot error against step by L"),
        "table" => (&[], "table error by L, mean over seed"),
        "expect" => (&[], "expect error < 1e-2 at step 1_000, mean over seed"),
        "profile" => (&["{"], "profile quick { steps 500 }"),
        "time" => (&["in", ".."], "time t in 0..T"),
        "state" => (&[":"], "state X: R[d]"),
        "control" => (&[":"], "control u: R[d]"),
        "noise" => (&[":"], "noise W: R[d]"),
        "process" => (&[":", "{"], "process F: R[d, d] by rk4 { … }"),
        "path" => (&["of"], "path X of P under u"),
        "param" => (&[":", "~ ="], "param W: R[n, m] ~ uniform(-k, k)"),
        "minimize" => (&["over", "by"], "minimize e over V by adam(1e-3)"),
        "cost" => (&["="], "cost = E[ … ]"),
        "stop" => (&["when"], "stop when φ ≤ 0"),
        "return" => (&[], "return value"),
        _ => return None,
    })
}
