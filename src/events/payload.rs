//! Typed payloads of the server's events.

use serde_json::Value;

use crate::{
    api::events::*,
    json::{lenient, weight::Meter},
};

/// A payload that does not fit its type, because the server's version and this crate's differ more than they should.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payload of event `{event}` is not as expected: {detail}")]
#[non_exhaustive]
pub struct PayloadError {
    /// Name of the event.
    pub event: String,
    /// Where in the payload, and what was expected.
    pub detail: String,
}

crate::base::debug::short_debug! { PayloadError { event, detail } }

macro_rules! payloads {
    ($($(#[$docs:meta])* $variant:ident($type:ty) = $name:literal,)*) => {
        /// The typed payload of an [`Event`](super::Event), one variant for each event InvokeAI documents.
        ///
        /// Members that are missing in older supported servers (6.3 and later) are optional.
        #[derive(Clone)]
        #[non_exhaustive]
        pub enum EventPayload {
            $(
                $(#[$docs])*
                #[doc = concat!("\n\nEvent `", $name, "`.")]
                $variant(Box<$type>),
            )*
            /// An event this crate does not know. See [`Event::data`](super::Event::data).
            Unknown,
            /// A known event with an unexpected payload. See [`Event::data`](super::Event::data).
            Undecodable(PayloadError),
        }

        crate::base::debug::short_debug! { enum EventPayload { $($variant(payload),)* Unknown, Undecodable(error) } }

        impl EventPayload {
            /// The names of all events this crate knows.
            pub const NAMES: &[&str] = &[$($name),*];

            pub(super) fn decode(name: &str, json: &str) -> Self {
                match name {
                    $($name => decode(name, json).map_or_else(Self::Undecodable, Self::$variant),)*
                    _ => Self::Unknown,
                }
            }
        }
    };
}

fn decode<T: serde::de::DeserializeOwned>(event: &str, json: &str) -> Result<Box<T>, PayloadError> {
    let misfit = |detail: String| PayloadError { event: event.to_owned(), detail };
    let read = |json: &str| lenient::from_slice(json.as_bytes(), &Meter::unlimited());
    if let Ok(payload) = read(json) {
        return Ok(Box::new(payload));
    }
    // Of members that come twice, the last counts, as in `Event::data`.
    let data: Value = serde_json::from_str(json).map_err(|error| misfit(error.to_string()))?;
    read(&data.to_string()).map(Box::new).map_err(|error| misfit(error.to_string()))
}

payloads! {
    /// A batch was put on a queue; `enqueued` below `requested` means the queue was full.
    BatchEnqueued(BatchEnqueuedEvent) = "batch_enqueued",
    /// A zip of images is ready.
    BulkDownloadComplete(BulkDownloadCompleteEvent) = "bulk_download_complete",
    /// A zip of images could not be created.
    BulkDownloadError(BulkDownloadErrorEvent) = "bulk_download_error",
    /// A zip of images is being created.
    BulkDownloadStarted(BulkDownloadStartedEvent) = "bulk_download_started",
    /// A download was canceled.
    DownloadCancelled(DownloadCancelledEvent) = "download_cancelled",
    /// A download is complete.
    DownloadComplete(DownloadCompleteEvent) = "download_complete",
    /// A download failed.
    DownloadError(DownloadErrorEvent) = "download_error",
    /// A download was paused. Documented, but not sent by 6.14.2.
    DownloadPaused(DownloadPausedEvent) = "download_paused",
    /// Part of a download has arrived.
    DownloadProgress(DownloadProgressEvent) = "download_progress",
    /// A download began.
    DownloadStarted(DownloadStartedEvent) = "download_started",
    /// A node has finished; `result` is its output.
    InvocationComplete(InvocationCompleteEvent) = "invocation_complete",
    /// A node failed. The status event of the item comes first.
    InvocationError(InvocationErrorEvent) = "invocation_error",
    /// A node reports progress, perhaps with a preview.
    InvocationProgress(InvocationProgressEvent) = "invocation_progress",
    /// A node starts.
    InvocationStarted(InvocationStartedEvent) = "invocation_started",
    /// A language model has finished a task.
    LlmTaskComplete(LlmTaskCompleteEvent) = "llm_task_complete",
    /// A language model failed.
    LlmTaskError(LlmTaskErrorEvent) = "llm_task_error",
    /// A language model reports progress.
    LlmTaskProgress(LlmTaskProgressEvent) = "llm_task_progress",
    /// The installation of a model was canceled.
    ModelInstallCancelled(ModelInstallCancelledEvent) = "model_install_cancelled",
    /// A model is installed.
    ModelInstallComplete(ModelInstallCompleteEvent) = "model_install_complete",
    /// Part of a model has been downloaded.
    ModelInstallDownloadProgress(ModelInstallDownloadProgressEvent) = "model_install_download_progress",
    /// The download of a model began. Documented, but not sent by 6.14.2.
    ModelInstallDownloadStarted(ModelInstallDownloadStartedEvent) = "model_install_download_started",
    /// All files of a model have been downloaded.
    ModelInstallDownloadsComplete(ModelInstallDownloadsCompleteEvent) = "model_install_downloads_complete",
    /// The installation of a model failed.
    ModelInstallError(ModelInstallErrorEvent) = "model_install_error",
    /// The installation of a model began.
    ModelInstallStarted(ModelInstallStartedEvent) = "model_install_started",
    /// A model, or a part of one, is in memory.
    ModelLoadComplete(ModelLoadCompleteEvent) = "model_load_complete",
    /// A model, or a part of one, is being loaded.
    ModelLoadStarted(ModelLoadStartedEvent) = "model_load_started",
    /// All items of a queue were deleted.
    QueueCleared(QueueClearedEvent) = "queue_cleared",
    /// An item has a new status.
    QueueItemStatusChanged(QueueItemStatusChangedEvent) = "queue_item_status_changed",
    /// Pending items were canceled together. They get no status event of their own.
    QueueItemsCanceled(QueueItemsCanceledEvent) = "queue_items_canceled",
    /// Items were enqueued again; the ids are those of the old items.
    QueueItemsRetried(QueueItemsRetriedEvent) = "queue_items_retried",
    /// Somebody recalled the parameters of an image.
    RecallParametersUpdated(RecallParametersUpdatedEvent) = "recall_parameters_updated",
    /// A shared workflow became private.
    WorkflowAccessRevoked(WorkflowAccessRevokedEvent) = "workflow_access_revoked",
    /// A workflow was saved to the library.
    WorkflowCreated(WorkflowCreatedEvent) = "workflow_created",
    /// A workflow was deleted from the library.
    WorkflowDeleted(WorkflowDeletedEvent) = "workflow_deleted",
    /// A workflow in the library was changed.
    WorkflowUpdated(WorkflowUpdatedEvent) = "workflow_updated",
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::events::Event;

    #[test]
    fn every_event_of_the_document_has_a_variant() {
        let document = std::fs::read_to_string(env!("INVOKEAI_DOCUMENT")).unwrap();
        let document: Value = serde_json::from_str(&document).unwrap();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let flat = |name: &str| name.replace('_', "").to_lowercase();
        let mut documented: Vec<_> = schemas.keys().filter_map(|name| name.strip_suffix("Event")).map(flat).collect();
        let mut known: Vec<_> = EventPayload::NAMES.iter().copied().map(flat).collect();
        documented.sort();
        known.sort();
        assert_eq!(documented, known);
    }

    #[test]
    fn what_does_not_fit_is_kept_with_a_reason() {
        let event = Event::new("queue_cleared", json!({"queue_id": 7, "timestamp": 1}));
        let EventPayload::Undecodable(error) = event.payload() else { panic!("{:?}", event.payload()) };
        assert_eq!(
            error.to_string(),
            "the payload of event `queue_cleared` is not as expected: \
             queue_id: invalid type: integer `7`, expected a string"
        );
        assert_eq!(event.data()["queue_id"], 7);
        assert!(matches!(Event::new("brand_new", json!([])).payload(), EventPayload::Unknown));
    }

    #[test]
    fn payloads_of_older_servers_decode() {
        // 6.3: no `user_id`, no `status_sequence`, an unknown member, no `waiting` in the counts.
        let counts = json!({
            "queue_id": "default", "item_id": 1, "batch_id": "b", "session_id": "s", "origin": null,
            "destination": null, "pending": 0, "in_progress": 1, "completed": 0, "failed": 0, "canceled": 0, "total": 1,
        });
        let event = Event::new(
            "queue_item_status_changed",
            json!({
                "timestamp": 1, "queue_id": "default", "item_id": 1, "batch_id": "b", "origin": null,
                "destination": null, "status": "brand_new", "error_type": null, "error_message": null,
                "error_traceback": null, "created_at": "x", "updated_at": "x", "started_at": null,
                "completed_at": null, "batch_status": counts, "queue_status": counts, "session_id": "s",
                "credits": null,
            }),
        );
        let EventPayload::QueueItemStatusChanged(payload) = event.payload() else { panic!("{:?}", event.payload()) };
        assert_eq!(payload.status.as_str(), "brand_new");
        assert_eq!((event.status(), event.status_sequence()), (Some("brand_new"), None));
    }

    #[test]
    fn of_members_that_come_twice_the_last_counts() {
        let json = r#"{"timestamp": 1, "bulk_download_id": "a", "bulk_download_item_id": "i",
            "bulk_download_item_name": "n", "bulk_download_id": "b"}"#;
        let EventPayload::BulkDownloadStarted(started) = EventPayload::decode("bulk_download_started", json) else {
            panic!("it is a payload");
        };
        assert_eq!(started.bulk_download_id, "b");
    }
}
