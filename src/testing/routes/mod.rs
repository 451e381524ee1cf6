//! What each operation does; one module for each of InvokeAI's routers.

mod app_info;
mod auth;
mod board_images;
mod boards;
mod client_state;
mod gallery;
mod image_files;
mod images;
mod install;
mod model_manager;
mod queue_changes;
mod session_queue;
mod style_presets;
mod system_prompts;
mod utilities;
mod workflows;

use super::http::{Answer, Call, Outcome};

/// Operations for administrators, where the server has users.
pub(crate) const ADMIN_ONLY: [&str; 57] = [
    "get_runtime_config",
    "update_runtime_config",
    "get_external_provider_configs",
    "set_external_provider_config",
    "reset_external_provider_config",
    "get_log_level",
    "set_log_level",
    "clear_invocation_cache",
    "enable_invocation_cache",
    "disable_invocation_cache",
    "get_invocation_cache_status",
    "list_users_api_v1_auth_users_get",
    "create_user_api_v1_auth_users_post",
    "get_user_api_v1_auth_users__user_id__get",
    "update_user_api_v1_auth_users__user_id__patch",
    "delete_user_api_v1_auth_users__user_id__delete",
    "list_custom_node_packs",
    "install_custom_node_pack",
    "uninstall_custom_node_pack",
    "reload_custom_nodes",
    "start_image_move",
    "start_image_move_recovery",
    "get_image_move_status",
    "reidentify_model",
    "scan_for_models",
    "get_hugging_face_models",
    "update_model_record",
    "update_model_image",
    "delete_model",
    "bulk_delete_models",
    "bulk_reidentify_models",
    "delete_model_image",
    "install_model",
    "install_hugging_face_model",
    "list_model_installs",
    "get_model_install_job",
    "cancel_model_install_job",
    "pause_model_install_job",
    "resume_model_install_job",
    "restart_failed_model_install_job",
    "restart_model_install_file",
    "prune_model_install_jobs",
    "convert_model",
    "get_starter_models",
    "get_stats",
    "empty_model_cache",
    "get_hf_login_status",
    "do_hf_login",
    "reset_hf_token",
    "get_orphaned_models",
    "delete_orphaned_models",
    "add_model_relationship_api_v1_model_relationships__post",
    "remove_model_relationship_api_v1_model_relationships__delete",
    "resume",
    "pause",
    "export_style_presets",
    "import_style_presets",
];

/// Carries out the operation; `None` if this server does not support it.
pub(crate) fn call(call: &Call<'_>) -> Option<Outcome> {
    let routers = [
        app_info::call,
        auth::call,
        board_images::call,
        boards::call,
        client_state::call,
        gallery::call,
        image_files::call,
        images::call,
        install::call,
        model_manager::call,
        queue_changes::call,
        session_queue::call,
        style_presets::call,
        system_prompts::call,
        utilities::call,
        workflows::call,
    ];
    routers.into_iter().find_map(|router| router(call))
}

/// `{"detail": "Not Found"}`, for routes that raise a bare 404.
fn not_found() -> Answer {
    Answer::refusal(404, "Not Found")
}
