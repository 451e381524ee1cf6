//! Operations of the REST API, by name. Errors speak of them as well, so they are below everything that calls one.

/// One operation of the REST API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Operation {
    /// `operationId` of the document.
    pub id: &'static str,
    /// HTTP method, upper case.
    pub method: &'static str,
    /// Path with its parameters in braces.
    pub path: &'static str,
}
