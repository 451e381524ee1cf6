//! Why no code is generated.

use crate::workflow::DefinitionError;
use std::io;
use std::path::PathBuf;

/// Why no code is generated.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BindingsError {
    /// A workflow cannot be read.
    #[error("cannot read the workflow {path}: {reason}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: DefinitionError,
    },
    /// The file's name has no ASCII letter or digit to make the name of a struct from.
    #[error("no struct can be named after {name:?}: it has no ASCII letter or digit")]
    Name {
        /// The name.
        name: String,
    },
    /// Two workflows would be written to the same file.
    #[error("{first} and {second} would both become {name}.rs", first = first.display(), second = second.display())]
    SameName {
        /// What both are called.
        name: String,
        /// One.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// No directory is given, and this is not a build script, for which cargo sets `OUT_DIR`.
    #[error("no directory for the code: call `out_dir`, or run this in a build script")]
    NoOutDir,
    /// The code cannot be written.
    #[error("cannot write {path}: {reason}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// The generated code is not valid Rust: a bug in this crate.
    #[error("the generated code is not valid Rust, which is a bug in invokeai-client: {message}")]
    Syntax {
        /// What the parser says.
        message: String,
    },
}

crate::base::debug::short_debug! {
    enum BindingsError {
        Read { path, reason },
        Name { name },
        SameName { name, first, second },
        NoOutDir,
        Write { path, reason },
        Syntax { message },
    }
}
