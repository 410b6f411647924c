//! What is known of the fields of a collection.
//!
//! In: names from the configuration, and paths as clients say them. Out: checked paths, what kind of value stands
//! there, and whether a client may see it.

/// Longest path in bytes.
const PATH: usize = 200;
/// Most names in a path.
const NAMES: usize = 16;

/// What is known of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// The field that clients know as `id`. Default `_id`.
    pub key: String,
    /// Fields, besides the key, that hold ObjectIds, which clients say as texts. Default none.
    pub ids: Vec<String>,
    /// Fields that hold times, which clients say as texts (RFC 3339). Default `createdAt` and `updatedAt`.
    pub times: Vec<String>,
    /// Fields that clients do not get; they may ask for documents by them. Default none.
    pub hidden: Vec<String>,
    /// Names of fields, at any depth, that clients neither get nor ask for: those that have this in them, whatever the
    /// case, or that are exactly `=this`. Default none.
    pub secrets: Vec<String>,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            key: "_id".to_owned(),
            ids: Vec::new(),
            times: ["createdAt", "updatedAt"].map(str::to_owned).into(),
            hidden: Vec::new(),
            secrets: Vec::new(),
        }
    }
}

/// What stands in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An ObjectId, or a text that stands for itself.
    Id,
    /// A time.
    Time,
    /// Anything else.
    Plain,
}

/// The path of a field: names with dots between them, none of them an operator.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPath(String);

impl FieldPath {
    /// As MongoDB has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A path that the configuration names.
    ///
    /// # Errors
    /// A sentence about why it is none.
    pub fn parse(said: &str) -> Result<Self, String> {
        if said.len() > PATH {
            return Err(format!("the name of a field is at most {PATH} bytes long"));
        }
        if said.split('.').count() > NAMES {
            return Err(format!("{said:?} is deeper than {NAMES} names"));
        }
        for name in said.split('.') {
            let why = match name {
                "" => "has an empty name in it",
                // CWE-1321: no document has it by right, and whoever reads the answer must not meet it.
                "__proto__" => "is no field",
                // CWE-943: `$where` would be a program, and others operators.
                name if name.starts_with('$') => "begins with $, as only operators of MongoDB do",
                name if name.contains(char::is_control) => "has a control character in it",
                _ => continue,
            };
            return Err(format!("{said:?} {why}"));
        }
        Ok(Self(said.to_owned()))
    }
}

impl Fields {
    /// What a client means by this.
    ///
    /// # Errors
    /// A sentence for the client about why it cannot be asked for.
    pub fn path(&self, said: &str) -> Result<FieldPath, String> {
        let path = FieldPath::parse(if said == "id" { &self.key } else { said })?;
        // Whoever may ask whether it begins with an a may ask for all of it, letter by letter (CWE-203).
        match path.0.split('.').any(|name| self.is_secret(name)) {
            true => Err(format!("{said:?} may not be asked for")),
            false => Ok(path),
        }
    }

    /// What stands there.
    #[must_use]
    pub fn kind(&self, path: &FieldPath) -> Kind {
        match &path.0 {
            path if *path == self.key || self.ids.contains(path) => Kind::Id,
            path if self.times.contains(path) => Kind::Time,
            _ => Kind::Plain,
        }
    }

    /// Whether no client gets what stands under this name, at any depth.
    #[must_use]
    pub fn is_secret(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let mut secrets = self.secrets.iter().map(|secret| secret.to_ascii_lowercase());
        secrets.any(|secret| match secret.strip_prefix('=') {
            Some(exactly) => name == exactly,
            None => name.contains(&secret),
        })
    }

    /// Whether no client gets this field of a document.
    #[must_use]
    pub fn is_hidden(&self, name: &str) -> bool {
        self.hidden.iter().any(|hidden| hidden == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_names_and_no_operators() {
        for good in ["a", "_id", "a.b.c", "a.0.b", "é", "a b", "x$", "constructor.prototype"] {
            assert_eq!(FieldPath::parse(good).unwrap().as_str(), good);
        }
        let deep = ["a"; 17].join(".");
        let long = "a".repeat(201);
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "$where",
            "a.$where",
            "$",
            "__proto__",
            "a.__proto__.b",
            "a\0",
            "a\n",
            &deep,
            &long,
        ] {
            assert!(FieldPath::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn secrets_are_found_at_any_depth_and_in_any_case() {
        let fields = Fields {
            secrets: ["password", "=community"].map(str::to_owned).into(),
            ..Fields::default()
        };
        for bad in ["password", "a.adminPassword.b", "config.COMMUNITY", "Password2"] {
            assert!(fields.path(bad).is_err(), "{bad}");
        }
        assert!(fields.path("config.communityName").is_ok());
        assert_eq!(fields.path("id").unwrap().as_str(), "_id");
    }
}
