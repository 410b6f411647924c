//! Way in: lines over a TCP socket into turted.
