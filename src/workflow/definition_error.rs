//! Why a workflow cannot be read.

/// Why a workflow could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DefinitionError {
    /// The file or stream could not be read.
    #[error("the workflow could not be read: {0}")]
    Io(std::io::Error),
    /// The text is too large for a workflow.
    #[error("the workflow is larger than {limit} bytes")]
    TooLarge {
        /// Largest size accepted, in bytes.
        limit: usize,
    },
    /// The text has a shape that would take much more memory than any workflow.
    #[error("the workflow would take more than {limit} bytes of memory")]
    TooCostly {
        /// The most memory that may be taken, in bytes.
        limit: usize,
    },
    /// The JSON is nested deeper than any workflow.
    #[error("the workflow is nested deeper than {limit} levels")]
    TooDeep {
        /// Deepest nesting accepted.
        limit: usize,
    },
    /// The text is not JSON.
    #[error("the workflow is not JSON: {message}")]
    Json {
        /// What is wrong, with line and column.
        message: String,
    },
    /// `meta.version` is missing or is not `major.minor.patch`.
    #[error("the workflow does not say which schema version it has: meta.version must be like 4.0.0, got {found}")]
    NoVersion {
        /// What was found instead.
        found: String,
    },
    /// The workflow has something that the editor's schema does not allow.
    #[error("{path}: {message}")]
    Invalid {
        /// Where: `nodes[3].data.inputs.steps.value`. Empty paths are shown as `workflow`.
        path: String,
        /// What is wrong there.
        message: String,
    },
    /// The file holds a graph but no workflow, and there is no node catalog to turn it into one.
    #[error("there is a graph but no workflow: a node catalog is needed to turn it into a workflow")]
    OnlyGraph,
    /// The file is from another program.
    #[error("this file is from {program}; it is not an InvokeAI workflow")]
    Foreign {
        /// The program.
        program: &'static str,
    },
    /// The file is a PNG image without a workflow, or not a PNG image.
    #[error("no workflow in the image: {message}")]
    NoWorkflowInImage {
        /// What was found.
        message: String,
    },
}

impl DefinitionError {
    /// What usually helps, in a few words, for a person to read.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io(_) => "check that the path exists and can be read",
            _ => "give a file from the editor's \"Save workflow to file\", or a PNG image made by InvokeAI",
        }
    }
}

impl From<std::io::Error> for DefinitionError {
    fn from(error: std::io::Error) -> Self {
        DefinitionError::Io(error)
    }
}
