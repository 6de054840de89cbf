//! What requests say, read: durations, trace ids, times, parameters. In: text. Out: checked values, or a refusal that names the parameter.

pub(crate) mod duration;
pub(crate) mod kind;
pub(crate) mod parameters;
pub(crate) mod time;
pub(crate) mod trace_id;
