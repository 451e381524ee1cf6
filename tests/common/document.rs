//! What the OpenAPI document says about a position of an answer.

use serde_json::Value;

pub(crate) struct Document(Value);

/// What may happen to a value and still be an answer of the document.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Latitude {
    /// It may be `null`.
    pub(crate) nullable: bool,
    /// It may be left out.
    pub(crate) optional: bool,
    /// It is one of some strings.
    pub(crate) choice: bool,
    /// It is an object whose members are data.
    pub(crate) map: bool,
}

impl Document {
    pub(crate) fn load() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/invokeai-6.14.2.json");
        Self(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    }

    /// The schemas of a successful answer.
    pub(crate) fn answer(&self, operation: &str) -> Vec<&Value> {
        let operations =
            self.0["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
        let id = |one: &Value| one["operationId"].as_str().unwrap().split("_api_v1_").next().unwrap().to_owned();
        let operation = operations.into_iter().find(|one| id(one) == operation);
        let answers = operation.unwrap_or_else(|| panic!("no operation"))["responses"].as_object().unwrap();
        answers
            .iter()
            .filter(|(code, _)| code.starts_with('2'))
            .map(|(_, one)| &one["content"]["application/json"]["schema"])
            .collect()
    }

    pub(crate) fn schema(&self, name: &str) -> &Value {
        &self.0["components"]["schemas"][name]
    }

    /// What a position may be. Nothing where the document says nothing.
    pub(crate) fn latitude(&self, roots: &[&Value], pointer: &str) -> Latitude {
        let mut here: Vec<&Value> = roots.iter().flat_map(|root| self.branches(root)).collect();
        let mut optional = false;
        for part in pointer.split('/').skip(1) {
            let name = part.replace("~1", "/").replace("~0", "~");
            let mut next = Vec::new();
            optional = false;
            for schema in &here {
                if let Some(items) = schema.get("items") {
                    next.push(items);
                } else if let Some(member) = schema.get("properties").and_then(|members| members.get(&name)) {
                    let required = schema["required"].as_array();
                    optional |= !required.is_some_and(|required| required.iter().any(|one| *one == *name));
                    next.push(member);
                } else if let Some(members) = schema.get("additionalProperties") {
                    optional = true;
                    next.push(members);
                }
            }
            here = next.into_iter().flat_map(|schema| self.branches(schema)).collect();
        }
        let kind = |name: &str| here.iter().any(|schema| schema["type"] == name);
        let choice = here.iter().any(|schema| schema.get("enum").is_some()) && !kind("integer");
        let map = here.iter().all(|schema| schema.get("properties").is_none());
        Latitude { nullable: kind("null"), optional, choice, map }
    }

    /// A schema without references and unions.
    fn branches<'a>(&'a self, schema: &'a Value) -> Vec<&'a Value> {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            return self.branches(self.schema(name.rsplit('/').next().unwrap()));
        }
        let unions = ["anyOf", "oneOf", "allOf"].iter().filter_map(|union| schema.get(union)?.as_array());
        let found: Vec<_> = unions.flatten().flat_map(|branch| self.branches(branch)).collect();
        if found.is_empty() { vec![schema] } else { found }
    }
}
