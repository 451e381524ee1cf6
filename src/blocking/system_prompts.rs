//! System prompts.

use super::mirror::mirror;
use crate::{
    error::Result,
    system_prompts::{self, SystemPrompt},
};

mirror! {
    /// All system prompts of a server, from [`Client::system_prompts`](super::Client::system_prompts).
    #[derive(Clone)]
    pub struct SystemPrompts = system_prompts::SystemPrompts;

    /// All of them. One that cannot be read is an error in its place.
    call fn list(&self) -> Result<Vec<Result<SystemPrompt>>>;
    /// Makes one. Neither name nor content may be empty.
    call fn create(&self, name: &str, content: &str) -> Result<SystemPrompt>;
}

mirror! {
    /// One system prompt, from [`Client::system_prompt`](super::Client::system_prompt).
    #[derive(Clone)]
    pub struct SystemPromptHandle = system_prompts::SystemPromptHandle;

    /// Id of the prompt.
    get fn id(&self) -> &str;
    /// The prompt.
    call fn get(&self) -> Result<SystemPrompt>;
    /// The prompt, or `None` if it does not exist.
    call fn find(&self) -> Result<Option<SystemPrompt>>;
    /// Gives it another name.
    call fn rename(&self, name: &str) -> Result<SystemPrompt>;
    /// Replaces its instructions.
    call fn set_content(&self, content: &str) -> Result<SystemPrompt>;
    /// Shows it to all users, or only to its owner.
    call fn share(&self, is_public: bool) -> Result<SystemPrompt>;
    /// Deletes it.
    call fn delete(&self) -> Result<()>;
}
