//! The program `turted`.
//!
//! In: nothing of its own. Out: the exit code of [`turted::cli`], which knows everything else.

use std::process::ExitCode;

/// Gives back what a burst took, also while nothing happens. That of glibc keeps what lies below any small thing that
/// lives longer, and each burst makes that more: docs/performance.md has the numbers.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    turted::cli::main()
}
