//! Files and boards of the gallery that a JSON value mentions: a graph, a result, a request.

use std::collections::HashSet;

use serde_json::Value;

use super::FileKind;

/// Calls `found` with every reference to an image or video in a value, at any depth, and the path to it.
pub(crate) fn scan<'a>(value: &'a Value, path: &mut String, found: &mut impl FnMut(&str, FileKind, &'a str)) {
    let end = path.len();
    match value {
        Value::Object(members) => {
            if let Some(Value::String(name)) = members.get("image_name") {
                found(path, FileKind::Image, name);
            }
            if let Some(Value::String(name)) = members.get("video_name") {
                found(path, FileKind::Video, name);
            }
            for (name, member) in members {
                if end > 0 {
                    path.push('.');
                }
                path.push_str(name);
                scan(member, path, found);
                path.truncate(end);
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                scan(element, path, found);
                path.truncate(end);
            }
        }
        _ => {}
    }
}

/// Names of the images, videos and boards that a value refers to.
pub(crate) fn names_in(value: &Value) -> HashSet<String> {
    let mut names = HashSet::new();
    scan(value, &mut String::new(), &mut |_, _, name| {
        names.insert(name.to_owned());
    });
    boards_in(value, &mut names);
    names
}

fn boards_in(value: &Value, names: &mut HashSet<String>) {
    match value {
        Value::Object(members) => {
            names.extend(members.get("board_id").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| boards_in(member, names));
        }
        Value::Array(elements) => elements.iter().for_each(|element| boards_in(element, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_found_by_shape_at_any_depth() {
        let value = json!({
            "type": "x", "image": {"image_name": "a"},
            "values": {"pair": [{"image_name": "b"}, {"deep": {"video_name": "c"}}]},
            "image_name": 7,
        });
        let mut seen = Vec::new();
        scan(&value, &mut String::new(), &mut |path, kind, name| seen.push((path.to_owned(), kind, name)));
        assert_eq!(
            seen,
            [
                ("image".to_owned(), FileKind::Image, "a"),
                ("values.pair[0]".to_owned(), FileKind::Image, "b"),
                ("values.pair[1].deep".to_owned(), FileKind::Video, "c"),
            ]
        );
    }
}
