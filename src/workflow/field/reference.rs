//! Names and ids of things on the server: images, videos, boards, style presets, system prompts.

use super::input_value::Refused;
use super::json_schema;
use super::rules::{FieldKind, sealed::Rules};
use crate::schema::InputTemplate;
use serde_json::{Map, Value};

/// Declares a kind whose JSON form is an object with one string member.
macro_rules! reference {
    ($(#[$doc:meta])* $kind:ident, $member:literal, also $also:expr, $format:literal, $accepts:literal) => {
        $(#[$doc])*
        pub struct $kind;

        impl FieldKind for $kind {
            type Typed<'a> = &'a str;

            fn read(value: &Value) -> Option<&str> {
                id_in(value, $member)
            }
        }

        impl Rules for $kind {
            fn accepts(_: &InputTemplate) -> String {
                $accepts.into()
            }

            fn schema(_: &InputTemplate) -> Value {
                let also: Option<&str> = $also;
                let members: Vec<&str> = std::iter::once($member).chain(also).collect();
                json_schema::reference($format, &members)
            }

            fn convert(value: Value, _: &InputTemplate) -> Result<Value, Refused> {
                let also: Option<&str> = $also;
                let id = id_of(&value).or_else(|| id_in(&value, $member)).or_else(|| id_in(&value, also?));
                id.map(|id| object($member, id)).ok_or(Refused::new(value))
            }
        }
    };
}

reference!(
    /// The name of an image: `{image_name}`. A name or an image record of the server is converted.
    Image, "image_name", also None, "invokeai-image-name",
    "the name of an image on the server, or an object with `image_name`"
);
reference!(
    /// The name of a video: `{video_name}`. A name or a video record of the server is converted.
    Video, "video_name", also None, "invokeai-video-name",
    "the name of a video on the server, or an object with `video_name`"
);
reference!(
    /// The id of a style preset: `{style_preset_id}`. An id or a preset record of the server is converted.
    StylePreset, "style_preset_id", also Some("id"), "invokeai-style-preset-id",
    "the id of a style preset, or its record"
);
reference!(
    /// The id of a system prompt: `{system_prompt_id}`. An id or a prompt record of the server is converted.
    SystemPrompt, "system_prompt_id", also Some("id"), "invokeai-system-prompt-id",
    "the id of a system prompt, or its record"
);

/// Where a node saves its images: `"auto"`, `"none"` or `{board_id}`. A board's id or record is converted.
pub struct Board;

/// The board a node saves to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum BoardChoice<'a> {
    /// The board given when the workflow is run, if any.
    Auto,
    /// No board: images are uncategorized.
    None,
    /// The board with this id.
    Board(&'a str),
}

crate::base::debug::short_debug! { enum BoardChoice<'a> { Auto, None, Board(value) } }

impl FieldKind for Board {
    type Typed<'a> = BoardChoice<'a>;

    fn read(value: &Value) -> Option<BoardChoice<'_>> {
        match value.as_str() {
            Some("auto") => Some(BoardChoice::Auto),
            Some("none") => Some(BoardChoice::None),
            Some(_) => None,
            None => id_in(value, "board_id").map(BoardChoice::Board),
        }
    }
}

impl Rules for Board {
    fn accepts(_: &InputTemplate) -> String {
        "\"auto\", \"none\", the id of a board, or an object with `board_id`".into()
    }

    fn schema(_: &InputTemplate) -> Value {
        json_schema::reference("invokeai-board-id", &["board_id"])
    }

    fn convert(value: Value, _: &InputTemplate) -> Result<Value, Refused> {
        match id_of(&value).or_else(|| id_in(&value, "board_id")) {
            Some(word @ ("auto" | "none")) => Ok(word.into()),
            Some(id) => Ok(object("board_id", id)),
            None => Err(Refused::new(value)),
        }
    }
}

fn id_of(value: &Value) -> Option<&str> {
    value.as_str().map(str::trim).filter(|id| !id.is_empty())
}

fn id_in<'a>(value: &'a Value, member: &str) -> Option<&'a str> {
    id_of(value.get(member)?)
}

fn object(member: &str, id: &str) -> Value {
    Value::Object(Map::from_iter([(member.to_owned(), id.into())]))
}
