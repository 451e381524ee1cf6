//! Code that knows nothing of InvokeAI: how values are shown, files of this machine, deadlines of waits, enums that
//! stay open.

#[cfg(feature = "client")]
pub(crate) mod deadline;
pub(crate) mod debug;
pub(crate) mod distinct;
pub(crate) mod local_file;
pub(crate) mod local_folder;
pub(crate) mod one_line;
pub(crate) mod open_enum;
pub(crate) mod secrets;
pub(crate) mod similar;
#[cfg(feature = "client")]
pub(crate) mod timestamp;
