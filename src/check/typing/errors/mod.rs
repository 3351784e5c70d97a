//! What can be wrong with types, topic by topic.

mod axis;
mod call;
mod derivative;
mod expect;
mod kind;
mod method;
mod process;
mod requires;
mod setting;
mod shape;

pub(super) use axis::{MixedTimes, NothingVaries, StillVaries};
pub(super) use call::{ArgumentMissing, ArgumentTwice, ArgumentUnknown, NotCallable, TooManyArguments};
pub(super) use derivative::{DivergenceOf, GradientOfVector, JacobianOfScalar, NoField, NoVariable};
pub(super) use expect::{NoClaim, NoFormula, NotMeasuredAt, NotSwept, NothingMeasured, Unbound};
pub(super) use kind::{Circular, NeedsTime, RangeNeeded, TooDeep, UnknownMember, UnknownWord, WrongKind};
pub(super) use method::{ColumnCount, EmptyBuffer, EndlessLoop, NotAState, OutsideLoop};
pub(super) use process::{
    DrawnWhereStopped, GivenAtBothEnds, GivenElsewhere, GivenNowhere, NoStepHere, NoiseBackward, NotOnGrid,
    PartMissing, PathsBeside,
};
pub(super) use requires::{BadClause, MemberNeeds, NotFound, ReadsHorizon, Unmet};
pub(super) use setting::{
    BadSetting, EmptySweep, Forgotten, FrozenWithoutFile, MissingSetting, MissingStatement, StatementTwice,
    UnknownSetting, Unmoved, WeightsOf,
};
pub(super) use shape::{
    ByVector, Differ, NoProduct, NotASize, NotSquare, OutOfRange, PowerOfVector, ResultDiffers, ScalarPlusShape,
    UnboundSize, WrongShape,
};
