//! The program: see `edgemill::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    edgemill::cli::main()
}
