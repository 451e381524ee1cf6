//! The nodes of a server's document, each read when it is first asked for.
//!
//! The document has 1.8 MB. Making a tree of it takes ten times as long as finding its schemas, and a program uses a
//! dozen nodes out of hundreds.

use super::{NodeTemplate, Nodes};
use crate::json::borrowed::Json;
use crate::json::member::member;
use foldhash::fast::RandomState;
use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

/// InvokeAI has 900 schemas. Each takes some memory, however short its text is.
const MAX_SCHEMAS: usize = 65_536;

/// The nodes of a document, as the text of its schemas.
pub(super) struct Described {
    schemas: Schemas,
    /// For each type of node: the name of its schema, and what was read of it.
    types: HashMap<String, Node, RandomState>,
    all: OnceLock<Nodes>,
}

struct Node {
    schema: String,
    template: OnceLock<Option<Box<NodeTemplate>>>,
}

/// The texts of all schemas, one behind the other, and where each is, in the order of the document.
#[derive(Default)]
struct Schemas {
    text: String,
    by_name: IndexMap<String, Range<usize>, RandomState>,
}

impl Schemas {
    fn push(&mut self, name: String, schema: &str) {
        let start = self.text.len();
        self.text.push_str(schema);
        // Of several members with the same name, the last counts, as in a tree.
        self.by_name.insert(name, start..self.text.len());
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.text.get(self.by_name.get(name)?.clone())
    }
}

impl Described {
    /// Finds the schemas; `None` if the text must be read in the other way, which can also say what is wrong with it.
    pub(super) fn index(text: &str) -> Option<Self> {
        let schemas = member(text, &["components", "schemas"], InOrder { length: text.len() }).ok()?;
        let mut types = HashMap::default();
        for (name, place) in &schemas.by_name {
            if let Some(node_type) = schemas.text.get(place.clone()).and_then(node_type) {
                let node = Node { schema: name.clone(), template: OnceLock::new() };
                // If there are two of the same type, both must be read to know which one counts.
                if types.insert(node_type, node).is_some() {
                    return None;
                }
            }
        }
        let described = Described { schemas, types, all: OnceLock::new() };
        described.types.keys().any(|node_type| described.node(node_type).is_some()).then_some(described)
    }

    pub(super) fn node(&self, node_type: &str) -> Option<&NodeTemplate> {
        let node = self.types.get(node_type)?;
        let read = || {
            let mut nodes = Nodes::default();
            self.read(&node.schema, &mut nodes);
            nodes.templates.swap_remove(node_type).map(Box::new)
        };
        node.template.get_or_init(read).as_deref()
    }

    pub(super) fn all(&self) -> &Nodes {
        self.all.get_or_init(|| {
            let mut nodes = Nodes::default();
            self.schemas.by_name.keys().for_each(|name| self.read(name, &mut nodes));
            nodes
        })
    }

    fn read(&self, name: &str, nodes: &mut Nodes) {
        if let Some(schema) = self.schema(name) {
            nodes.read_schema(name, schema, |output| self.schema(output)?.ok());
        }
    }

    fn schema(&self, name: &str) -> Option<serde_json::Result<Json<'_>>> {
        self.schemas.get(name).map(serde_json::from_str)
    }
}

/// The type of the node that a schema describes, if it describes a node that has a type.
fn node_type(schema: &str) -> Option<String> {
    // Most schemas do not describe a node, and this check is faster than reading them. Letters may be escaped.
    if !schema.contains("\"invocation\"") && !schema.contains("\\u00") {
        return None;
    }
    let odd =
        || serde_json::from_str::<Value>(schema).ok().and_then(|schema| Peek::deserialize(&schema).ok()?.node_type());
    serde_json::from_str::<Peek<'_>>(schema).map_or_else(|_| odd(), Peek::node_type)
}

// The part of a schema that has the type of its node.

#[derive(Deserialize)]
struct Peek<'a> {
    #[serde(borrow)]
    class: Cow<'a, str>,
    properties: Properties,
}

#[derive(Deserialize)]
struct Properties {
    r#type: Type,
}

struct Type {
    default: String,
}

crate::json::record::readable! { Type { 0 default } }

impl Peek<'_> {
    fn node_type(self) -> Option<String> {
        (self.class == "invocation").then_some(self.properties.r#type.default)
    }
}

/// Reads all schemas of a text that has this length.
struct InOrder {
    length: usize,
}

impl<'de> DeserializeSeed<'de> for InOrder {
    type Value = Schemas;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Schemas, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for InOrder {
    type Value = Schemas;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Schemas, A::Error> {
        let mut schemas = Schemas { text: String::with_capacity(self.length), ..Schemas::default() };
        while let Some((name, schema)) = members.next_entry::<_, &RawValue>()? {
            schemas.push(name, schema.get());
            if schemas.by_name.len() > MAX_SCHEMAS {
                return Err(A::Error::custom("too many schemas"));
            }
        }
        Ok(schemas)
    }
}
