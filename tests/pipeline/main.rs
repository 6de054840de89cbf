//! The product, as its users meet it: the real binary, in by OTLP, out by the public APIs, through real ports.

mod damage;
mod disk;
mod kill;
mod sdk;
