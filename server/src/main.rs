//! The program `tracewell`. All of it is in the library beside this file, so that tests can run it in-process.

use std::process::ExitCode;

/// It gives memory back within a tenth of a second and has one arena, as `.cargo/config.toml` tells it when it is built: docs/benchmarks.md, "Memory under overload".
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    server::cli::main().into()
}
