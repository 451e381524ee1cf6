//! The progress of a run: one bar over all items on a terminal, a line for each node elsewhere.

use std::time::{Duration, Instant};

use invokeai_client::{
    Job, Submission,
    events::{Event, EventItem},
    progress::Progress,
};

use crate::print::{Bar, Text, is_quiet, note};

pub(super) struct Display {
    bar: Option<Bar>,
    lines: bool,
    /// The text that was printed last.
    said: String,
    ended: u64,
    requested: u64,
    started: Instant,
    /// The items known so far, by id.
    jobs: Vec<Job>,
}

impl Display {
    pub(super) fn new(json: bool, submission: &Submission) -> Self {
        let bar = if json { None } else { Bar::new() };
        let mut display = Self {
            lines: bar.is_none() && !json && !is_quiet(),
            bar,
            said: String::new(),
            ended: 0,
            requested: submission.requested(),
            started: Instant::now(),
            jobs: Vec::new(),
        };
        display.show(0.0, "waiting");
        display
    }

    /// The bar, for code that prints while it is shown.
    pub(super) fn bar(&self) -> Option<&Bar> {
        self.bar.as_ref()
    }

    /// Takes an event of the batch into account.
    pub(super) fn take(&mut self, submission: &Submission, item: &EventItem) {
        let EventItem::Event(event) = item else { return };
        if let (true, Some(id)) = (self.bar.is_some() || self.lines, event.item_id())
            && let Some(progress) = self.progress(submission, id)
        {
            self.show_item(id, event, &progress);
        }
    }

    fn progress(&mut self, submission: &Submission, id: i64) -> Option<Progress> {
        // Parts of a large batch are added while it runs.
        if submission.enqueued() != self.jobs.len() as u64 {
            self.jobs = submission.jobs();
        }
        let at = self.jobs.binary_search_by_key(&id, Job::item_id).ok()?;
        Some(self.jobs[at].progress())
    }

    fn show_item(&mut self, id: i64, event: &Event, progress: &Progress) {
        // An event of an item may still come a moment after its end.
        if progress.is_finished() || !event.is_progress() && event.invocation().is_none() && event.status().is_none() {
            return;
        }
        let node = progress.node.as_ref().map(|node| node.name().to_owned());
        let doing = node.unwrap_or_else(|| progress.status.to_string());
        if self.lines {
            let line = format!("item {id}: {}/{} {doing}", progress.nodes_done, progress.nodes_total);
            if self.said != line {
                note(line.clone());
                self.said = line;
            }
            return;
        }
        let doing = match &progress.message {
            Some(message) => format!("item {id}: {doing}: {message}"),
            None => format!("item {id}: {doing}"),
        };
        self.show(progress.fraction(), &doing);
    }

    /// Takes note that an item has ended.
    pub(super) fn ended(&mut self) {
        self.ended = self.ended.saturating_add(1);
        self.show(0.0, "");
    }

    fn show(&mut self, part: f64, doing: &str) {
        if let Some(bar) = &self.bar {
            let all = self.requested.max(1) as f64;
            let pace = pace(self.ended, self.requested, self.started.elapsed());
            let prefix = format!("{} of {}{pace}", self.ended, self.requested);
            bar.show(&prefix, ((self.ended as f64 + part) / all).clamp(0.0, 1.0), doing);
        }
    }

    /// Prints a note while the bar is shown.
    pub(super) fn note(&self, text: impl Into<Text>) {
        match &self.bar {
            Some(bar) => bar.without(|| note(text)),
            None => note(text),
        }
    }
}

/// How fast items end, and how long the rest takes at that rate.
fn pace(ended: u64, requested: u64, elapsed: Duration) -> String {
    if ended == 0 || requested < 2 {
        return String::new();
    }
    let each = elapsed.as_secs_f64() / ended as f64;
    let left = each * requested.saturating_sub(ended) as f64;
    let rate = if each < 60.0 { format!("{:.1}/min", 60.0 / each) } else { format!("{:.1}/h", 3600.0 / each) };
    let left = match left as u64 {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{:.1} h", seconds as f64 / 3600.0),
    };
    format!(", {rate}, {left} left")
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_and_the_time_left_are_told_once_there_is_one() {
        let of = |ended, requested, seconds| pace(ended, requested, Duration::from_secs(seconds));
        assert_eq!(of(0, 10, 5), "");
        assert_eq!(of(1, 1, 5), "");
        assert_eq!(of(5, 10, 10), ", 30.0/min, 10 s left");
        assert_eq!(of(10, 1000, 60), ", 10.0/min, 99 min left".replace("99 min", "1.6 h"));
        assert_eq!(of(1, 3, 120), ", 30.0/h, 4 min left");
    }
}
