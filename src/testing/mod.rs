//! An embedded InvokeAI-compatible server, for demos and for tests of programs that use this crate.

#[allow(dead_code, reason = "called by the server that is being written on top of it")]
pub(crate) mod nodes;
#[allow(dead_code, reason = "called by the server that is being written on top of it")]
pub(crate) mod openapi;
#[allow(dead_code, reason = "called by the server that is being written on top of it")]
pub(crate) mod session;
