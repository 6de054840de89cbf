//! The program `tracewell`, in which a record that begins with the words of `bus::machine::mutant` kills who applies it.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::cli::main().into()
}
