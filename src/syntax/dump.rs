//! The tree as text: nested lists without spans, spellings and groups, so that two texts that mean the same syntax
//! print the same.

use std::fmt::{self, Write};

use super::tree::{
    Argument, Block, ChangeKind, Claim, Clause, Declaration, Definition, Differential, Expect, Expr, ExprKind, File,
    Integral, Item, ItemKind, Let, Measure, Moment, Param, PostfixOp, Profile, Statement, StatementKind, SweepAxis,
    Term, TypeExpr, TypeKind, UnaryOp, Use, UsePath,
};
use crate::source::Name;

/// The whole file, one item after the other.
pub fn dump(file: &File) -> String {
    let mut dump = Dump { out: String::new(), depth: 0 };
    dump.file(file).expect("a String takes any text");
    dump.out
}

struct Dump {
    out: String,
    depth: usize,
}

impl Dump {
    fn file(&mut self, file: &File) -> fmt::Result {
        self.doc("//!", &file.doc)?;
        file.items.iter().try_for_each(|item| self.item(item))
    }

    fn line(&mut self) -> fmt::Result {
        write!(self.out, "\n{:width$}", "", width = 2 * self.depth)
    }

    fn doc(&mut self, mark: &str, doc: &str) -> fmt::Result {
        if doc.is_empty() { Ok(()) } else { doc.lines().try_for_each(|line| write!(self.out, "\n{mark} {line}")) }
    }

    fn item(&mut self, item: &Item) -> fmt::Result {
        self.doc("///", &item.doc)?;
        self.line()?;
        match &item.kind {
            ItemKind::Cite(cite) => {
                write!(self.out, "(cite {:?}", cite.key.value)?;
                cite.fields.iter().try_for_each(|(name, text)| write!(self.out, " ({} {:?})", name.key, text.value))?;
                write!(self.out, ")")
            }
            ItemKind::Use(clause) => self.use_clause(clause),
            ItemKind::Let(binding) => self.binding(binding),
            ItemKind::Problem(definition) => self.definition("problem", definition),
            ItemKind::Bind(bind) => self.form(&format!("bind {}", bind.name.key), |dump| dump.expr(&bind.value)),
            ItemKind::Loss(definition) => self.definition("loss", definition),
            ItemKind::Method(definition) => self.definition("method", definition),
            ItemKind::Layer(layer) => self.form(&format!("layer {}", layer.name.key), |dump| {
                dump.params(&layer.params)?;
                dump.params(&layer.inputs)?;
                dump.type_expr(&layer.output)?;
                dump.block(&layer.body)
            }),
            ItemKind::Net(net) => self.form(&format!("net {}", net.name.key), |dump| {
                dump.params(&net.inputs)?;
                dump.type_expr(&net.output)?;
                dump.expr(&net.value)?;
                let frozen = if net.frozen.is_some() { " frozen" } else { "" };
                net.stored.iter().try_for_each(|stored| {
                    let part = stored.part.as_ref().map_or(&net.name.text, |part| &part.value);
                    write!(dump.out, "{frozen} from {:?} as {part:?}", stored.file.value)
                })
            }),
            ItemKind::Sweep(axes) => self.sweep(axes),
            ItemKind::Train(body) => self.form("train", |dump| dump.block(body)),
            ItemKind::Measure(measure) => self.measure(measure),
            ItemKind::Plot(plot) => self.form("plot", |dump| {
                dump.names(&plot.quantities)?;
                write!(dump.out, " against {}", plot.against.key)?;
                plot.clauses.iter().try_for_each(|clause| dump.clause(clause))
            }),
            ItemKind::Table(table) => self.form("table", |dump| {
                dump.names(&table.quantities)?;
                table.clauses.iter().try_for_each(|clause| dump.clause(clause))
            }),
            ItemKind::Expect(expect) => self.expect(expect),
            ItemKind::Profile(profile) => self.profile(profile),
        }
    }

    fn measure(&mut self, measure: &Measure) -> fmt::Result {
        self.form("measure", |dump| {
            if let Some(every) = &measure.every {
                dump.form("every", |dump| dump.expr(every))?;
            }
            if let Some(from) = &measure.from {
                dump.form("from", |dump| dump.expr(from))?;
            }
            dump.block(&measure.body)
        })
    }

    fn sweep(&mut self, axes: &[SweepAxis]) -> fmt::Result {
        self.form("sweep", |dump| {
            axes.iter()
                .try_for_each(|axis| dump.form(&format!("axis {}", axis.name.key), |dump| dump.expr(&axis.values)))
        })
    }

    fn expect(&mut self, expect: &Expect) -> fmt::Result {
        self.form("expect", |dump| {
            let (word, parts) = match &expect.claim {
                Claim::Holds(value) => ("holds", vec![value]),
                Claim::Near(value, middle, radius) => ("near", vec![value, middle, radius]),
                Claim::Between(value, from, to) => ("between", vec![value, from, to]),
            };
            dump.form(word, |dump| parts.into_iter().try_for_each(|part| dump.expr(part)))?;
            if let Moment::Step(step) = &expect.at {
                dump.form("at-step", |dump| dump.expr(step))?;
            }
            expect.clauses.iter().try_for_each(|clause| dump.clause(clause))
        })
    }

    fn profile(&mut self, profile: &Profile) -> fmt::Result {
        self.form(&format!("profile {}", profile.name.key), |dump| {
            profile.changes.iter().try_for_each(|change| match &change.kind {
                ChangeKind::Set(path, value) => {
                    let words: Vec<&str> = path.iter().map(|word| word.key.as_str()).collect();
                    dump.form(&format!("set {}", words.join(".")), |dump| dump.expr(value))
                }
                ChangeKind::Let(binding) => dump.binding(binding),
                ChangeKind::Sweep(axes) => dump.sweep(axes),
                ChangeKind::Expect(expect) => dump.expect(expect),
            })
        })
    }

    fn form(&mut self, head: &str, inner: impl FnOnce(&mut Self) -> fmt::Result) -> fmt::Result {
        if !self.out.ends_with([' ', '\n', '(']) {
            self.out.push(' ');
        }
        write!(self.out, "({head}")?;
        inner(self)?;
        self.out.push(')');
        Ok(())
    }

    fn names(&mut self, names: &[Name]) -> fmt::Result {
        names.iter().try_for_each(|name| write!(self.out, " {}", name.key))
    }

    fn clause(&mut self, clause: &Clause) -> fmt::Result {
        match clause {
            Clause::By(name) => write!(self.out, " (by {})", name.key),
            Clause::MeanOver(name) => write!(self.out, " (mean-over {})", name.key),
            Clause::Log(name) => write!(self.out, " (log {})", name.key),
        }
    }

    fn use_clause(&mut self, clause: &Use) -> fmt::Result {
        self.form("use", |dump| {
            match &clause.from {
                UsePath::Dotted(words) => dump.names(words)?,
                UsePath::File(text) => write!(dump.out, " {:?}", text.value)?,
            }
            dump.form("names", |dump| dump.names(&clause.names))
        })
    }

    fn definition(&mut self, word: &str, definition: &Definition) -> fmt::Result {
        self.form(&format!("{word} {}", definition.name.key), |dump| {
            dump.params(&definition.params)?;
            for clause in &definition.requires {
                dump.form("requires", |dump| dump.expr(clause))?;
            }
            dump.block(&definition.body)
        })
    }

    fn binding(&mut self, binding: &Let) -> fmt::Result {
        self.form(&format!("let {}", binding.name.key), |dump| {
            if let Some(params) = &binding.params {
                dump.params(params)?;
            }
            if let Some(ty) = &binding.ty {
                dump.type_expr(ty)?;
            }
            dump.expr(&binding.value)
        })
    }

    fn params(&mut self, params: &[Param]) -> fmt::Result {
        self.form("params", |dump| {
            params.iter().try_for_each(|param| {
                dump.form(param.name.key.as_str(), |dump| {
                    if let Some(ty) = &param.ty {
                        dump.type_expr(ty)?;
                    }
                    param.default.as_ref().map_or(Ok(()), |default| dump.expr(default))
                })
            })
        })
    }

    fn block(&mut self, block: &Block) -> fmt::Result {
        self.depth += 1;
        for statement in &block.statements {
            self.doc("///", &statement.doc)?;
            self.line()?;
            self.statement(statement)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn declaration(&mut self, word: &str, declaration: &Declaration) -> fmt::Result {
        self.form(&format!("{word} {}", declaration.name.key), |dump| dump.type_expr(&declaration.ty))
    }

    fn statement(&mut self, statement: &Statement) -> fmt::Result {
        match &statement.kind {
            StatementKind::Use(clause) => self.use_clause(clause),
            StatementKind::Let(binding) => self.binding(binding),
            StatementKind::Time { name, from, to } => self.form(&format!("time {}", name.key), |dump| {
                dump.expr(from)?;
                dump.expr(to)
            }),
            StatementKind::State(declaration) => self.declaration("state", declaration),
            StatementKind::Control(declaration) => self.declaration("control", declaration),
            StatementKind::Noise(declaration) => self.declaration("noise", declaration),
            StatementKind::Equation(equation) => self.form(&format!("equation {}", equation.name.key), |dump| {
                equation.terms.iter().try_for_each(|term| dump.term(term))
            }),
            StatementKind::Boundary { name, at, drawn, value } => {
                let word = if *drawn { "drawn" } else { "given" };
                self.form(&format!("{word} {}", name.key), |dump| {
                    dump.expr(at)?;
                    dump.expr(value)
                })
            }
            StatementKind::Cost(value) => self.form("cost", |dump| dump.expr(value)),
            StatementKind::Stop(condition) => self.form("stop", |dump| dump.expr(condition)),
            StatementKind::Process { name, ty, scheme, body } => self.form(&format!("process {}", name.key), |dump| {
                dump.type_expr(ty)?;
                if let Some(scheme) = scheme {
                    write!(dump.out, " (by {})", scheme.key)?;
                }
                dump.block(body)
            }),
            StatementKind::Path { state, noise, exit, problem, control, batch } => {
                self.form(&format!("path {}", state.key), |dump| {
                    if let Some(noise) = noise {
                        write!(dump.out, " (noise {})", noise.key)?;
                    }
                    if let Some(exit) = exit {
                        write!(dump.out, " (exit {})", exit.key)?;
                    }
                    dump.expr(problem)?;
                    dump.clause_expr("under", control.as_ref())?;
                    dump.clause_expr("batch", batch.as_ref())
                })
            }
            StatementKind::Parameter { name, ty, drawn, init } => {
                let word = if *drawn { "param-drawn" } else { "param-given" };
                self.form(&format!("{word} {}", name.key), |dump| {
                    dump.type_expr(ty)?;
                    dump.expr(init)
                })
            }
            StatementKind::Draw { names, law, batch, weight } => self.form("draw", |dump| {
                dump.names(names)?;
                dump.expr(law)?;
                dump.clause_expr("batch", batch.as_ref())?;
                weight.as_ref().map_or(Ok(()), |weight| write!(dump.out, " (weight {})", weight.key))
            }),
            StatementKind::Repeat { times, body } => self.form("repeat", |dump| {
                dump.clause_expr("times", times.as_ref())?;
                dump.block(body)
            }),
            StatementKind::Every { rounds, body } => self.form("every", |dump| {
                dump.expr(rounds)?;
                dump.block(body)
            }),
            StatementKind::Until(condition) => self.form("until", |dump| dump.expr(condition)),
            StatementKind::Run(method) => self.form("run", |dump| dump.expr(method)),
            StatementKind::Buffer { name, columns, capacity } => self.form(&format!("buffer {}", name.key), |dump| {
                columns.iter().try_for_each(|column| dump.declaration("column", column))?;
                dump.expr(capacity)
            }),
            StatementKind::Push { value, buffer } => {
                self.form(&format!("push {}", buffer.key), |dump| dump.expr(value))
            }
            StatementKind::Solve { name, from, to, equation, otherwise } => {
                self.form(&format!("solve {}", name.key), |dump| {
                    dump.exprs([from, to, equation])?;
                    dump.clause_expr("else", otherwise.as_ref())
                })
            }
            StatementKind::Assign { name, value } => {
                self.form(&format!("assign {}", name.key), |dump| dump.expr(value))
            }
            StatementKind::Setting { name, value } => {
                self.form(&format!("setting {}", name.key), |dump| dump.expr(value))
            }
            StatementKind::Minimize { objective, over } => self.form("minimize", |dump| {
                dump.expr(objective)?;
                over.iter().try_for_each(|(name, optimiser)| {
                    dump.form(&format!("over {}", name.key), |dump| dump.expr(optimiser))
                })
            }),
            StatementKind::Measure(measure) => self.measure(measure),
            StatementKind::Return(value) => self.form("return", |dump| dump.expr(value)),
        }
    }

    fn clause_expr(&mut self, word: &str, value: Option<&Expr>) -> fmt::Result {
        value.map_or(Ok(()), |value| self.form(word, |dump| dump.expr(value)))
    }

    fn term(&mut self, term: &Term) -> fmt::Result {
        self.form(if term.negative { "minus" } else { "plus" }, |dump| {
            dump.expr(&term.integrand)?;
            dump.differential(term.dot, &term.differential)
        })
    }

    fn differential(&mut self, dot: bool, differential: &Differential) -> fmt::Result {
        let word = if dot { "·d" } else { "d" };
        self.form(&format!("{word} {}", differential.name.key), |dump| {
            differential.at.as_ref().map_or(Ok(()), |at| dump.expr(at))
        })
    }

    fn type_expr(&mut self, ty: &TypeExpr) -> fmt::Result {
        match &ty.kind {
            TypeKind::Real(sizes) => self.form("R", |dump| sizes.iter().try_for_each(|size| dump.expr(size))),
            TypeKind::Law(sizes) => self.form("law-of", |dump| sizes.iter().try_for_each(|size| dump.expr(size))),
            TypeKind::Samples(sizes) => {
                self.form("samples-of", |dump| sizes.iter().try_for_each(|size| dump.expr(size)))
            }
            TypeKind::Named(names) => self.form("type", |dump| dump.names(names)),
            TypeKind::List(of) => self.form("list-of", |dump| dump.type_expr(of)),
            TypeKind::Function(from, to) => self.form("function", |dump| {
                from.iter().try_for_each(|ty| dump.type_expr(ty))?;
                dump.type_expr(to)
            }),
        }
    }

    fn exprs<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>) -> fmt::Result {
        exprs.into_iter().try_for_each(|expr| self.expr(expr))
    }

    fn expr(&mut self, expr: &Expr) -> fmt::Result {
        match &expr.kind {
            ExprKind::Number { value, .. } => write!(self.out, " {value}"),
            ExprKind::Text(text) => write!(self.out, " {text:?}"),
            ExprKind::Bool(value) => write!(self.out, " {value}"),
            ExprKind::Name(name) => write!(self.out, " {}", name.key),
            ExprKind::Hole => write!(self.out, " _"),
            ExprKind::Group(inner) => self.expr(inner),
            ExprKind::Tuple(entries) => self.form("tuple", |dump| dump.exprs(entries)),
            ExprKind::Comprehension(entry, indices) => self.form("entries", |dump| {
                dump.expr(entry)?;
                indices.iter().try_for_each(|(name, from, to)| {
                    dump.form(&format!("for {}", name.key), |dump| dump.exprs([from, to]))
                })
            }),
            ExprKind::List(entries) => self.form("list", |dump| dump.exprs(entries)),
            ExprKind::Range(from, to) => self.form("range", |dump| dump.exprs([&**from, &**to])),
            ExprKind::Lambda(params, body) => self.form("lambda", |dump| {
                dump.params(params)?;
                dump.expr(body)
            }),
            ExprKind::If(when, then, otherwise) => self.form("if", |dump| dump.exprs([&**when, &**then, &**otherwise])),
            ExprKind::Unary(op, _, operand) => {
                let word = match op {
                    UnaryOp::Negate => "negate",
                    UnaryOp::Not => "not",
                    UnaryOp::SquareRoot => "sqrt",
                };
                self.form(word, |dump| dump.expr(operand))
            }
            ExprKind::Binary(op, _, left, right) => {
                self.form(&format!("{op:?}").to_lowercase(), |dump| dump.exprs([&**left, &**right]))
            }
            // `inv(transpose(A))` is a spelling of `A⁻ᵀ`, whatever signs it is written with.
            ExprKind::Postfix(PostfixOp::Inverse, _, operand) if transposed(operand).is_some() => {
                self.form("inverse-transpose", |dump| transposed(operand).map_or(Ok(()), |inner| dump.expr(inner)))
            }
            ExprKind::Postfix(op, _, operand) => {
                let word = match op {
                    PostfixOp::Transpose => "transpose",
                    PostfixOp::Inverse => "inverse",
                    PostfixOp::InverseTranspose => "inverse-transpose",
                };
                self.form(word, |dump| dump.expr(operand))
            }
            ExprKind::Norm(_, inner) => self.form("norm", |dump| dump.expr(inner)),
            ExprKind::Call(function, arguments) => self.form("call", |dump| {
                dump.expr(function)?;
                arguments.iter().try_for_each(|argument| dump.argument(argument))
            }),
            ExprKind::Index(of, entries) => self.form("index", |dump| {
                dump.expr(of)?;
                dump.exprs(entries)
            }),
            ExprKind::Member(of, name) => self.form("member", |dump| {
                dump.expr(of)?;
                write!(dump.out, " {}", name.key)
            }),
            ExprKind::With(of, members) => self.form("with", |dump| {
                dump.expr(of)?;
                members.iter().try_for_each(|member| dump.binding(member))
            }),
            ExprKind::Gradient(_, of) => self.form("gradient", |dump| dump.expr(of)),
            ExprKind::Jacobian(_, of) => self.form("jacobian", |dump| dump.expr(of)),
            ExprKind::Divergence(of) => self.form("divergence", |dump| dump.expr(of)),
            ExprKind::Laplacian(_, of) => self.form("laplacian", |dump| dump.expr(of)),
            ExprKind::Partial(_, name, of) => self.form(&format!("partial {}", name.key), |dump| dump.expr(of)),
            ExprKind::Integral(integral) => self.integral(integral),
            ExprKind::Expectation(of, condition) => self.form("expectation", |dump| {
                dump.expr(of)?;
                condition.iter().try_for_each(|condition| dump.form("given", |dump| dump.expr(condition)))
            }),
            ExprKind::Variance(of) => self.form("variance", |dump| dump.expr(of)),
            ExprKind::MeanOver(name, drawn, of) => self.form(&format!("mean {}", name.key), |dump| {
                if let Some(drawn) = drawn {
                    dump.form("drawn", |dump| dump.expr(drawn))?;
                }
                dump.expr(of)
            }),
            ExprKind::Sum(_, name, bounds, of) => self.form(&format!("sum {}", name.key), |dump| {
                if let Some(bounds) = bounds {
                    dump.form("from-to", |dump| dump.exprs([&bounds.0, &bounds.1]))?;
                }
                dump.expr(of)
            }),
        }
    }

    fn integral(&mut self, integral: &Integral) -> fmt::Result {
        self.form("integral", |dump| {
            if let Some(rule) = &integral.rule {
                write!(dump.out, " (rule {})", rule.key)?;
            }
            if let Some((from, to)) = &integral.bounds {
                dump.form("from-to", |dump| dump.exprs([from, to]))?;
            }
            dump.expr(&integral.integrand)?;
            dump.differential(integral.dot, &integral.differential)
        })
    }

    fn argument(&mut self, argument: &Argument) -> fmt::Result {
        match &argument.name {
            Some(name) => self.form(&format!("named {}", name.key), |dump| dump.expr(&argument.value)),
            None => self.expr(&argument.value),
        }
    }
}

/// What stands under a transposition, through parentheses.
fn transposed(expr: &Expr) -> Option<&Expr> {
    match &expr.kind {
        ExprKind::Group(inner) => transposed(inner),
        ExprKind::Postfix(PostfixOp::Transpose, _, inner) => Some(inner),
        _ => None,
    }
}
