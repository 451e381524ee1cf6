//! Which execution runs next: all of one class, then those of the next class in the order of the class names.

use super::Session;
use super::execution::State;

impl Session {
    /// Takes the next execution that can run.
    pub(super) fn next_ready(&mut self) -> Option<usize> {
        loop {
            if let Some(active) = self.active.take() {
                let next = self.ready.get_mut(&active).and_then(|queue| queue.pop_front());
                if next.is_some() {
                    self.active = Some(active);
                    return next;
                }
            }
            let waiting = self.ready.iter().find(|(_, queue)| !queue.is_empty());
            self.active = Some(waiting?.0.clone());
        }
    }

    /// Queues an execution, by its iteration, if it has all its inputs.
    pub(super) fn enqueue_if_ready(&mut self, index: usize) {
        let execution = &self.executions[index];
        if execution.state != State::Pending || execution.waiting_for > 0 || self.waits_for_branch(index) {
            return;
        }
        let class = self.graph.class(&execution.source_id).map(|class| class.name.clone()).unwrap_or_default();
        let queue = self.ready.entry(class).or_default();
        let place = queue.iter().position(|&other| self.executions[other].path > execution.path);
        queue.insert(place.unwrap_or(queue.len()), index);
        self.executions[index].state = State::Ready;
    }

    pub(super) fn unready(&mut self, index: usize) {
        for queue in self.ready.values_mut() {
            queue.retain(|&other| other != index);
        }
    }

    /// Whether an execution has run or will not.
    pub(super) fn is_executed(&self, index: usize) -> bool {
        matches!(self.executions[index].state, State::Executed | State::Skipped)
    }

    /// Records that a node is done if all its executions are.
    pub(super) fn finish_source(&mut self, index: usize) {
        let source_id = self.executions[index].source_id.clone();
        let done = self.prepared.get(&source_id).is_some_and(|all| all.iter().all(|&index| self.is_executed(index)));
        if done && self.executed.insert(source_id.clone()) {
            self.history.push(source_id);
        }
    }

    /// Notifies those that waited for this execution.
    pub(super) fn release_children(&mut self, index: usize) {
        for child in self.executions[index].children.clone() {
            let waiting_for = &mut self.executions[child].waiting_for;
            *waiting_for = waiting_for.saturating_sub(1);
            self.resolve_branch(child);
            self.enqueue_if_ready(child);
        }
    }
}
