//! Futures that are dropped before they end.

use std::{path::Path, pin::Pin, task::Poll, time::Duration};

/// Polls a future at most `polls` times, and drops it after `hold`. `None` if it has not ended.
pub(crate) async fn polled<T>(
    polls: usize,
    hold: Duration,
    mut future: Pin<Box<dyn Future<Output = T> + Send + '_>>,
) -> Option<T> {
    let mut left = polls;
    let end = std::future::poll_fn(|context| {
        if left > 0 {
            left -= 1;
            if let Poll::Ready(end) = future.as_mut().poll(context) {
                return Poll::Ready(Some(end));
            }
        }
        if left == 0 { Poll::Ready(None) } else { Poll::Pending }
    })
    .await;
    if end.is_none() && !hold.is_zero() {
        tokio::time::sleep(hold).await;
    }
    end
}

pub(crate) fn names_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Waits until no unfinished file is left. Parts are removed where their writer ends, a moment after a future was
/// dropped.
pub(crate) async fn without_parts(directory: &Path) -> Vec<String> {
    for _ in 0..500 {
        let names = names_in(directory);
        if !names.iter().any(|name| name.ends_with(".part")) {
            return names;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("left behind: {:?}", names_in(directory));
}
