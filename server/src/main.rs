//! The program `tracewell`. All of it is in the library beside this file, so that tests can run it in-process.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::cli::main().into()
}
