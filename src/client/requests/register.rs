//! Connections that HTTP requests look for, whichever worker a request comes to.
//!
//! In: connections without a socket of their own for all that the client says. Out: their address, for whoever knows
//! how it is called. It does not know what is said.

use std::collections::HashMap;
use std::sync::atomic::AtomicU8;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::Addr;
use subtle::ConstantTimeEq;

use crate::client::actor::Connection;

/// Everybody who is listed. Bounded by admission: each entry is a connection.
#[derive(Default)]
pub struct Register(Mutex<HashMap<Arc<str>, Entry>>);

#[derive(Clone)]
enum Entry {
    /// A request is opening it.
    Reserved,
    Listed {
        secret: Option<Arc<str>>,
        connection: Addr<Connection>,
        mark: Arc<AtomicU8>,
    },
}

/// Why nobody is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// No connection has this name (any more).
    #[error("there is no such connection; open a new one")]
    Unknown,
    /// The secret is another.
    #[error("the secret does not belong to this connection")]
    Secret,
}

/// What there is under a name that a client chose.
pub enum Place {
    /// Nobody: it is kept for whoever asked.
    Free(Listing),
    /// Another request is just opening it.
    Reserved,
    /// This connection.
    Taken(Addr<Connection>),
}

/// Who was found.
pub struct Found {
    /// The connection.
    pub connection: Addr<Connection>,
    /// What its transport wants to remember about the client from one request to the next; 0 at first.
    pub mark: Arc<AtomicU8>,
}

/// A place in the register, as long as it is held.
pub struct Listing {
    register: Arc<Register>,
    name: Arc<str>,
    secret: Option<Arc<str>>,
}

impl Register {
    /// Keeps `name` for a connection that will be found only with `secret`, if there is one.
    pub fn reserve(self: &Arc<Self>, name: &str, secret: Option<Arc<str>>) -> Place {
        let mut entries = self.entries();
        match entries.get(name) {
            Some(Entry::Reserved) => Place::Reserved,
            Some(Entry::Listed { connection, .. }) => Place::Taken(connection.clone()),
            None => {
                let name: Arc<str> = name.into();
                entries.insert(Arc::clone(&name), Entry::Reserved);
                Place::Free(Listing {
                    register: Arc::clone(self),
                    name,
                    secret,
                })
            }
        }
    }

    /// The connection of this name, for whoever knows its secret; with `None` only one that has none, and with a secret
    /// only one that has it.
    ///
    /// # Errors
    /// [`NotFound`].
    pub fn find(&self, name: &str, secret: Option<&str>) -> Result<Found, NotFound> {
        let Some(Entry::Listed {
            secret: own,
            connection,
            mark,
        }) = self.entries().get(name).cloned()
        else {
            return Err(NotFound::Unknown);
        };
        // In constant time (CWE-208): ids are public, and the secret is all that guards the connection.
        match (own, secret) {
            (Some(own), Some(secret)) if bool::from(own.as_bytes().ct_eq(secret.as_bytes())) => {
                Ok(Found { connection, mark })
            }
            (None, None) => Ok(Found { connection, mark }),
            (Some(_), _) => Err(NotFound::Secret),
            // A session of another service, whose name is all that it takes there (CWE-639).
            (None, Some(_)) => Err(NotFound::Unknown),
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Arc<str>, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listing {
    /// From now on this connection is found here.
    pub fn fill(&self, connection: Addr<Connection>) {
        let secret = self.secret.clone();
        let entry = Entry::Listed {
            secret,
            connection,
            mark: Arc::default(),
        };
        self.register.entries().insert(Arc::clone(&self.name), entry);
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        self.register.entries().remove(&self.name);
    }
}
