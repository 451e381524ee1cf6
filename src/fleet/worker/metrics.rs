//! What a worker counts, by the facade `metrics`: the program that runs it chooses where that goes.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const RESULTS: &str = "invokeai_fleet_results_total";
const LATE: &str = "invokeai_fleet_late_results_total";
const FAILURES: &str = "invokeai_fleet_failed_attempts_total";
const LOST: &str = "invokeai_fleet_lost_jobs_total";
const GIVEN_BACK: &str = "invokeai_fleet_given_back_jobs_total";
const STORE_ERRORS: &str = "invokeai_fleet_store_errors_total";
const RUNNING: &str = "invokeai_fleet_running_jobs";
const AVAILABLE: &str = "invokeai_fleet_server_available";
const SECONDS: &str = "invokeai_fleet_job_seconds";

/// Describes each metric.
pub(super) fn describe() {
    describe_counter!(RESULTS, "Results stored, by server");
    describe_counter!(LATE, "Results thrown away because there was one already, by server");
    describe_counter!(FAILURES, "Attempts that failed, by server");
    describe_counter!(LOST, "Jobs that were canceled or given to others while this worker had them, by server");
    describe_counter!(GIVEN_BACK, "Jobs of workers that said nothing any more, given to others by this worker");
    describe_counter!(STORE_ERRORS, "Calls of the store of jobs or of files that failed and were tried again");
    describe_gauge!(RUNNING, "Jobs that this worker has, by server");
    describe_gauge!(AVAILABLE, "1 if the server takes jobs, 0 if it is away or benched");
    describe_histogram!(SECONDS, Unit::Seconds, "From taking a job to its end, by server");
}

pub(super) fn result(server: &str) {
    counter!(RESULTS, "server" => server.to_owned()).increment(1);
}

pub(super) fn late(server: &str) {
    counter!(LATE, "server" => server.to_owned()).increment(1);
}

pub(super) fn failure(server: &str) {
    counter!(FAILURES, "server" => server.to_owned()).increment(1);
}

pub(super) fn lost(server: &str) {
    counter!(LOST, "server" => server.to_owned()).increment(1);
}

pub(super) fn given_back(jobs: u64) {
    counter!(GIVEN_BACK).increment(jobs);
}

pub(super) fn store_error() {
    counter!(STORE_ERRORS).increment(1);
}

pub(super) fn running(server: &str, jobs: usize) {
    gauge!(RUNNING, "server" => server.to_owned()).set(jobs as f64);
}

pub(super) fn available(server: &str, is: bool) {
    gauge!(AVAILABLE, "server" => server.to_owned()).set(if is { 1.0 } else { 0.0 });
}

pub(super) fn took(server: &str, time: Duration) {
    histogram!(SECONDS, "server" => server.to_owned()).record(time);
}
