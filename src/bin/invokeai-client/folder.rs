//! Folders for output files.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// Checks that files can be written into a folder, even if it would have to be created. Leaves nothing behind.
pub(crate) fn check(folder: &Path) -> Result<(), Failure> {
    let mut made = Made::default();
    try_in(folder, &mut made)
        .map_err(|error| Failure::other(format!("cannot write into the folder {}: {error}", folder.display())))
}

/// The folder that a file is to be written into.
pub(crate) fn of_file(file: &Path) -> PathBuf {
    let parent = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    parent.unwrap_or(Path::new(".")).to_owned()
}

/// Folders that were created for a check, outermost first. They are removed when this is dropped.
#[derive(Default)]
struct Made(Vec<PathBuf>);

impl Drop for Made {
    fn drop(&mut self) {
        for folder in self.0.iter().rev() {
            // If somebody has put something into one meanwhile, it stays.
            let _ = fs::remove_dir(folder);
        }
    }
}

fn try_in(folder: &Path, made: &mut Made) -> io::Result<()> {
    let missing = folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    let missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
    for folder in missing.into_iter().rev() {
        match fs::create_dir(&folder) {
            Ok(()) => made.0.push(folder),
            // `a/..` exists as soon as `a` does.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    let file = folder.join(format!(".{}.part", uuid::Uuid::new_v4()));
    fs::OpenOptions::new().write(true).create_new(true).open(&file)?;
    fs::remove_file(&file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_can_be_created_is_not_created() {
        let root = tempfile::tempdir().expect("a folder");
        for folder in ["", "a", "a/b/c", "a/../b"] {
            check(&root.path().join(folder)).expect(folder);
            assert_eq!(fs::read_dir(root.path()).expect("it is there").count(), 0, "{folder}");
        }
    }

    #[test]
    fn a_folder_below_a_file_or_of_an_impossible_name_is_refused_with_the_reason() {
        let root = tempfile::tempdir().expect("a folder");
        let file = root.path().join("file");
        fs::write(&file, "mine").expect("a file");
        for folder in [file.clone(), file.join("sub"), root.path().join("a").join("x".repeat(300))] {
            let refused = check(&folder).expect_err("refused").to_string();
            assert!(refused.contains(&folder.display().to_string()) && refused.contains("os error"), "{refused}");
        }
        let left: Vec<_> = fs::read_dir(root.path()).expect("it is there").collect();
        assert_eq!((left.len(), fs::read_to_string(&file).expect("a file").as_str()), (1, "mine"));
    }
}
