//! Maps of real size and layered graphs of any: drawn on one screen, always alike, with few crossings, and where they were before.

mod crossings;
mod fixture;
mod large;
mod numbers;
