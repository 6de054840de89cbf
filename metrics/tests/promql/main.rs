//! PromQL over a store that got its data through the log: remote write in, answers out.

mod corpus;
mod limits;
mod notation;
mod script;
mod scripts;
mod steps;
mod windows;
mod world;
