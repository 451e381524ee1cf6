//! Operations that share nothing but the name with one of the package's own document.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The parameters of an operation.
struct Parameters<'a> {
    path: BTreeSet<&'a str>,
    query: BTreeSet<&'a str>,
    required: BTreeSet<&'a str>,
}

/// Operations that need other parameters than those of the same name in the package's own document, as the videos of
/// InvokeAI 6.6 to 6.8, which go by `video_id`.
///
/// The hand-written code was made for the own document, so to it they are missing. Callers of `crate::api` have them
/// as they are.
pub(crate) fn strangers(document: &Value, own: &Value) -> BTreeSet<String> {
    let own = operations(own);
    let is_stranger = |(id, there): &(&str, Parameters<'_>)| {
        own.get(id).is_some_and(|here| there.path != here.path || !there.required.is_subset(&here.query))
    };
    operations(document).into_iter().filter(is_stranger).map(|(id, _)| id.to_owned()).collect()
}

fn operations(document: &Value) -> BTreeMap<&str, Parameters<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let all = paths.flat_map(|(path, item)| item.as_object().into_iter().flatten().map(move |(_, each)| (path, each)));
    all.filter_map(|(path, operation)| Some((operation["operationId"].as_str()?, parameters(path, operation))))
        .collect()
}

fn parameters<'a>(path: &'a str, operation: &'a Value) -> Parameters<'a> {
    let query = operation["parameters"].as_array().into_iter().flatten().filter(|each| each["in"] == "query");
    let names = |wanted: fn(&Value) -> bool| {
        query.clone().filter(|each| wanted(each)).filter_map(|each| each["name"].as_str()).collect()
    };
    Parameters {
        // Declared ones may be missing: see the rules of the lowering.
        path: path.split('{').skip(1).filter_map(|part| part.split('}').next()).collect(),
        query: names(|_| true),
        required: names(|each| each["required"] == true),
    }
}
