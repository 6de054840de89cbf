//! A trace as it is answered: live and stored parts joined, its spans as a tree, and what sampling says of it. Pure but for [`found`].

pub(crate) mod facts;
pub(crate) mod found;
pub(crate) mod splice;
pub(crate) mod summary;
pub(crate) mod tracestate;
pub(crate) mod tree;
