//! Things that a workflow names and a server does not have.

use super::models::shown_title;
use super::problem::{Problem, ProblemKind, ProblemSource};
use super::references::Reference;
use super::working_copy::Workflow;
use crate::schema::ModelRecord;

impl Workflow {
    /// Every model, image, video and board that the workflow names and a server does not have, as problems: the run
    /// would fail. The editor does not check this. Fields that an edge feeds are left out.
    ///
    /// `installed` has the server's models (`GET /api/v2/models/`). `is_there` is asked about images, videos and
    /// boards.
    pub fn problems_on(&self, installed: &[ModelRecord], mut is_there: impl FnMut(&Reference) -> bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        let wiring = self.wiring();
        let mut push = |kind, node_id: &str, field: String, message| {
            let node = Some(wiring.node_ref(node_id, self.catalog()));
            problems.push(Problem { kind, source: ProblemSource::Client, node, field: Some(field), message });
        };
        for missing in self.resolve_models(installed).missing {
            let Some(wanted) = missing.usage.wanted else { continue };
            let name = [Some(wanted.name).filter(|name| !name.is_empty()), wanted.key].into_iter().flatten().next();
            let name = name.unwrap_or_default();
            let title = missing.usage.title;
            let fitting: Vec<&str> = missing.fitting.iter().map(|model| model.name.as_str()).collect();
            let instead = match fitting[..] {
                [] => "no other installed model would fit".to_owned(),
                _ => format!("these would fit: {}", fitting.join(", ")),
            };
            let message = format!("{title}: the model {name} is not on this server; {instead}");
            push(ProblemKind::MissingModel, &missing.usage.node_id, missing.usage.field, message);
        }
        for referring in self.referring() {
            let place = wiring.place(&referring.node_id);
            if place.is_some_and(|place| wiring.is_connected(place, &referring.field)) {
                continue;
            }
            for reference in referring.references {
                let kind = match &reference {
                    Reference::Image(_) => ProblemKind::MissingImage,
                    Reference::Video(_) => ProblemKind::MissingVideo,
                    Reference::Board(_) => ProblemKind::MissingBoard,
                    Reference::Model(_) => continue,
                };
                if is_there(&reference) {
                    continue;
                }
                let title = self.title_of(&referring.node_id, &referring.field);
                let message = format!("{title}: the {reference} is not on this server");
                push(kind, &referring.node_id, referring.field.clone(), message);
            }
        }
        problems
    }

    /// `{node} -> {field}`, with labels where there are any.
    fn title_of(&self, node_id: &str, field: &str) -> String {
        let node = self.document().nodes.iter().find(|node| node.id == node_id).and_then(|node| node.invocation());
        let template = node.and_then(|node| self.catalog().get(&node.node_type));
        let input = node.and_then(|node| node.template_of(template?, field));
        let stored = node.and_then(|node| node.inputs.get(field));
        match (node, stored, input) {
            (Some(node), Some(stored), Some(input)) => {
                format!("{} -> {}", node.title(template), shown_title(stored, input))
            }
            _ => format!("{node_id}.{field}"),
        }
    }
}
