//! System prompts: instructions for the language models that write prompts. InvokeAI has them since 6.14; older servers
//! answer with [`Error::is_unsupported`](crate::Error::is_unsupported).
//!
//! ```no_run
//! # async fn example(client: invokeai_client::Client) -> invokeai_client::Result<()> {
//! let prompt = client.system_prompts().create("Terse", "Answer in ten words.").await?;
//! client.system_prompt(&prompt.id).set_public(true).await?;
//! # Ok(())
//! # }
//! ```

use serde_json::{Value, json};

use crate::{Client, Timestamp, client::lists::whole_list, error::Result, transport::page::found};

/// A system prompt, as `GET /api/v1/system_prompts/i/{id}` describes it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemPrompt {
    /// Id on this server.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The instructions.
    pub content: String,
    /// Its owner; `system` for those that InvokeAI ships, and for all on a server with one user.
    pub user_id: Option<String>,
    /// Whether all users see it.
    pub is_public: bool,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
}

crate::json::record::readable! {
    SystemPrompt {
        0 id, 1 name, 2 content, 3 user_id nullable, 4 is_public default, 5 created_at nullable,
        6 updated_at nullable,
    }
}

crate::base::debug::short_debug! { SystemPrompt { id, name, content, user_id, is_public, created_at, updated_at } }

crate::workflow::field::settable! { SystemPrompt: "system_prompt_id" = id }

/// All system prompts of a server, from [`Client::system_prompts`].
#[derive(Clone)]
pub struct SystemPrompts {
    client: Client,
}

crate::base::debug::short_debug! { SystemPrompts { client } }

/// One system prompt, from [`Client::system_prompt`].
#[derive(Clone)]
pub struct SystemPromptHandle {
    client: Client,
    id: String,
}

crate::base::debug::short_debug! { SystemPromptHandle { client, id } }

impl Client {
    /// The system prompts of the server.
    pub fn system_prompts(&self) -> SystemPrompts {
        SystemPrompts { client: self.clone() }
    }

    /// The system prompt with this id. Sends nothing yet.
    pub fn system_prompt(&self, id: impl Into<String>) -> SystemPromptHandle {
        SystemPromptHandle { client: self.clone(), id: id.into() }
    }
}

whole_list! {
    /// A list of system prompts under construction, from [`SystemPrompts::list`].
    ListSystemPrompts => SystemPrompt, list_system_prompts
}

impl SystemPrompts {
    /// Lists system prompts: `.await` gives all in one page, [`ListSystemPrompts::stream`] one by one.
    pub fn list(&self) -> ListSystemPrompts {
        ListSystemPrompts::new(&self.client)
    }

    /// Creates a system prompt. Neither name nor content may be empty.
    ///
    /// # Errors
    /// [`Error::NotAccepted`](crate::Error::NotAccepted) if one of them is; any error of a call.
    pub async fn create(&self, name: &str, content: &str) -> Result<SystemPrompt> {
        let api = self.client.api();
        api.create_system_prompt().send_json_as(&json!({ "name": name, "content": content })).await
    }
}

impl SystemPromptHandle {
    /// Id of the prompt.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Fetches the prompt.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if it does not exist; any error of a call.
    pub async fn get(&self) -> Result<SystemPrompt> {
        let api = self.client.api();
        api.get_system_prompt().system_prompt_id(&self.id).send_as().await
    }

    /// Fetches the prompt, or `None` if it does not exist.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn find(&self) -> Result<Option<SystemPrompt>> {
        found(self.get().await)
    }

    /// Gives it another name.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if it does not exist; any error of a call.
    pub async fn rename(&self, name: &str) -> Result<SystemPrompt> {
        self.change(json!({ "name": name })).await
    }

    /// Replaces its instructions.
    ///
    /// # Errors
    /// As [`rename`](Self::rename).
    pub async fn set_content(&self, content: &str) -> Result<SystemPrompt> {
        self.change(json!({ "content": content })).await
    }

    /// Shows it to all users, or only to its owner.
    ///
    /// # Errors
    /// As [`rename`](Self::rename).
    pub async fn set_public(&self, is_public: bool) -> Result<SystemPrompt> {
        self.change(json!({ "is_public": is_public })).await
    }

    async fn change(&self, changes: Value) -> Result<SystemPrompt> {
        let api = self.client.api();
        api.update_system_prompt().system_prompt_id(&self.id).send_json_as(&changes).await
    }

    /// Deletes it.
    ///
    /// # Errors
    /// As [`rename`](Self::rename).
    pub async fn delete(&self) -> Result<()> {
        let api = self.client.api();
        api.delete_system_prompt().system_prompt_id(&self.id).send().await.map(drop)
    }
}
