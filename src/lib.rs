//! `socrun`: experiments in stochastic optimal control and measure transport, written as mathematics.
//!
//! text → [`source`] → [`syntax`] → [`check`] → [`lower`] → [`transform`] → [`plan`] → [`run`] → [`report`]

pub mod diagnostic;
pub mod source;
pub mod syntax;
pub mod typed;
pub mod check;
pub mod graph;
pub mod lower;
pub mod transform;
pub mod plan;
pub mod backend;
pub mod run;
pub mod report;
pub mod cli;
