//! What flows in: `[auth.clients]` and `[auth.backends]`. What flows out: for each of the two doors the method that
//! guards it, with its secrets. Refuses to know: how a method verifies anybody.

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use turted_core::Api;

use super::backends::{Backend, Shown};
use super::decode::{Decoded, decode};
use super::hook::Callback;
use super::jwt::Jwt;
use super::miss::unknown_word;
use super::problem::{Problem, join_key};
use super::proxy::Headers;
use super::secret::Secret;
use super::tagged::Tagged;
use super::tree::{Node, Value};

/// `[auth]`: who may enter by which door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// How users prove who they are (`IDENT`): the first method whose kind of credential is there decides. Default:
    /// everybody is believed, which the server accepts while it is private.
    pub clients: Vec<Method>,
    /// `anywhere = true`: clients stay unverified although the server is public. Default false.
    pub clients_anywhere: bool,
    /// Who may push, and what each of them may. Default: everybody everything, which is accepted on loopback only.
    pub backends: Vec<Backend>,
    /// `anywhere = true`: backends stay unverified although the server listens on more than loopback. Default false.
    pub backends_anywhere: bool,
}

/// How one door is guarded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Method {
    /// `type = "accept_all"`
    #[default]
    AcceptAll,
    /// `type = "password"`: everybody knows the same word.
    Password(Secret),
    /// `type = "token"`, `hash = "hmac-sha256"`: hex of HMAC-SHA-256 of the name under this secret.
    Hmac(Secret),
    /// `type = "token"` with a plain hash: hex of `hash(prefix + name + suffix)`; at least one of the two is there.
    Salted {
        /// Never [`Hash::HmacSha256`].
        hash: Hash,
        /// Goes before the name.
        prefix: Option<Secret>,
        /// Goes after the name.
        suffix: Option<Secret>,
    },
    /// `type = "jwt"`: a signed token says who somebody is.
    Jwt(Box<Jwt>),
    /// `type = "callback"`: the user's backend is asked.
    Callback(Box<Callback>),
    /// `type = "headers"`: a proxy says who somebody is.
    Headers(Box<Headers>),
}

/// `hash = "…"`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Hash {
    /// The default, and the one to use for anything new.
    #[default]
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
    /// What TURTED 4 used unless told otherwise.
    Md5,
    /// As TURTED 4.
    Sha1,
    /// As TURTED 4.
    Sha256,
    /// As TURTED 4.
    Sha512,
}

const TYPES: [&str; 6] = ["accept_all", "password", "token", "jwt", "callback", "headers"];
/// Of `[auth.backends]`: a backend brings no session of a browser.
const BACKENDS: [&str; 3] = ["accept_all", "password", "token"];

const CLIENTS: &str = "auth.clients";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct AcceptAll {
    anywhere: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Password {
    password: Secret,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Token {
    hash: Hash,
    secret: Option<Secret>,
    prefix: Option<Secret>,
    suffix: Option<Secret>,
}

impl Auth {
    /// Reads the table `[auth]`; what is wrong is noted and replaced by the default.
    pub(super) fn read(node: &Node, problems: &mut Vec<Problem>) -> Auth {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Doors {
            #[serde(rename = "clients")]
            _clients: Option<serde::de::IgnoredAny>,
            #[serde(rename = "backends")]
            _backends: Option<serde::de::IgnoredAny>,
        }
        problems.extend(decode::<Doors>(node, "auth").problems);
        let mut auth = Auth::default();
        if let Some(node) = node.get("clients") {
            auth.clients(node, problems);
        }
        if let Some(node) = node.get("backends") {
            let before = problems.len();
            let (backends, anywhere) = Backend::read(node, problems);
            // What could not be read must not become an open door.
            if !backends.is_empty() || problems.len() > before {
                (auth.backends, auth.backends_anywhere) = (backends, anywhere);
            }
        }
        auth
    }
}

impl Auth {
    /// Whether some backend may use the server API.
    #[must_use]
    pub fn has_api(&self) -> bool {
        self.backends.iter().any(|backend| backend.api() > Api::None)
    }

    /// One table, or several in the order in which they are looked at.
    fn clients(&mut self, node: &Node, problems: &mut Vec<Problem>) {
        let key = CLIENTS;
        let several = match &node.value {
            Value::List(list) => list.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let before = problems.len();
        let mut methods = Vec::new();
        for node in several {
            let Some(door) = Tagged::split(node, key, problems) else {
                continue;
            };
            if door.kind != "accept_all" {
                methods.extend(Method::read(&door, key, problems));
                continue;
            }
            let open = note(decode::<AcceptAll>(&door.rest, key), problems);
            self.clients_anywhere = open.is_some_and(|open| open.anywhere);
            if several.len() > 1 {
                let message = "\"accept_all\" stands alone: whoever fails by another method would come in by this one";
                problems.push(Problem::new(door.kind_place.clone(), join_key(key, "type"), message));
            }
        }
        // What could not be read must not become an open door.
        if !methods.is_empty() || problems.len() > before {
            self.clients = methods;
        }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            clients: vec![Method::AcceptAll],
            clients_anywhere: false,
            backends: vec![Backend::default()],
            backends_anywhere: false,
        }
    }
}

fn note<T>(decoded: Decoded<T>, problems: &mut Vec<Problem>) -> Option<T> {
    problems.extend(decoded.problems);
    decoded.value
}

impl Method {
    pub(super) fn read(door: &Tagged, key: &str, problems: &mut Vec<Problem>) -> Option<Method> {
        match door.kind.as_str() {
            "password" => {
                note(decode::<Password>(&door.rest, key), problems).map(|read| Method::Password(read.password))
            }
            "token" => {
                let decoded = decode::<Token>(&door.rest, key);
                // With a mistake inside, "the secret is missing" may only be its consequence.
                let sound = decoded.problems.is_empty();
                let token = note(decoded, problems).filter(|_| sound)?;
                token.method(door, key, problems)
            }
            "jwt" if key == CLIENTS => Jwt::read(door, key, problems).map(|jwt| Method::Jwt(Box::new(jwt))),
            "headers" if key == CLIENTS => {
                note(decode::<Headers>(&door.rest, key), problems).map(|headers| Method::Headers(Box::new(headers)))
            }
            "callback" if key == CLIENTS => {
                note(decode::<Callback>(&door.rest, key), problems).map(|callback| Method::Callback(Box::new(callback)))
            }
            other => {
                let known: &[&str] = if key == CLIENTS { &TYPES } else { &BACKENDS };
                let message = unknown_word(other, known);
                problems.push(Problem::new(door.kind_place.clone(), join_key(key, "type"), message));
                None
            }
        }
    }
}

impl Token {
    fn method(self, door: &Tagged, key: &str, problems: &mut Vec<Problem>) -> Option<Method> {
        let mut refuse = |name: &str, message: &str| {
            problems.push(Problem::new(door.rest.place_of(name), join_key(key, name), message));
            None
        };
        match (self.hash, self.secret, self.prefix, self.suffix) {
            (Hash::HmacSha256, Some(secret), None, None) => Some(Method::Hmac(secret)),
            (Hash::HmacSha256, None, None, None) => refuse("secret", "is missing; hash \"hmac-sha256\" needs one"),
            (Hash::HmacSha256, _, Some(_), _) => {
                refuse("prefix", "does not go with hash \"hmac-sha256\", which takes a secret")
            }
            (Hash::HmacSha256, _, _, Some(_)) => {
                refuse("suffix", "does not go with hash \"hmac-sha256\", which takes a secret")
            }
            (_, Some(_), _, _) => refuse(
                "secret",
                "goes with hash \"hmac-sha256\" only; the others take prefix and suffix",
            ),
            (_, None, None, None) => refuse(
                "prefix",
                "is missing; without a secret prefix or suffix anybody can compute the token",
            ),
            (hash, None, prefix, suffix) => Some(Method::Salted { hash, prefix, suffix }),
        }
    }
}

impl Serialize for Auth {
    /// As the file would say it, secrets masked.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut doors = serializer.serialize_map(Some(2))?;
        let is_open = self.clients == [Method::AcceptAll];
        let clients = self.clients.iter().map(|method| Door {
            method,
            anywhere: is_open.then_some(self.clients_anywhere),
        });
        doors.serialize_entry("clients", &clients.collect::<Vec<_>>())?;
        let backends = self.backends.iter().map(|backend| Shown {
            backend,
            anywhere: self.backends_anywhere,
        });
        doors.serialize_entry("backends", &backends.collect::<Vec<_>>())?;
        doors.end()
    }
}

pub(super) struct Door<'a> {
    pub(super) method: &'a Method,
    pub(super) anywhere: Option<bool>,
}

impl Serialize for Door<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Typed<'a, T> {
            r#type: &'static str,
            #[serde(flatten)]
            rest: &'a T,
        }
        if let Method::Jwt(rest) = self.method {
            let r#type = "jwt";
            return Typed { r#type, rest }.serialize(serializer);
        }
        if let Method::Callback(rest) = self.method {
            let r#type = "callback";
            return Typed { r#type, rest }.serialize(serializer);
        }
        if let Method::Headers(rest) = self.method {
            let r#type = "headers";
            return Typed { r#type, rest }.serialize(serializer);
        }
        let mut table = serializer.serialize_map(None)?;
        self.entries(&mut table)?;
        table.end()
    }
}

impl Door<'_> {
    pub(super) fn entries<M: SerializeMap>(&self, table: &mut M) -> Result<(), M::Error> {
        match self.method {
            Method::Callback(_) | Method::Headers(_) | Method::Jwt(_) => {}
            Method::AcceptAll => table.serialize_entry("type", "accept_all")?,
            Method::Password(password) => {
                table.serialize_entry("type", "password")?;
                table.serialize_entry("password", password)?;
            }
            Method::Hmac(secret) => {
                table.serialize_entry("type", "token")?;
                table.serialize_entry("hash", &Hash::HmacSha256)?;
                table.serialize_entry("secret", secret)?;
            }
            Method::Salted { hash, prefix, suffix } => {
                table.serialize_entry("type", "token")?;
                table.serialize_entry("hash", hash)?;
                for (name, part) in [("prefix", prefix), ("suffix", suffix)] {
                    if let Some(part) = part {
                        table.serialize_entry(name, part)?;
                    }
                }
            }
        }
        if let Some(anywhere) = self.anywhere {
            table.serialize_entry("anywhere", &anywhere)?;
        }
        Ok(())
    }
}
