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

    /// Whether users must log in. Servers before 6.13 have no users, which this says, too.
    call fn status(&self) -> Result<AuthStatus>;
    /// Makes the first administrator. Does not log in.
    call fn set_up(&self, email: &str, password: &str, display_name: Option<&str>) -> Result<User>;
    /// Logs in. The client and all its clones send the token from now on. `remember` makes it last a week in place
    /// of a day.
    call fn login(&self, email: &str, password: &str, remember: bool) -> Result<Login>;
    /// Logs out, and forgets the token. The server goes on taking it until it expires; a new password ends that.
    call fn logout(&self) -> Result<()>;
    /// Who is logged in.
    call fn me(&self) -> Result<User>;
    /// Changes the own name.
    call fn set_display_name(&self, name: &str) -> Result<User>;
    /// Changes the own password. All other tokens of this user are no longer valid; this client gets a new one.
    call fn change_password(&self, current: &str, new: &str) -> Result<User>;
    /// Lists users: `call` gives all in one page, [`ListUsers::stream`] one by one.
    open fn users(&self) -> ListUsers;
    /// Makes a user.
    call fn create_user(&self, email: &str, password: &str, display_name: Option<&str>, is_admin: bool) -> Result<User>;
    /// A strong password, made by the server.
    call fn generate_password(&self) -> Result<String>;
}

mirror! {
    /// One user of a server, from [`Client::user`](super::Client::user). For administrators.
    #[derive(Clone)]
    pub struct UserHandle = auth::UserHandle;

    /// Id of the user.
    get fn id(&self) -> &str;
    /// The user.
    call fn get(&self) -> Result<User>;
    /// The user, or `None` if they do not exist.
    call fn find(&self) -> Result<Option<User>>;
    /// Lets them do everything, or not.
    call fn set_admin(&self, is_admin: bool) -> Result<User>;
    /// Lets them log in, or not.
    call fn set_active(&self, is_active: bool) -> Result<User>;
    /// Changes their name.
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
    /// as a whole is asked for once.
    iter fn stream(self) -> Iter<Result<User>>;
    /// Carries it out.
    finish fn call(self) -> Result<Page<User>>;
}
