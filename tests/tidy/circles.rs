//! Import circles between files of different rooms.
//!
//! In: the Rust files of the server. Out: each circle once, as the files on the way around. Files of one room may know
//! each other as they like.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, rust_files};

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Which file a path of the crate `turted` leads to: the longest beginning that is one.
fn target(path: &str, names: &BTreeSet<String>) -> Option<String> {
    let inside = path.strip_prefix("crate::")?;
    let parts: Vec<&str> = inside.split("::").collect();
    (1..=parts.len()).rev().find_map(|length| {
        let stem = format!("src/{}", parts[..length].join("/"));
        let files = [format!("{stem}.rs"), format!("{stem}/mod.rs")];
        files.into_iter().find(|file| names.contains(file))
    })
}

/// `src/gate/` for everything below it; a file beside the folders is a room of its own.
fn room(file: &str) -> &str {
    let inside = file.strip_prefix("src/").unwrap_or(file);
    inside.split_once('/').map_or(inside, |(room, _)| room)
}

fn graph(files: &[Source]) -> Graph {
    let server = || files.iter().filter(|file| file.name.starts_with("src/"));
    let names: BTreeSet<String> = server().map(|file| file.name.clone()).collect();
    let imports = |file: &Source| -> BTreeSet<String> {
        let used = file.production_code().used_paths();
        used.iter().filter_map(|path| target(path, &names)).collect()
    };
    server().map(|file| (file.name.clone(), imports(file))).collect()
}

/// Everything that can be reached from a file.
fn reach<'a>(graph: &'a Graph, from: &'a str) -> BTreeSet<&'a str> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(file) = open.pop() {
        for next in graph.get(file).into_iter().flatten() {
            if seen.insert(next.as_str()) {
                open.push(next);
            }
        }
    }
    seen
}

/// Files of different rooms that reach each other.
fn circles(graph: &Graph) -> BTreeSet<String> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|file| (file.as_str(), reach(graph, file))).collect();
    let mut found = BTreeSet::new();
    for (file, others) in &reached {
        let around: Vec<&str> = others
            .iter()
            .copied()
            .filter(|other| reached.get(other).is_some_and(|back| back.contains(file)))
            .collect();
        if around.iter().any(|other| room(other) != room(file)) {
            found.insert(around.join(" ⇄ "));
        }
    }
    found
}

#[test]
fn no_circle_goes_through_two_rooms() {
    let graph = graph(&rust_files());
    assert!(
        graph.values().map(BTreeSet::len).sum::<usize>() > 200,
        "the imports are found"
    );
    crate::none(circles(&graph).into_iter().collect());
}

#[test]
fn a_circle_through_two_rooms_is_found_and_one_inside_of_a_room_is_none() {
    let file = |name: &str, text: &str| Source {
        name: name.into(),
        text: text.into(),
    };
    let inside = [
        file("src/gate/mod.rs", "use crate::gate::body::read;\n"),
        file("src/gate/body.rs", "use super::Shared;\n"),
    ];
    assert!(circles(&graph(&inside)).is_empty());
    let through = [
        file("src/gate/mod.rs", "use crate::client::Worker;\n"),
        file("src/client/mod.rs", "use crate::http::routes;\n"),
        file("src/http.rs", "use crate::gate::Shared;\n"),
    ];
    let found = circles(&graph(&through));
    assert_eq!(found.len(), 1, "{found:?}");
}
