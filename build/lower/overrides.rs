//! What the document gets wrong, operation by operation, as seen on a running server.
//!
//! Everything here is a fact that no rule can read from the document itself. Names that the document of another version
//! does not have are simply not met there.

/// Which of several declared success codes the server actually sends.
pub(crate) const SUCCESS_CODE: &[(&str, &str)] = &[
    ("enqueue_batch", "200"),
    ("prune_model_install_jobs", "204"),
    ("delete_client_state", "200"),
    ("delete_client_state_by_key", "200"),
    // 206 is the answer to a `Range` request; both carry the file's bytes.
    ("get_video_full", "200"),
];

/// Which of several declared content types the server actually sends.
pub(crate) const CONTENT_TYPE: &[(&str, &str)] = &[("export_style_presets", "text/csv")];

/// Answers declared as JSON that are files.
pub(crate) const BINARY_ANSWERS: &[&str] =
    &["get_user_font_file", "get_model_image", "get_workflow_thumbnail", "get_style_preset_image"];

/// Answers whose body is always JSON `null`, whatever the document declares.
pub(crate) const NULL_ANSWERS: &[&str] = &[
    "cancel_model_install_job",
    "clear_invocation_cache",
    "delete_client_state",
    "delete_client_state_by_key",
    "delete_queue_item",
    "delete_style_preset",
    "delete_system_prompt",
    "delete_workflow",
    "delete_workflow_thumbnail",
    "disable_invocation_cache",
    "empty_model_cache",
    "enable_invocation_cache",
    "import_style_presets",
    "set_workflow_thumbnail",
    "update_model_image",
    "update_opened_at",
];

/// Schemas left as JSON values: documents that must come back exactly as they were sent, and the runtime configuration,
/// which is large and different in every release.
pub(crate) const OPAQUE_SCHEMAS: &[&str] = &["Batch", "Graph", "InvokeAIAppConfig", "Workflow", "WorkflowWithoutID"];

/// Members that the document requires and that older servers do not send.
///
/// Optional here, so that one build of this crate reads the answers of every server from 6.0.2 on. Each line is the
/// difference between the documents of 6.3.0, 6.9.0, 6.13.8 and 6.14.2.
pub(crate) const YOUNG_MEMBERS: &[(&str, &[&str])] = &[
    ("AddImagesToBoardResult", &["failed_images"]),
    ("BatchEnqueuedEvent", &["user_id"]),
    ("BatchStatus", &["waiting"]),
    ("BoardDTO", &["asset_count", "board_visibility", "user_id", "video_count"]),
    ("BulkDownloadCompleteEvent", &["user_id"]),
    ("BulkDownloadErrorEvent", &["user_id"]),
    ("BulkDownloadStartedEvent", &["user_id"]),
    ("DeleteBoardResult", &["deleted_board_videos", "deleted_videos", "failed_images", "failed_videos"]),
    ("DeleteImagesResult", &["failed_images"]),
    ("ExpandPromptResponse", &["seed"]),
    ("GraphExecutionState", &["workflow_call_history", "workflow_call_stack"]),
    ("ImageDTO", &["image_subfolder"]),
    ("InvocationCompleteEvent", &["user_id"]),
    ("InvocationErrorEvent", &["user_id"]),
    ("InvocationProgressEvent", &["device", "user_id"]),
    ("InvocationStartedEvent", &["user_id"]),
    ("ModelInstallCompleteEvent", &["config"]),
    ("ModelLoadCompleteEvent", &["user_id"]),
    ("ModelLoadStartedEvent", &["user_id"]),
    ("QueueClearedEvent", &["user_id"]),
    ("QueueItemStatusChangedEvent", &["status_sequence", "user_id"]),
    ("QueueItemsRetriedEvent", &["retried_item_ids_by_user", "user_ids"]),
    ("RemoveImagesFromBoardResult", &["failed_images"]),
    ("SessionQueueCountsByDestination", &["waiting"]),
    ("SessionQueueItem", &["user_id"]),
    ("SessionQueueStatus", &["waiting"]),
    ("StarredImagesResult", &["failed_images"]),
    ("StylePresetRecordWithImage", &["user_id"]),
    ("UnstarredImagesResult", &["failed_images"]),
    ("WorkflowRecordDTO", &["is_public", "user_id"]),
    ("WorkflowRecordListItemWithThumbnailDTO", &["is_public", "user_id"]),
    ("WorkflowRecordWithThumbnailDTO", &["is_public", "user_id"]),
];

/// Event payloads that hand-written code names. If a document does not have one, a plain JSON object takes its place.
pub(crate) const EVENT_TYPES: &[&str] = &[
    "BatchEnqueuedEvent",
    "BulkDownloadCompleteEvent",
    "BulkDownloadErrorEvent",
    "BulkDownloadStartedEvent",
    "DownloadCancelledEvent",
    "DownloadCompleteEvent",
    "DownloadErrorEvent",
    "DownloadPausedEvent",
    "DownloadProgressEvent",
    "DownloadStartedEvent",
    "InvocationCompleteEvent",
    "InvocationErrorEvent",
    "InvocationProgressEvent",
    "InvocationStartedEvent",
    "LlmTaskCompleteEvent",
    "LlmTaskErrorEvent",
    "LlmTaskProgressEvent",
    "ModelInstallCancelledEvent",
    "ModelInstallCompleteEvent",
    "ModelInstallDownloadProgressEvent",
    "ModelInstallDownloadStartedEvent",
    "ModelInstallDownloadsCompleteEvent",
    "ModelInstallErrorEvent",
    "ModelInstallStartedEvent",
    "ModelLoadCompleteEvent",
    "ModelLoadStartedEvent",
    "QueueClearedEvent",
    "QueueItemStatusChangedEvent",
    "QueueItemsCanceledEvent",
    "QueueItemsRetriedEvent",
    "RecallParametersUpdatedEvent",
    "WorkflowAccessRevokedEvent",
    "WorkflowCreatedEvent",
    "WorkflowDeletedEvent",
    "WorkflowUpdatedEvent",
];
