//! Users and their tokens.

use super::{Answer, Call, Outcome};
use crate::testing::store::{
    now_with_t,
    users::{User, lifetime},
};
use axum::http::header;
use serde_json::{Value, json};

pub(super) fn call(call: &Call<'_>) -> Option<Outcome> {
    Some(match call.operation.id.as_str() {
        "get_setup_status_api_v1_auth_status_get" => status(call),
        "login_api_v1_auth_login_post" => login(call),
        "logout_api_v1_auth_logout_post" => Ok(Answer::json(json!({"success": true}))),
        "refresh_media_cookie_api_v1_auth_media_cookie_post" => media_cookie(call),
        "get_current_user_info_api_v1_auth_me_get" => me(call),
        "setup_admin_api_v1_auth_setup_post" => setup(call),
        "generate_password_api_v1_auth_generate_password_get" => Ok(Answer::json(json!({"password": password()}))),
        "list_users_api_v1_auth_users_get" => {
            let users: Vec<Value> = call.world.store().users.all.values().map(User::dto).collect();
            Ok(Answer::json(users))
        }
        "create_user_api_v1_auth_users_post" => create(call),
        "get_user_api_v1_auth_users__user_id__get" => get(call),
        "update_user_api_v1_auth_users__user_id__patch" => update(call),
        "delete_user_api_v1_auth_users__user_id__delete" => delete(call),
        "update_current_user_api_v1_auth_me_patch" => update_me(call),
        _ => return None,
    })
}

fn status(call: &Call<'_>) -> Outcome {
    let multiuser = call.world.settings.multiuser;
    let setup = multiuser && !call.world.store().users.has_admin();
    Ok(Answer::json(json!({"setup_required": setup, "multiuser_enabled": multiuser,
        "strict_password_checking": false, "admin_email": null})))
}

/// Answers 422 to anything that is not an email address.
fn check_email(call: &Call<'_>) -> Result<String, Answer> {
    let email = call.member("email").as_str().unwrap_or_default();
    let problem = match email.split_once('@') {
        None => "Invalid email address: An email address must have an @-sign.",
        Some(("", _)) => "Invalid email address: There must be something before the @-sign.",
        Some((_, "")) => "Invalid email address: There must be something after the @-sign.",
        Some((_, host)) if host != "localhost" && !host.contains('.') => {
            "Email domain must contain a dot or be 'localhost'"
        }
        Some(_) => return Ok(email.to_lowercase()),
    };
    let error = json!({"type": "value_error", "loc": ["body", "email"], "msg": problem, "input": email});
    Err(Answer::refusal(422, json!([error])))
}

fn single_user(call: &Call<'_>, what: &str) -> Result<(), Answer> {
    if call.world.settings.multiuser {
        return Ok(());
    }
    Err(Answer::refusal(403, format!("Multiuser mode is disabled. {what} is not required in single-user mode.")))
}

fn cookie(answer: Answer, token: &str, seconds: i64) -> Answer {
    let cookie = format!("invokeai_media_token={token}; HttpOnly; Max-Age={seconds}; Path=/api/v1; SameSite=lax");
    answer.with_header(header::SET_COOKIE, &cookie)
}

fn login(call: &Call<'_>) -> Outcome {
    let email = check_email(call)?;
    single_user(call, "Authentication")?;
    let mut store = call.world.store();
    let password = call.member("password").as_str().unwrap_or_default();
    let wrong = || Answer::refusal(401, "Incorrect email or password").with_header(header::WWW_AUTHENTICATE, "Bearer");
    let user = store.users.by_email(&email).filter(|user| user.password == password).ok_or_else(wrong)?;
    if !user.is_active {
        return Err(Answer::refusal(403, "User account is disabled"));
    }
    user.last_login_at = Some(format!("{}Z", now_with_t()));
    let (id, dto) = (user.id.clone(), user.dto());
    let remember = call.member("remember_me").as_bool().unwrap_or_default();
    let token = store.users.issue_token(&id, remember).ok_or_else(wrong)?;
    let seconds = lifetime(remember);
    let answer = Answer::json(json!({"token": token, "user": dto, "expires_in": seconds}));
    Ok(cookie(answer, &token, seconds))
}

fn media_cookie(call: &Call<'_>) -> Outcome {
    let answer = Answer::json(json!({"success": true}));
    Ok(match &call.caller.token {
        Some(token) => cookie(answer, token, lifetime(false)),
        None => answer,
    })
}

fn me(call: &Call<'_>) -> Outcome {
    found(call, &call.caller.user_id)
}

fn found(call: &Call<'_>, id: &str) -> Outcome {
    let store = call.world.store();
    let user = store.users.all.get(id).ok_or_else(|| Answer::refusal(404, "User not found"))?;
    Ok(Answer::json(user.dto()))
}

/// Refuses passwords that are too weak.
fn check_password(password: &str) -> Result<(), Answer> {
    if password.is_empty() { Err(Answer::refusal(400, "Password cannot be empty")) } else { Ok(()) }
}

fn add(call: &Call<'_>, is_admin: bool) -> Result<Value, Answer> {
    let email = check_email(call)?;
    let password = call.member("password").as_str().unwrap_or_default();
    check_password(password)?;
    let mut store = call.world.store();
    if store.users.by_email(&email).is_some() {
        return Err(Answer::refusal(400, format!("User with email {email} already exists")));
    }
    let name = call.member("display_name").as_str();
    Ok(store.users.add(&email, name, password, is_admin).dto())
}

fn setup(call: &Call<'_>) -> Outcome {
    check_email(call)?;
    single_user(call, "Admin setup")?;
    if call.world.store().users.has_admin() {
        return Err(Answer::refusal(400, "Administrator account already configured"));
    }
    let user = add(call, true)?;
    Ok(Answer::json(json!({"success": true, "user": user})))
}

fn create(call: &Call<'_>) -> Outcome {
    let is_admin = call.member("is_admin").as_bool().unwrap_or_default();
    Ok(Answer::json_with(201, add(call, is_admin)?))
}

fn get(call: &Call<'_>) -> Outcome {
    found(call, call.text("user_id"))
}

/// Changes a user; a new password ends the user's tokens and sockets.
fn change(call: &Call<'_>, id: &str, new_password: Option<&str>) -> Outcome {
    if let Some(password) = new_password {
        check_password(password)?;
    }
    let mut store = call.world.store();
    let user = store.users.all.get_mut(id).ok_or_else(|| Answer::refusal(404, "User not found"))?;
    if let Some(name) = call.member("display_name").as_str() {
        user.display_name = Some(name.to_owned());
    }
    user.is_admin = call.member("is_admin").as_bool().unwrap_or(user.is_admin);
    user.is_active = call.member("is_active").as_bool().unwrap_or(user.is_active);
    user.updated_at = now_with_t();
    if let Some(password) = new_password {
        user.password = password.to_owned();
        user.token_epoch += 1;
    }
    let (dto, active) = (user.dto(), user.is_active);
    let own = id == call.caller.user_id;
    let token = if own && new_password.is_some() { store.users.issue_token(id, false) } else { None };
    drop(store);
    if new_password.is_some() || !active {
        call.world.disconnect(id);
    }
    let answer = Answer::json(dto);
    Ok(match token {
        Some(token) => {
            let header_name = header::HeaderName::from_static("x-refreshed-token");
            cookie(answer.with_header(header_name, &token), &token, lifetime(false))
        }
        None => answer,
    })
}

fn update(call: &Call<'_>) -> Outcome {
    let id = call.text("user_id");
    let store = call.world.store();
    let other_admins = store.users.all.values().filter(|user| user.is_admin && user.is_active && user.id != id).count();
    drop(store);
    let demoted = call.member("is_admin") == false || call.member("is_active") == false;
    if demoted && other_admins == 0 {
        return Err(Answer::refusal(400, "Cannot remove the last administrator"));
    }
    change(call, id, call.member("password").as_str())
}

fn update_me(call: &Call<'_>) -> Outcome {
    let new = call.member("new_password").as_str();
    if new.is_some() {
        let current = call.member("current_password").as_str().filter(|password| !password.is_empty());
        let current =
            current.ok_or_else(|| Answer::refusal(400, "Current password is required to set a new password"))?;
        let store = call.world.store();
        if store.users.all.get(&call.caller.user_id).is_none_or(|user| user.password != current) {
            return Err(Answer::refusal(400, "Current password is incorrect"));
        }
    }
    change(call, &call.caller.user_id, new)
}

fn delete(call: &Call<'_>) -> Outcome {
    let id = call.text("user_id");
    if id == call.caller.user_id {
        return Err(Answer::refusal(400, "Cannot delete your own account"));
    }
    let gone = call.world.store().users.all.shift_remove(id);
    gone.ok_or_else(|| Answer::refusal(404, "User not found"))?;
    call.world.disconnect(id);
    Ok(Answer::empty(204).with_header(header::CONTENT_TYPE, "application/json"))
}

/// Sixteen characters, with at least one uppercase letter, lowercase letter and digit.
fn password() -> String {
    let id = crate::testing::store::new_id().replace('-', "");
    format!("Aa1!{}", id.get(..12).unwrap_or_default())
}
