//! Users and logins. InvokeAI has them since 6.13, where `multiuser: true` is set. Without it, everything runs as one
//! user and needs no login.
//!
//! ```no_run
//! # async fn example(client: invokeai_client::Client) -> invokeai_client::Result<()> {
//! if client.auth().status().await?.multiuser_enabled {
//!     let login = client.auth().login("anna@example.org", "correct horse", false).await?;
//!     println!("hello {}, for {} s", login.user.email, login.expires_in);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The client and its clones send the token from then on, and take a new one from any answer that has one
//! (`X-Refreshed-Token`), so a login lasts as long as it is used.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::{
    Client, Timestamp,
    base::secrets::Token,
    client::lists::whole_list,
    error::Result,
    transport::{bearer, page::found},
};

/// How a server handles users (`GET /api/v1/auth/status`, which needs no login).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthStatus {
    /// Whether users must log in.
    pub multiuser_enabled: bool,
    /// Whether the first administrator still has to be created.
    pub setup_required: bool,
    /// Whether weak passwords are refused.
    pub strict_password_checking: bool,
    /// Whom to ask for an account, if the server says so.
    pub admin_email: Option<String>,
}

crate::json::record::readable! {
    AuthStatus {
        0 multiuser_enabled, 1 setup_required default, 2 strict_password_checking default, 3 admin_email nullable,
    }
}

crate::base::debug::short_debug! { AuthStatus { multiuser_enabled, setup_required, strict_password_checking, admin_email } }

/// A user.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// Id on this server.
    pub user_id: String,
    /// Email address; unique.
    pub email: String,
    /// Name that is shown.
    pub display_name: Option<String>,
    /// Whether they are an administrator.
    pub is_admin: bool,
    /// Whether they may log in.
    pub is_active: Option<bool>,
    /// When the account was created.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// When they last logged in.
    pub last_login_at: Option<Timestamp>,
}

crate::json::record::readable! {
    User {
        0 user_id, 1 email, 2 display_name nullable, 3 is_admin default, 4 is_active nullable, 5 created_at nullable,
        6 updated_at nullable, 7 last_login_at nullable,
    }
}

crate::base::debug::short_debug! {
    User {
        user_id, email, display_name, is_admin, is_active, created_at, updated_at, last_login_at
    }
}

/// A login.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Login {
    /// The bearer token, to keep for [`ClientBuilder::token`](crate::ClientBuilder::token). A secret; `Debug` does not
    /// show it.
    pub token: String,
    /// Who logged in.
    pub user: User,
    /// Seconds until the token is no longer valid, if it is not renewed: a day, or a week.
    pub expires_in: u64,
}

crate::json::record::readable! { Login { 0 token, 1 user, 2 expires_in } }

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::debug::whole(f, |f| {
            f.debug_struct("Login")
                .field("user", &self.user)
                .field("expires_in", &self.expires_in)
                .finish_non_exhaustive()
        })
    }
}

/// Logins and users of a server, from [`Client::auth`].
#[derive(Clone)]
pub struct Auth {
    client: Client,
}

crate::base::debug::short_debug! { Auth { client } }

/// One user of a server, from [`Client::user`]. For administrators.
#[derive(Clone)]
pub struct UserHandle {
    client: Client,
    id: String,
}

crate::base::debug::short_debug! { UserHandle { client, id } }

impl Client {
    /// Logins and users.
    pub fn auth(&self) -> Auth {
        Auth { client: self.clone() }
    }

    /// The user with this id. Sends nothing yet.
    pub fn user(&self, user_id: impl Into<String>) -> UserHandle {
        UserHandle { client: self.clone(), id: user_id.into() }
    }
}

/// Your own account.
impl Auth {
    /// Asks whether users must log in. On servers before 6.13, which have no users, they need not.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn status(&self) -> Result<AuthStatus> {
        let api = self.client.api();
        match api.get_setup_status().send_as().await {
            Err(error) if error.is_unsupported() => {
                // A wrong address answers with web pages, too; this must not pass for a server without users.
                self.client.server_version().await?;
                Ok(AuthStatus {
                    multiuser_enabled: false,
                    setup_required: false,
                    strict_password_checking: false,
                    admin_email: None,
                })
            }
            answer => answer,
        }
    }

    /// Creates the first administrator. Does not log in.
    ///
    /// # Errors
    /// [`Error::NotAccepted`](crate::Error::NotAccepted) if there is one already, or the password is too weak;
    /// [`Error::Forbidden`](crate::Error::Forbidden) on a server with one user; any error of a call.
    pub async fn set_up(&self, email: &str, password: &str, display_name: Option<&str>) -> Result<User> {
        struct Made {
            user: User,
        }

        crate::json::record::readable! { Made { 0 user } }
        let api = self.client.api();
        let body = json!({ "email": email, "password": password, "display_name": display_name });
        Ok(api.setup_admin().send_json_as::<Made>(&body).await?.user)
    }

    /// Logs in. The client and all its clones send the token from now on. With `remember` the login lasts a week
    /// instead of a day.
    ///
    /// # Errors
    /// [`Error::Unauthorized`](crate::Error::Unauthorized) if the address or the password is wrong;
    /// [`Error::NotAccepted`](crate::Error::NotAccepted) if `email` is not an email address;
    /// [`Error::Forbidden`](crate::Error::Forbidden) on a server with one user; any error of a call.
    pub async fn login(&self, email: &str, password: &str, remember: bool) -> Result<Login> {
        let api = self.client.api();
        let body = json!({ "email": email, "password": password, "remember_me": remember });
        let login: Login = api.login().send_json_as(&body).await?;
        self.keep(&login.token)?;
        Ok(login)
    }

    /// Logs out, and forgets the token. The server still accepts the token until it expires or the password changes.
    ///
    /// # Errors
    /// Any error of a call. The token is forgotten even so.
    pub async fn logout(&self) -> Result<()> {
        let api = self.client.api();
        let answer = api.logout().send_as::<Value>().await;
        self.client.set_token(None);
        answer.map(drop)
    }

    /// Fetches the user who is logged in.
    ///
    /// # Errors
    /// [`Error::Unauthorized`](crate::Error::Unauthorized) if nobody is, which is always so on a server with one user;
    /// any error of a call.
    pub async fn me(&self) -> Result<User> {
        let api = self.client.api();
        api.get_current_user_info().send_as().await
    }

    /// Changes your display name.
    ///
    /// # Errors
    /// As [`me`](Self::me).
    pub async fn set_display_name(&self, name: &str) -> Result<User> {
        let api = self.client.api();
        api.update_current_user().send_json_as(&json!({ "display_name": name })).await
    }

    /// Changes your password. All other tokens of this user become invalid; this client gets a new one.
    ///
    /// # Errors
    /// [`Error::NotAccepted`](crate::Error::NotAccepted) if the current password is wrong or the new one too weak;
    /// otherwise as [`me`](Self::me).
    pub async fn change_password(&self, current: &str, new: &str) -> Result<User> {
        let api = self.client.api();
        let body = json!({ "current_password": current, "new_password": new });
        api.update_current_user().send_json_as(&body).await
    }

    fn keep(&self, token: &str) -> Result<()> {
        // With a token that no header can carry, every later call would fail.
        bearer(&Token::new(token))?;
        self.client.set_token(Some(token));
        Ok(())
    }
}

whole_list! {
    /// A list of users under construction, from [`Auth::users`].
    ListUsers => User, list_users
}

/// The accounts of others. For administrators; others get [`Error::Forbidden`](crate::Error::Forbidden).
impl Auth {
    /// Lists users: `.await` gives all in one page, [`ListUsers::stream`] one by one.
    pub fn users(&self) -> ListUsers {
        ListUsers::new(&self.client)
    }

    /// Creates a user.
    ///
    /// # Errors
    /// [`Error::NotAccepted`](crate::Error::NotAccepted) if there is one with this address already, or the password is
    /// too weak; any error of a call.
    pub async fn create_user(
        &self,
        email: &str,
        password: &str,
        display_name: Option<&str>,
        is_admin: bool,
    ) -> Result<User> {
        let api = self.client.api();
        let body = json!({ "email": email, "password": password, "display_name": display_name, "is_admin": is_admin });
        api.create_user().send_json_as(&body).await
    }

    /// Has the server generate a strong password.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn generate_password(&self) -> Result<String> {
        struct Generated {
            password: String,
        }

        crate::json::record::readable! { Generated { 0 password } }
        let api = self.client.api();
        Ok(api.generate_password().send_as::<Generated>().await?.password)
    }
}

impl UserHandle {
    /// Id of the user.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Fetches the user.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if they do not exist; any error of a call.
    pub async fn get(&self) -> Result<User> {
        let api = self.client.api();
        api.get_user().user_id(&self.id).send_as().await
    }

    /// Fetches the user, or `None` if they do not exist.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn find(&self) -> Result<Option<User>> {
        found(self.get().await)
    }

    /// Grants or revokes the rights of an administrator.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if they do not exist; any error of a call.
    pub async fn set_admin(&self, is_admin: bool) -> Result<User> {
        self.change("is_admin", is_admin.into()).await
    }

    /// Lets them log in, or prevents it.
    ///
    /// # Errors
    /// As [`set_admin`](Self::set_admin).
    pub async fn set_active(&self, is_active: bool) -> Result<User> {
        self.change("is_active", is_active.into()).await
    }

    /// Changes their display name.
    ///
    /// # Errors
    /// As [`set_admin`](Self::set_admin).
    pub async fn set_display_name(&self, name: &str) -> Result<User> {
        self.change("display_name", name.into()).await
    }

    /// Changes their password, which ends their logins.
    ///
    /// # Errors
    /// [`Error::NotAccepted`](crate::Error::NotAccepted) if it is too weak; otherwise as
    /// [`set_admin`](Self::set_admin).
    pub async fn set_password(&self, password: &str) -> Result<User> {
        self.change("password", password.into()).await
    }

    async fn change(&self, member: &str, value: Value) -> Result<User> {
        let api = self.client.api();
        let changes = Map::from_iter([(member.to_owned(), value)]);
        api.update_user().user_id(&self.id).send_json_as(&changes).await
    }

    /// Deletes the account.
    ///
    /// # Errors
    /// As [`set_admin`](Self::set_admin).
    pub async fn delete(&self) -> Result<()> {
        let api = self.client.api();
        api.delete_user().user_id(&self.id).send().await.map(drop)
    }
}
