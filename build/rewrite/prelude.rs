//! Names of the standard library's prelude, in place of the full paths that the generators write: what is shorter takes
//! less time to parse, resolve and read.

const NAMES: [&str; 10] = [
    "option::Option",
    "result::Result",
    "string::String",
    "vec::Vec",
    "convert::TryInto",
    "convert::TryFrom",
    "convert::Into",
    "convert::From",
    "default::Default",
    "string::ToString",
];

/// Shortens them in generated code, except those that the code has a type of its own for.
pub(crate) fn shorten(mut code: String) -> String {
    for path in NAMES {
        let name = path.rsplit("::").next().unwrap_or(path);
        let is_taken = ["struct", "enum", "type"].iter().any(|kind| {
            let own = format!("{kind} {name}");
            code.match_indices(&own)
                .any(|(at, _)| !code[at + own.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        });
        if !is_taken {
            code = code.replace(&format!("::std::{path}"), name).replace(&format!("std::{path}"), name);
        }
    }
    code
}
