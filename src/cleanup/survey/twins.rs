//! Nodes of two runs that compute the same, so that the invocation cache gives one of them the files of the other.
//!
//! Results show what a run shares only when it has ended. Until then it is in its graph: the server's key to a cached
//! output is the node with all its inputs, but without its id (`invocation_cache_memory.py`).

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use serde_json::Value;

/// Stands for what a node computes: its type, its own inputs, and what the nodes compute that feed it.
pub(super) type Computation = u64;

/// An edge that leads to a node.
struct Feed<'a> {
    input: &'a str,
    from: &'a str,
    output: &'a str,
}

/// What each node of a graph computes, by its id. Left out are nodes in circles.
pub(super) fn computations(graph: &Value) -> HashMap<&str, Computation> {
    let Some(nodes) = graph.get("nodes").and_then(Value::as_object) else { return HashMap::new() };
    let mut feeds: HashMap<&str, Vec<Feed<'_>>> = HashMap::new();
    let mut fed: HashMap<&str, Vec<&str>> = HashMap::new();
    for edge in graph.get("edges").and_then(Value::as_array).into_iter().flatten() {
        if let Some((to, feed)) = read(edge) {
            fed.entry(feed.from).or_default().push(to);
            feeds.entry(to).or_default().push(feed);
        }
    }
    let mut known: HashMap<&str, Computation> = HashMap::new();
    let mut awaited: HashMap<&str, usize> = feeds.iter().map(|(to, feeds)| (*to, feeds.len())).collect();
    let mut ready: Vec<&str> = nodes.keys().map(String::as_str).filter(|id| !awaited.contains_key(id)).collect();
    while let Some(id) = ready.pop() {
        let mut hasher = DefaultHasher::new();
        for (name, value) in nodes.get(id).and_then(Value::as_object).into_iter().flatten() {
            if name != "id" {
                (name, value.to_string()).hash(&mut hasher);
            }
        }
        let feeds = feeds.get(id).into_iter().flatten();
        let mut inputs: Vec<_> = feeds.map(|feed| (feed.input, feed.output, known.get(feed.from))).collect();
        inputs.sort_unstable();
        inputs.hash(&mut hasher);
        known.insert(id, hasher.finish());
        for to in fed.get(id).into_iter().flatten() {
            if let Some(awaited) = awaited.get_mut(to) {
                *awaited -= 1;
                if *awaited == 0 {
                    ready.push(to);
                }
            }
        }
    }
    known
}

/// What the nodes of a graph compute for which the server asks its cache.
pub(super) fn cacheable(graph: &Value) -> HashSet<Computation> {
    let uses_cache = |id: &str| {
        let node = graph.get("nodes").and_then(|nodes| nodes.get(id));
        node.and_then(|node| node.get("use_cache")).and_then(Value::as_bool) != Some(false)
    };
    computations(graph).into_iter().filter(|(id, _)| uses_cache(id)).map(|(_, computation)| computation).collect()
}

fn read(edge: &Value) -> Option<(&str, Feed<'_>)> {
    let end = |end, name| edge.get(end)?.get(name)?.as_str();
    let (from, output) = (end("source", "node_id")?, end("source", "field")?);
    Some((end("destination", "node_id")?, Feed { input: end("destination", "field")?, from, output }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A chain of two nodes, with ids of its own.
    fn chain(prefix: &str, seed: u32, output: &str) -> Value {
        let (noise, picture) = (format!("{prefix} noise"), format!("{prefix} picture"));
        json!({
            "nodes": {
                &noise: {"id": noise, "type": "noise", "seed": seed},
                &picture: {"id": picture, "type": "picture", "use_cache": true},
            },
            "edges": [{"source": {"node_id": noise, "field": output},
                       "destination": {"node_id": picture, "field": "noise"}}],
        })
    }

    #[test]
    fn nodes_are_twins_if_all_that_feeds_them_is() {
        let (one, twin) = (chain("one", 7, "noise"), chain("twin", 7, "noise"));
        assert_eq!(cacheable(&one), cacheable(&twin));
        assert_eq!(cacheable(&one).len(), 2);
        let other_seed = chain("one", 8, "noise");
        assert!(cacheable(&one).is_disjoint(&cacheable(&other_seed)));
        let other_output = chain("one", 7, "width");
        assert_eq!(cacheable(&one).intersection(&cacheable(&other_output)).count(), 1);
        let mut uncached = chain("one", 7, "noise");
        uncached["nodes"]["one picture"]["use_cache"] = json!(false);
        assert_eq!((computations(&uncached).len(), cacheable(&uncached).len()), (2, 1));
    }

    #[test]
    fn hostile_graphs_end() {
        let edge = |from: &str, to: &str| json!({"source": {"node_id": from, "field": "a"}, "destination": {"node_id": to, "field": "b"}});
        let graph = json!({"nodes": {"a": {}, "b": {}, "c": 7},
            "edges": [edge("a", "b"), edge("b", "a"), edge("a", "nobody"), edge("nobody", "c"), {}, 7]});
        assert!(computations(&graph).is_empty());
        assert!(computations(&json!(null)).is_empty() && computations(&json!({"nodes": []})).is_empty());
        // A chain of any length takes no stack.
        let ids: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
        let nodes: serde_json::Map<String, Value> = ids.iter().map(|id| (id.clone(), json!({}))).collect();
        let edges: Vec<Value> = ids.windows(2).map(|pair| edge(&pair[0], &pair[1])).collect();
        assert_eq!(computations(&json!({"nodes": nodes, "edges": edges})).len(), 20_000);
    }
}
