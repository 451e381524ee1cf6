//! Things on a server that inputs refer to.

use super::value::InputType;
use crate::workflow::field::kind::{Board, Image, SavedWorkflow, StylePreset, SystemPrompt, Video};
use crate::workflow::field::{BoardChoice, FieldKind, InputValue};
use serde_json::{Value, json};
use std::fmt;

macro_rules! references {
    ($($(#[$doc:meta])* $name:ident = $kind:ty, |$id:ident| $json:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        crate::base::debug::short_debug! { $name(id) }

        impl $name {
            /// The one with this name or id.
            pub fn new(id: impl Into<String>) -> Self {
                $name(id.into())
            }

            /// Its name or id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                $name(id.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                $name(id)
            }
        }

        impl From<&$name> for $name {
            fn from(reference: &$name) -> Self {
                reference.clone()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl InputType for $name {
            fn from_json(value: &Value) -> Option<Self> {
                value.as_str().or_else(|| <$kind>::read(value)).map(Self::from)
            }

            fn to_json(&self) -> Value {
                let $id = self.as_str();
                $json
            }
        }

        impl From<$name> for InputValue {
            fn from(reference: $name) -> Self {
                reference.to_json().into()
            }
        }
    )*};
}

references! {
    /// An image on the server, by its name.
    ImageRef = Image, |id| json!({"image_name": id});
    /// A video on the server, by its name.
    VideoRef = Video, |id| json!({"video_name": id});
    /// A style preset on the server, by its id.
    StylePresetRef = StylePreset, |id| json!({"style_preset_id": id});
    /// A system prompt on the server, by its id.
    SystemPromptRef = SystemPrompt, |id| json!({"system_prompt_id": id});
    /// A workflow in the server's library, by its id.
    WorkflowRef = SavedWorkflow, |id| json!(id);
}

/// Where a node saves its images.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum BoardRef {
    /// The board given when the workflow is run, if any.
    Auto,
    /// No board.
    None,
    /// The board with this id.
    Id(String),
}

crate::base::debug::short_debug! { enum BoardRef { Auto, None, Id(value) } }

impl From<&str> for BoardRef {
    /// An id, or `auto` or `none`.
    fn from(id: &str) -> Self {
        match id {
            "auto" => BoardRef::Auto,
            "none" => BoardRef::None,
            id => BoardRef::Id(id.to_owned()),
        }
    }
}

impl From<String> for BoardRef {
    fn from(id: String) -> Self {
        id.as_str().into()
    }
}

impl InputType for BoardRef {
    fn from_json(value: &Value) -> Option<Self> {
        match Board::read(value) {
            Some(BoardChoice::Auto) => Some(BoardRef::Auto),
            Some(BoardChoice::None) => Some(BoardRef::None),
            Some(BoardChoice::Board(id)) => Some(BoardRef::Id(id.to_owned())),
            None => value.as_str().map(BoardRef::from),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            BoardRef::Auto => "auto".into(),
            BoardRef::None => "none".into(),
            BoardRef::Id(id) => json!({"board_id": id}),
        }
    }
}

impl From<BoardRef> for InputValue {
    fn from(board: BoardRef) -> Self {
        board.to_json().into()
    }
}
