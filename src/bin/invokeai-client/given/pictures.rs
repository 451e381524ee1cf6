//! Image files on this machine to upload: one file, all in a folder, or those that match a pattern.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::local_file;

/// Extensions of files that InvokeAI takes as images.
const ENDINGS: [&str; 6] = ["png", "jpg", "jpeg", "webp", "bmp", "gif"];

/// Whether a text names something on this machine.
pub(crate) fn is_here(text: &str) -> bool {
    Path::new(text).exists()
}

/// The files that a text names: the file itself, all images in the folder, or the matches of the pattern, in order of
/// their names.
pub(crate) fn named(text: &str) -> Result<Vec<PathBuf>, String> {
    let path = Path::new(text);
    let files = if path.is_dir() {
        in_folder(path)?
    } else if !path.exists() && text.contains(['*', '?', '[']) {
        let found = glob::glob(text).map_err(|error| format!("{text} is not a valid pattern: {error}"))?;
        let found: Result<Vec<PathBuf>, _> = found.collect();
        let mut found = found.map_err(|error| format!("cannot read {}: {error}", error.path().display()))?;
        found.retain(|path| path.is_file());
        found
    } else {
        vec![path.to_owned()]
    };
    if files.is_empty() {
        return Err(format!("there are no images in {text}"));
    }
    files.iter().try_for_each(|file| check(file))?;
    Ok(files)
}

/// Checks that a file can be sent.
pub(crate) fn check(path: &Path) -> Result<(), String> {
    local_file::open(path).map(drop).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error| format!("cannot read {}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        if path.is_file() && ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_patterns_name_their_images_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["b.PNG", "a.jpg", "notes.txt", "c.webp"] {
            fs::write(folder.path().join(name), name).expect("a file");
        }
        fs::create_dir(folder.path().join("sub.png")).expect("a folder");
        let names = |text: &str| {
            let found = named(text)?;
            Ok::<_, String>(
                found.iter().map(|path| path.file_name().map(|n| n.to_string_lossy().into_owned())).collect(),
            )
        };
        let of = |part: &str| folder.path().join(part).display().to_string();
        let all: Vec<_> = ["a.jpg", "b.PNG", "c.webp"].map(|name| Some(name.to_owned())).into();
        assert_eq!(names(&of("")), Ok(all));
        assert_eq!(names(&of("?.jpg")), Ok(vec![Some("a.jpg".to_owned())]));
        assert!(names(&of("*.tif")).is_err_and(|error: String| error.contains("no images")));
        assert!(names(&of("gone.png")).is_err_and(|error: String| error.contains("gone.png")));
    }
}
