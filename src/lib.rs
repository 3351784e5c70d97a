//! `socrun`: experiments in stochastic optimal control and measure transport, written as mathematics.
//!
//! text → [`source`] → [`syntax`] → [`check`] → [`lower`] → [`transform`] → [`plan`] → [`run`] → [`report`]

pub mod backend;
pub mod check;
pub mod cli;
pub mod diagnostic;
pub mod graph;
pub mod lower;
pub mod plan;
pub mod report;
pub mod run;
pub mod source;
pub mod syntax;
pub mod transform;
pub mod typed;
