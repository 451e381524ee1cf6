//! System prompts.

use super::{
    iter::Iter,
    mirror::{Mirror as _, mirror},
};
use crate::{
    Page,
    error::Result,
    system_prompts::{self, SystemPrompt},
};

mirror! {
    /// All system prompts of a server, from [`Client::system_prompts`](super::Client::system_prompts).
    #[derive(Clone)]
    pub struct SystemPrompts = system_prompts::SystemPrompts;

    /// Lists system prompts: `call` gives all in one page, [`ListSystemPrompts::stream`] one by one.
    open fn list(&self) -> ListSystemPrompts;
    /// Creates a system prompt. Neither name nor content may be empty.
    call fn create(&self, name: &str, content: &str) -> Result<SystemPrompt>;
}

mirror! {
    /// One system prompt, from [`Client::system_prompt`](super::Client::system_prompt).
    #[derive(Clone)]
    pub struct SystemPromptHandle = system_prompts::SystemPromptHandle;

    /// Id of the prompt.
    get fn id(&self) -> &str;
    /// Fetches the prompt.
    call fn get(&self) -> Result<SystemPrompt>;
    /// Fetches the prompt, or `None` if it does not exist.
    call fn find(&self) -> Result<Option<SystemPrompt>>;
    /// Gives it another name.
    call fn rename(&self, name: &str) -> Result<SystemPrompt>;
    /// Replaces its instructions.
    call fn set_content(&self, content: &str) -> Result<SystemPrompt>;
    /// Shows it to all users, or only to its owner.
    call fn set_public(&self, is_public: bool) -> Result<SystemPrompt>;
    /// Deletes it.
    call fn delete(&self) -> Result<()>;
}

mirror! {
    /// A list of system prompts under construction, from [`SystemPrompts::list`].
    #[derive(Clone)]
    #[must_use = "nothing is sent before `call`"]
    pub struct ListSystemPrompts = system_prompts::ListSystemPrompts;

    /// Skips this many entries at the beginning.
    set fn offset(self, offset: u64) -> Self;
    /// Sets how many entries a page has at most. Default: all.
    set fn limit(self, limit: u64) -> Self;
    /// All entries from the offset on, fetched page by page as the iterator is read. A list that the server gives only
    /// as a whole is fetched once.
    iter fn stream(self) -> Iter<Result<SystemPrompt>>;
    /// Fetches one page.
    finish fn call(self) -> Result<Page<SystemPrompt>>;
}
