//! Way in: lines of the standard input into turted.
