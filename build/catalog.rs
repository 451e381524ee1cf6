//! Cuts InvokeAI's OpenAPI document down to what the node catalog reads (`src/schema/`).

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

/// Members of the schema of an invocation that the catalog reads.
const INVOCATION: [&str; 10] = [
    "class",
    "title",
    "description",
    "category",
    "tags",
    "version",
    "node_pack",
    "classification",
    "output",
    "properties",
];
/// Members of the schema of an output that the catalog reads.
const OUTPUT: [&str; 2] = ["class", "properties"];
/// Members of a field that the catalog does not read.
const FIELD_NOISE: [&str; 4] = ["orig_default", "additionalProperties", "examples", "propertyNames"];

/// The `Document` of `src/schema/catalog/embedded.rs`, as Rust: the schemas of the nodes and of their outputs, as
/// JSON text, reduced to what the catalog reads. Reading all nodes, in this order, gives the same catalog as reading
/// the whole document. A schema that names no type gets an empty one.
///
/// The same members come again and again, so the text of a schema is a text of places in a list of phrases.
pub(crate) fn nodes(document: &Value) -> String {
    let no_schemas = Map::new();
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object).unwrap_or(&no_schemas);
    let (mut nodes, mut outputs) = (Vec::new(), BTreeMap::new());
    for (name, schema) in schemas {
        let Some(schema) = schema.as_object().filter(|s| s.get("class").is_some_and(|class| class == "invocation"))
        else {
            continue;
        };
        let output = schema.get("output").and_then(|output| output["$ref"].as_str()?.rsplit('/').next());
        if let Some((name, output)) = output.and_then(|name| Some((name, schemas.get(name)?.as_object()?))) {
            outputs.entry(name).or_insert_with(|| text(compact(output, &OUTPUT)));
        }
        let node_type = schema.get("properties").and_then(|p| p["type"]["default"].as_str()).unwrap_or_default();
        nodes.push((node_type, name, Part::value(&Value::Object(compact(schema, &INVOCATION)))));
    }
    let phrases = Phrases::of(&nodes.iter().map(|(_, _, schema)| schema).collect::<Vec<_>>());
    let nodes: String = nodes
        .iter()
        .map(|(node_type, name, schema)| format!("({node_type:?}, {name:?}, {:?}),\n", phrases.coded(schema)))
        .collect();
    let outputs: String = outputs.iter().map(|(name, schema)| format!("({name:?}, {schema}),\n")).collect();
    let (text, ends) = phrases.list();
    format!("Document {{ phrases: {text:?}, ends: &{ends:?}, nodes: &[\n{nodes}], outputs: &[\n{outputs}] }}")
}

/// A raw string keeps quotes as they are: the text is shorter, and rustc reads it faster.
fn text(schema: Map<String, Value>) -> String {
    let text = Value::Object(schema).to_string();
    // More hashes than follow any quote in it.
    let following = |rest: &str| rest.chars().take_while(|c| *c == '#').count();
    let hashes = "#".repeat(1 + text.split('"').map(following).max().unwrap_or(0));
    format!("r{hashes}\"{text}\"{hashes}")
}

/// Texts that come more than once: members with their values, names of members, values.
///
/// JSON has no control characters, so these stand for phrases: each of the first 15 for one, each of the other 16
/// together with the character after it.
struct Phrases {
    places: HashMap<String, usize>,
}

/// Of the characters after a control character, the first and how many there are.
const SECOND: (usize, usize) = (0x20, 0x5f);
const SINGLE: usize = 15;
const MOST: usize = SINGLE + 16 * SECOND.1;

impl Phrases {
    fn of(schemas: &[&Part]) -> Self {
        let mut counts = HashMap::new();
        schemas.iter().for_each(|schema| schema.parts.iter().for_each(|part| part.count(&mut counts)));
        // What is within another phrase counts too often, so the second time only what is used counts.
        let all = Self::best(counts, usize::MAX);
        let mut used = HashMap::new();
        for schema in schemas {
            all.write(schema, &mut |text, is_phrase| {
                if is_phrase {
                    *used.entry(text).or_default() += 1;
                }
            });
        }
        Self::best(used, MOST)
    }

    /// Those that save most; the most frequent have the shortest codes.
    fn best(counts: HashMap<&str, usize>, most: usize) -> Self {
        let saved =
            |(phrase, count): &(&str, usize)| (count * phrase.len().saturating_sub(2)).saturating_sub(phrase.len());
        let mut all: Vec<_> = counts.into_iter().filter(|each| saved(each) > 0).collect();
        // By text, too, so that every build is the same.
        all.sort_by(|a, b| saved(b).cmp(&saved(a)).then_with(|| a.0.cmp(b.0)));
        all.truncate(most);
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        Self { places: all.into_iter().enumerate().map(|(place, (phrase, _))| (phrase.to_owned(), place)).collect() }
    }

    /// All phrases one after another, and where each ends.
    fn list(&self) -> (String, Vec<usize>) {
        let mut all: Vec<_> = self.places.iter().collect();
        all.sort_by_key(|(_, place)| **place);
        let mut text = String::new();
        let ends = all
            .into_iter()
            .map(|(phrase, _)| {
                text.push_str(phrase);
                text.len()
            })
            .collect();
        (text, ends)
    }

    fn coded(&self, schema: &Part) -> String {
        let mut coded = String::new();
        let code = |code: usize| char::from(u8::try_from(code).unwrap_or_default());
        self.write(schema, &mut |text, is_phrase| {
            let place = self.places.get(text).copied().unwrap_or_default();
            match place.checked_sub(SINGLE) {
                _ if !is_phrase => coded.push_str(text),
                None => coded.push(code(1 + place)),
                Some(rest) => {
                    coded.push(code(1 + SINGLE + rest / SECOND.1));
                    coded.push(code(SECOND.0 + rest % SECOND.1));
                }
            }
        });
        coded
    }

    /// Gives the text of a schema piece by piece, and whether a piece is a phrase.
    fn write<'a>(&self, part: &'a Part, put: &mut dyn FnMut(&'a str, bool)) {
        let is_phrase = self.places.contains_key(&part.text);
        if is_phrase || part.parts.is_empty() {
            return put(&part.text, is_phrase);
        }
        let [open, between, close] = part.marks;
        put(open, false);
        for (place, inner) in part.parts.iter().enumerate() {
            if place > 0 {
                put(between, false);
            }
            self.write(inner, put);
        }
        put(close, false);
    }
}

/// A value, a member or the name of one, with its text.
struct Part {
    text: String,
    /// What stands before, between and after the parts.
    marks: [&'static str; 3],
    parts: Vec<Part>,
}

impl Part {
    fn value(value: &Value) -> Self {
        match value {
            Value::Object(members) => Self::new(["{", ",", "}"], members.iter().map(Self::member).collect()),
            Value::Array(elements) => Self::new(["[", ",", "]"], elements.iter().map(Self::value).collect()),
            other => Self::leaf(other.to_string()),
        }
    }

    fn member((name, value): (&String, &Value)) -> Self {
        let name = Self::leaf(format!("{}:", Value::from(name.as_str())));
        Self::new([""; 3], vec![name, Self::value(value)])
    }

    fn leaf(text: String) -> Self {
        Self { text, marks: [""; 3], parts: Vec::new() }
    }

    fn new(marks: [&'static str; 3], parts: Vec<Self>) -> Self {
        let [open, between, close] = marks;
        let inner: Vec<_> = parts.iter().map(|part| part.text.as_str()).collect();
        Self { text: format!("{open}{}{close}", inner.join(between)), marks, parts }
    }

    /// Counts all that could be a phrase.
    fn count<'a>(&'a self, counts: &mut HashMap<&'a str, usize>) {
        *counts.entry(&self.text).or_default() += 1;
        self.parts.iter().for_each(|part| part.count(counts));
    }
}

fn compact(schema: &Map<String, Value>, members: &[&str]) -> Map<String, Value> {
    let mut kept: Map<String, Value> = schema.clone();
    kept.retain(|key, _| members.contains(&key.as_str()));
    if let Some(properties) = kept.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|name, property| name != "id" && property["ui_type"] != "IsIntermediate");
        for (name, property) in properties.iter_mut() {
            let Some(field) = property.as_object_mut() else {
                continue;
            };
            // Of these, the catalog reads only the default.
            let attribute = name == "type" || name == "use_cache";
            field.retain(|key, _| if attribute { key == "default" } else { !FIELD_NOISE.contains(&key.as_str()) });
        }
    }
    kept
}
