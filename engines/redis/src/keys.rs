//! The names of everything that a realm has in Redis. All have one hash tag, and so one slot.

use turted_core::ledger::{NodeId, Origin};

/// The keys of one realm.
pub struct Keys {
    /// A hash: epoch, newest place, fence, closed epochs, the last ticket of each node.
    pub meta: String,
    /// The stream.
    pub log: String,
    /// A hash: which nodes there are.
    pub nodes: String,
    prefix: String,
}

impl Keys {
    /// Those of a realm.
    pub fn new(realm: &str) -> Self {
        let prefix = format!("turted:{{{realm}}}:");
        let name = |name: &str| format!("{prefix}{name}");
        let (meta, log, nodes) = (name("meta"), name("log"), name("nodes"));
        Self {
            meta,
            log,
            nodes,
            prefix,
        }
    }

    /// Says what was dispatched with an idempotency key.
    pub fn key(&self, key: &str) -> String {
        format!("{}k:{key}", self.prefix)
    }

    /// Says that something was written down again.
    pub fn origin(&self, origin: &Origin) -> String {
        let Origin { node, epoch, ticket } = origin;
        format!("{}s:{node}:{}:{ticket}", self.prefix, epoch.as_str())
    }

    /// The lease of a node, which may be no node's name.
    pub fn lease(&self, node: &str) -> String {
        format!("{}node:{node}", self.prefix)
    }

    /// The last ticket of a node that is gone.
    pub fn tickets(&self, node: &str) -> String {
        format!("{}t:{node}", self.prefix)
    }

    /// Those of an origin in the order that the script for batches wants.
    pub fn again(&self, origin: &Origin) -> [String; 2] {
        let node: &NodeId = &origin.node;
        [self.origin(origin), self.tickets(node.as_str())]
    }
}
