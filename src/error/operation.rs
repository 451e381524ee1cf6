//! Operations of the REST API, by name. Errors name them too, so this module is below everything that calls one.

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

impl Operation {
    /// Method and path, as in `GET /api/v1/app/version`.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.plain_path())
    }

    /// The path alone. One path includes a query, which is not in InvokeAI's document.
    pub(crate) fn plain_path(&self) -> &'static str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// Whether a path, without a query, belongs to this operation.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let own = self.plain_path();
        let (mut own, mut given) = (own.split('/'), path.split('/'));
        loop {
            match (own.next(), given.next()) {
                (None, None) => return true,
                (Some(own), Some(given)) if own == given => {}
                (Some(own), Some(given)) if own.starts_with('{') && !given.is_empty() => {}
                _ => return false,
            }
        }
    }
}
