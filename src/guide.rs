#![cfg_attr(not(doctest), doc = include_str!("links.md"))]
#![doc = include_str!("../docs/guide.md")]

// What the pages link to, so that they can be read as plain text as well.
#[cfg(all(doc, feature = "testing"))]
use crate::testing::{Faults, TestServer};
#[cfg(doc)]
use crate::{
    BulkOutcome, Client, Error, FinishedJob, Job, OutputBoard, Page, Refusal, Submission, Sweep, Ticket,
    TransportOptions, Upload, WhenFull,
    auth::Auth,
    boards::{BoardHandle, Boards},
    cleanup::CleanupReport,
    download::DownloadReport,
    events::{Event, EventError, EventHub, EventItem, EventsOptions, Gap},
    images::ImageHandle,
    job::Wait,
    library::SavedWorkflowHandle,
    models::{ModelHandle, ModelRecord, ModelSource, Models},
    outputs::{NodeOutput, Outputs},
    queue::{Queue, QueueItem},
    schema::NodeCatalog,
    workflow::{
        Input, InputError, InputKey, ProblemSource, Workflow, WorkflowDefinition,
        field::{
            ColorChannels, InkBoardField, InkBooleanField, InkColorField, InkEnumField, InkField, InkFloatField,
            InkImageField, InkIntegerField, InkModelIdentifierField, InkSchedulerField, InkStringField,
            InkVaeModelField, InkVideoField,
        },
        generator::Generator,
    },
};

#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../docs/workflow.md")]
pub mod workflow {}

#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../docs/inputs.md")]
pub mod inputs {}

#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../docs/bindings.md")]
pub mod bindings {}

#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../docs/command.md")]
pub mod command {}

#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../docs/jobs.md")]
pub mod jobs {}

#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../docs/events.md")]
pub mod events {}

#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../docs/assets.md")]
pub mod assets {}

#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../docs/errors.md")]
pub mod errors {}

#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../docs/faults.md")]
pub mod faults {}

#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../docs/users.md")]
pub mod users {}

#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../docs/other_versions.md")]
pub mod other_versions {}

#[cfg(feature = "testing")]
#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../docs/testing.md")]
pub mod testing {}

#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../docs/fleet.md")]
pub mod fleet {}

#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../docs/serve.md")]
pub mod serve {}

#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../docs/compatibility.md")]
pub mod compatibility {}

#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../docs/from_python.md")]
pub mod from_python {}
