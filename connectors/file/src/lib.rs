//! Way in: lines of log files, as they are written, into turted.
