//! The program `turted`.
//!
//! In: nothing of its own. Out: the exit code of [`turted::cli`], which knows everything else.

use std::process::ExitCode;

fn main() -> ExitCode {
    turted::cli::main()
}
