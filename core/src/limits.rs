//! The bounds that names and payloads are checked against at the door.
//!
//! In: numbers from the configuration. Out: the same numbers, for the parsers of this crate. Bounds of
//! connections and queues belong to the server and are not here.

/// Bounds of what a backend or a client may say. Cheap to copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest user, channel or event name in bytes of UTF-8. Default 200.
    pub name_bytes: usize,
    /// Deepest nesting of JSON arrays and objects. Default 64.
    pub json_depth: usize,
    /// Largest push body in bytes. Default 1 MiB.
    pub push_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            name_bytes: 200,
            json_depth: 64,
            push_bytes: 1024 * 1024,
        }
    }
}
