//! The product, as its users meet it: the real binary, in by OTLP, out by the public APIs, through real ports.

mod kill;
mod sdk;
