//! Users and their tokens.

use super::{new_id, now_with_t};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use indexmap::IndexMap;
use serde_json::{Value, json};
use std::collections::HashMap;

/// A user.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) display_name: Option<String>,
    pub(crate) is_admin: bool,
    pub(crate) is_active: bool,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    pub(crate) last_login_at: Option<String>,
    /// Rises when the password changes, which ends all tokens.
    pub(crate) token_epoch: u64,
    pub(crate) password: String,
}

/// What a token grants.
#[derive(Clone)]
pub(crate) struct Grant {
    pub(crate) user_id: String,
    epoch: u64,
    pub(crate) remember_me: bool,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Users {
    /// Whether the server has users at all.
    pub(crate) multiuser: bool,
    pub(crate) all: IndexMap<String, User>,
    tokens: HashMap<String, Grant>,
}

impl User {
    /// `UserDTO`.
    pub(crate) fn dto(&self) -> Value {
        json!({
            "user_id": self.id,
            "email": self.email,
            "display_name": self.display_name,
            "is_admin": self.is_admin,
            "is_active": self.is_active,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "last_login_at": self.last_login_at,
            "token_epoch": self.token_epoch,
        })
    }
}

/// How long a token lasts, in seconds.
pub(crate) fn lifetime(remember_me: bool) -> i64 {
    if remember_me { 7 * 86_400 } else { 86_400 }
}

impl Users {
    pub(crate) fn has_admin(&self) -> bool {
        self.all.values().any(|user| user.is_admin && user.is_active)
    }

    /// What others see as the name of this user.
    pub(crate) fn name(&self, id: &str) -> Option<String> {
        let user = self.all.get(id)?;
        Some(user.display_name.clone().unwrap_or_else(|| user.email.clone()))
    }

    pub(crate) fn by_email(&mut self, email: &str) -> Option<&mut User> {
        self.all.values_mut().find(|user| user.email == email)
    }

    pub(crate) fn add(&mut self, email: &str, display_name: Option<&str>, password: &str, is_admin: bool) -> &mut User {
        let id = new_id();
        let created_at = now_with_t();
        self.all.entry(id.clone()).or_insert(User {
            id,
            email: email.into(),
            display_name: display_name.map(str::to_owned),
            is_admin,
            is_active: true,
            updated_at: created_at.clone(),
            created_at,
            last_login_at: None,
            token_epoch: 0,
            password: password.into(),
        })
    }

    /// A new token. It looks like the JSON web token of the real server, but its signature is a random number that
    /// this server remembers.
    pub(crate) fn issue_token(&mut self, user_id: &str, remember_me: bool) -> Option<String> {
        let user = self.all.get(user_id)?;
        let expires = super::now_in_seconds() + lifetime(remember_me);
        let claims = json!({"user_id": user.id, "email": user.email, "is_admin": user.is_admin,
            "remember_me": remember_me, "token_epoch": user.token_epoch, "exp": expires});
        let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
        let signature = [uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().into_bytes()].concat();
        let header = json!({"alg": "HS256", "typ": "JWT"});
        let (header, claims) = (encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let token = format!("{header}.{claims}.{}", encode(&signature));
        let grant = Grant { user_id: user.id.clone(), epoch: user.token_epoch, remember_me };
        self.tokens.insert(token.clone(), grant);
        Some(token)
    }

    /// What this token grants; `None` if it never was a token.
    pub(crate) fn grant(&self, token: &str) -> Option<&Grant> {
        self.tokens.get(token)
    }

    /// The user of a grant, unless it has ended.
    pub(crate) fn granted(&self, grant: &Grant) -> Option<&User> {
        self.all.get(&grant.user_id).filter(|user| user.is_active && user.token_epoch == grant.epoch)
    }
}
