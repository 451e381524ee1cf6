//! Logins and users.

use super::{
    iter::Iter,
    mirror::{Mirror as _, mirror},
};
use crate::{
    Page,
    auth::{self, AuthStatus, Login, User},
    error::Result,
};

mirror! {
    /// Logins and users of a server, from [`Client::auth`](super::Client::auth).
    #[derive(Clone)]
    pub struct Auth = auth::Auth;

    /// Asks whether users must log in. On servers before 6.13, which have no users, they need not.
    call fn status(&self) -> Result<AuthStatus>;
    /// Creates the first administrator. Does not log in.
    call fn set_up(&self, email: &str, password: &str, display_name: Option<&str>) -> Result<User>;
    /// Logs in. The client and all its clones send the token from now on. With `remember` the login lasts a week
    /// instead of a day.
    call fn login(&self, email: &str, password: &str, remember: bool) -> Result<Login>;
    /// Logs out, and forgets the token. The server still accepts the token until it expires or the password changes.
    call fn logout(&self) -> Result<()>;
    /// Fetches the user who is logged in.
    call fn me(&self) -> Result<User>;
    /// Changes your display name.
    call fn set_display_name(&self, name: &str) -> Result<User>;
    /// Changes your password. All other tokens of this user become invalid; this client gets a new one.
    call fn change_password(&self, current: &str, new: &str) -> Result<User>;
    /// Lists users: `call` gives all in one page, [`ListUsers::stream`] one by one.
    open fn users(&self) -> ListUsers;
    /// Creates a user.
    call fn create_user(&self, email: &str, password: &str, display_name: Option<&str>, is_admin: bool) -> Result<User>;
    /// Has the server generate a strong password.
    call fn generate_password(&self) -> Result<String>;
}

mirror! {
    /// One user of a server, from [`Client::user`](super::Client::user). For administrators.
    #[derive(Clone)]
    pub struct UserHandle = auth::UserHandle;

    /// Id of the user.
    get fn id(&self) -> &str;
    /// Fetches the user.
    call fn get(&self) -> Result<User>;
    /// Fetches the user, or `None` if they do not exist.
    call fn find(&self) -> Result<Option<User>>;
    /// Grants or revokes the rights of an administrator.
    call fn set_admin(&self, is_admin: bool) -> Result<User>;
    /// Lets them log in, or prevents it.
    call fn set_active(&self, is_active: bool) -> Result<User>;
    /// Changes their display name.
    call fn set_display_name(&self, name: &str) -> Result<User>;
    /// Changes their password, which ends their logins.
    call fn set_password(&self, password: &str) -> Result<User>;
    /// Deletes the account.
    call fn delete(&self) -> Result<()>;
}

mirror! {
    /// A list of users under construction, from [`Auth::users`].
    #[derive(Clone)]
    #[must_use = "nothing is sent before `call`"]
    pub struct ListUsers = auth::ListUsers;

    /// Skips this many entries at the beginning.
    set fn offset(self, offset: u64) -> Self;
    /// Sets how many entries a page has at most. Default: all.
    set fn limit(self, limit: u64) -> Self;
    /// All entries from the offset on, fetched page by page as the iterator is read. A list that the server gives only
    /// as a whole is fetched once.
    iter fn stream(self) -> Iter<Result<User>>;
    /// Fetches one page.
    finish fn call(self) -> Result<Page<User>>;
}
