//! Operations that share only their name with one of the package's own document.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::lower::{operations::FORM_FIELDS, walk};

/// What a call of an operation must have, and how it is sent and answered.
struct Shape<'a> {
    path: BTreeSet<&'a str>,
    query: BTreeSet<&'a str>,
    required: BTreeSet<&'a str>,
    body: Kind,
    answer: Kind,
}

#[derive(PartialEq)]
enum Kind {
    Nothing,
    Json,
    /// A form as a body, a file as an answer.
    Other,
}

/// Operations that hand-written code cannot call the way it calls those of the same name in the package's own document,
/// such as the videos of InvokeAI 6.6 to 6.8, which are identified by `video_id`. Both documents are lowered.
pub(crate) fn incompatible(document: &Value, own: &Value) -> BTreeSet<String> {
    let own = shapes(own);
    let differs = |(id, there): &(&str, Shape<'_>)| {
        own.get(id).is_some_and(|here| {
            let needs_more = !there.required.is_subset(&here.query);
            there.path != here.path || needs_more || there.body != here.body || there.answer != here.answer
        })
    };
    shapes(document).into_iter().filter(differs).map(|(id, _)| id.to_owned()).collect()
}

fn shapes(document: &Value) -> BTreeMap<&str, Shape<'_>> {
    walk::each_operation(document)
        .filter_map(|(path, _, operation)| Some((operation["operationId"].as_str()?, shape(path, operation))))
        .collect()
}

fn shape<'a>(path: &'a str, operation: &'a Value) -> Shape<'a> {
    let list = |member: &str| operation[member].as_array().into_iter().flatten();
    let query = list("parameters").filter(|parameter| parameter["in"] == "query").chain(list(FORM_FIELDS));
    let names = |wanted: fn(&Value) -> bool| {
        query.clone().filter(|each| wanted(each)).filter_map(|each| each["name"].as_str()).collect()
    };
    let answers = operation["responses"].as_object().into_iter().flatten();
    Shape {
        path: path.split('{').skip(1).filter_map(|part| part.split('}').next()).collect(),
        query: names(|_| true),
        required: names(|each| each["required"] == true),
        body: match operation.get(FORM_FIELDS) {
            Some(_) => Kind::Other,
            None => kind(&operation["requestBody"]),
        },
        answer: answers.map(|(_, answer)| kind(answer)).next().unwrap_or(Kind::Nothing),
    }
}

fn kind(holder: &Value) -> Kind {
    match holder["content"].as_object() {
        None => Kind::Nothing,
        Some(content) if content.contains_key("application/json") => Kind::Json,
        Some(_) => Kind::Other,
    }
}
