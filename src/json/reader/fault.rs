//! What does not fit, and at which place of the text.

use std::fmt;

use serde::de::{Error as _, Expected, Unexpected};
use serde_json::Error;

/// What does not fit, and where.
#[derive(Debug)]
pub(in crate::json) struct Fault(Box<Place>);

#[derive(Debug)]
struct Place {
    /// From the inside to the outside.
    path: Vec<Step>,
    problem: Error,
}

#[derive(Debug)]
pub(super) enum Step {
    Member(String),
    Element(usize),
}

impl Fault {
    /// Path of the member; `.` is the whole.
    pub(in crate::json) fn path(&self) -> String {
        let mut path = String::new();
        for step in self.0.path.iter().rev() {
            match step {
                Step::Member(name) if path.is_empty() => path.push_str(name),
                Step::Member(name) => path.extend([".", name]),
                Step::Element(index) => path.push_str(&format!("[{index}]")),
            }
        }
        if path.is_empty() { ".".to_owned() } else { path }
    }

    /// What is wrong with it.
    pub(in crate::json) fn problem(&self) -> &Error {
        &self.0.problem
    }

    pub(super) fn within(mut self, step: Step) -> Self {
        self.0.path.push(step);
        self
    }
}

impl From<Error> for Fault {
    /// The error's line and column would count from the value that was read.
    fn from(error: Error) -> Self {
        let text = error.to_string();
        let problem = match text.rsplit_once(" at line ") {
            Some((problem, _)) if error.line() > 0 => Error::custom(problem),
            _ => error,
        };
        Self(Box::new(Place { path: Vec::new(), problem }))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.problem.fmt(f)
    }
}

impl std::error::Error for Fault {}

impl serde::de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Error::custom(message).into()
    }

    // `serde_json` says `null`, not `unit value`.
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Error::invalid_type(found, expected).into()
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Error::invalid_value(found, expected).into()
    }
}
