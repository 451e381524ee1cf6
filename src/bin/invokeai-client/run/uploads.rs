//! The local files that a run uses, by the names that they have on the server.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use serde_json::Value;

#[derive(Debug, Clone, Default)]
pub(super) struct Uploads(HashMap<String, PathBuf>);

impl Uploads {
    pub(super) fn add(&mut self, file: &Path, name: &str) {
        self.0.insert(name.to_owned(), file.to_owned());
    }

    /// The file from which an image was uploaded, if this run did that.
    pub(super) fn file_of(&self, image: &Value) -> Option<&Path> {
        self.0.get(image.get("image_name")?.as_str()?).map(PathBuf::as_path)
    }

    /// A value as people know it: an image is shown by its file, or by its name.
    pub(super) fn shown(&self, value: &Value) -> Value {
        match (self.file_of(value), value.get("image_name")) {
            (Some(file), _) => file.display().to_string().into(),
            (None, Some(name)) => name.clone(),
            (None, None) => value.clone(),
        }
    }
}
