//! The collections of RackHD.
//!
//! In: nothing. Out: by which name clients know each, and what is known of its fields: as the models of its services
//! have them.

use crate::fields::Fields;

/// By which name clients know it, which collection it is, and what is known of its fields.
pub fn collections() -> Vec<(&'static str, &'static str, Fields)> {
    let all = [
        ("catalogs", "catalogs"),
        ("files", "files"),
        ("graphDefs", "graphdefinitions"),
        ("graphObjs", "graphobjects"),
        ("logs", "logs"),
        ("lookups", "lookups"),
        ("nodes", "nodes"),
        ("pollers", "workitems"),
        ("profiles", "profiles"),
        ("skus", "skus"),
        ("taskDefs", "taskdefinitions"),
        ("templates", "templates"),
    ];
    all.map(|(name, collection)| (name, collection, fields(name))).into()
}

fn fields(name: &str) -> Fields {
    let mut fields = Fields::default();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    match name {
        "catalogs" | "graphObjs" | "lookups" => fields.ids = names(&["node"]),
        "nodes" => fields.ids = names(&["sku"]),
        "files" | "graphDefs" | "taskDefs" => fields.hidden = names(&["id", "createdAt", "updatedAt"]),
        "logs" => fields.times.push("timestamp".to_owned()),
        "pollers" => {
            fields.ids = names(&["node"]);
            let more = ["nextScheduled", "lastStarted", "lastFinished", "leaseExpires"];
            fields.times.extend(more.map(str::to_owned));
            fields.secrets = names(&["password", "=community", "=productkey"]);
        }
        _ => {}
    }
    fields
}
