//! What the tests of the wire share: views built back into prost's structs, and requests made up by a seed.

pub(crate) mod generate;
pub(crate) mod metrics;
pub(crate) mod rebuild;
pub(crate) mod remote_write;
