//! The text form of a program: one line per value, so that a pass can be read and tested as text.
//!
//! In: a program, or such a text. Out: the other one. May not know: what the program is for.
//!
//! ```text
//! axis sample sample 128
//! axis t time 50
//! parameter "W" [2, 2]
//! region r1 in r0
//! %0 = parameter 0 : [2, 2]
//! %1 = argument r1 0 : sample [2] in r1
//! %2 = contract ab,b->a %0 %1 : sample [2] in r1
//! …
//! named "loss" = %9
//! ```
//!
//! After the colon stand the axes and the shape, then the region unless it is the root. Axes of one name are told apart
//! by their number, `t#3`. Spans are not part of the form.

mod names;
mod parse;
mod print;

pub use parse::{TextError, parse};
pub use print::{print, summary};
