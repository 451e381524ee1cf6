//! Clean-up on a real server: files that are hard to find go, and what is needed, or belongs to others, stays.

use std::{collections::BTreeSet, time::Duration};

use invokeai_client::{
    Client,
    assets::Asset,
    cleanup::KeptBecause,
    queue::ItemStatus,
    workflow::{Workflow, WorkflowDefinition},
};
use serde_json::json;

use crate::{
    common::{live, skip},
    outputs::{DEADLINE, clean, document, node, on_stage},
};

/// Nodes of the pack `probe` that save images without naming them in a result. `None` if the server lacks the pack.
async fn hoard(client: &Client, seconds: f64, fails: bool) -> Option<Workflow> {
    if client.catalog().await.unwrap().get("probe_hoard").is_none() {
        skip::skipped(format_args!(
            "custom nodes: the server lacks the pack (start it with `--nodes tests/server/nodes`)"
        ));
        return None;
    }
    let nodes = json!([node("hoard", "probe_hoard", json!({ "seconds": seconds, "fails": fails }))]);
    let definition = WorkflowDefinition::from_value(document("hoard", nodes, json!([]))).unwrap();
    Some(client.workflow(definition).await.unwrap())
}

#[tokio::test]
async fn files_that_no_result_names_are_found() {
    on_stage(async |stage, client| {
        for (seconds, fails) in [(0.0, false), (0.0, true), (6.0, false)] {
            let Some(workflow) = hoard(&client, seconds, fails).await else { return };
            let submission = client.submit(&workflow).queue(&stage.queue).await.unwrap();
            let job = submission.job().unwrap();
            if seconds > 0.0 {
                while job.status() != Some(ItemStatus::InProgress) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                // It is canceled now, and saves the second image some seconds later.
                tokio::time::sleep(Duration::from_secs(1)).await;
                submission.cancel().await.unwrap();
            } else {
                assert_eq!(job.wait().timeout(DEADLINE).await.is_err(), fails);
            }
            let report = client.cleanup().everything().await.unwrap();
            clean(&report);
            let images = report.deleted.iter().filter(|asset| matches!(asset, Asset::Image(_))).count();
            assert_eq!((images, report.deleted.len()), (2, 3), "{report}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_upload_stays_until_the_items_of_other_queues_have_read_it() {
    on_stage(async |stage, client| {
        let input = stage.upload(&client).await;
        let workflow = stage.workflow(&client, &input).await;
        // Another client of this process, without a ledger, and another queue.
        let other = Client::new(client.base_url().as_str()).unwrap();
        let queue = format!("{}-other", stage.queue);
        client.queue("default").pause().await.unwrap();
        let submission = other.submit(&workflow).queue(&queue).await.unwrap();
        let report = client.cleanup().everything().await.unwrap();
        client.queue("default").resume().await.unwrap();
        let item = Asset::Item { queue_id: queue, item_id: submission.item_ids()[0] };
        assert_eq!(report.why_kept(&Asset::Image(input)), Some(&KeptBecause::NeededBy(item)), "{report}");
        submission.job().unwrap().wait().timeout(DEADLINE).await.unwrap();
        clean(&other.cleanup().everything().await.unwrap());
        let report = client.cleanup().everything().await.unwrap();
        clean(&report);
        assert_eq!(report.deleted.len(), 1, "{report}");
    })
    .await;
}

#[tokio::test]
async fn only_boards_that_this_client_created_go() {
    on_stage(async |_, client| {
        let user = Client::new(client.base_url().as_str()).unwrap();
        let name = live::unique("precious");
        let mut theirs = BTreeSet::new();
        // More than the server shows on one page.
        for _ in 0..110 {
            theirs.insert(user.boards().create(&name).await.unwrap().board_id);
        }
        let ours = client.boards().create(&name).await.unwrap();
        assert_eq!(ours.board_name, name);
        let report = client.cleanup().everything().await.unwrap();
        clean(&report);
        assert_eq!(report.deleted, [Asset::Board(ours.board_id)]);
        let many = user.boards().find(&name).await.unwrap_err().to_string();
        assert!(many.contains("110"), "{many}");
        let report = user.cleanup().everything().await.unwrap();
        clean(&report);
        assert_eq!(report.deleted.len(), theirs.len());
    })
    .await;
}
