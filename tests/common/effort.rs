//! Whether work grows linearly, by the processor time of the thread that does it: other work on the machine hardly
//! changes that, unlike the time by the clock.

use std::time::{Duration, Instant};

/// The small piece of work is done for so long for one measurement: the system counts in milliseconds.
const LONG: Duration = Duration::from_millis(80);
/// How often both are measured before the growth is believed.
const ATTEMPTS: usize = 4;

/// Fails if a piece of work that is `factor` times as large as another takes more than `most` times its share of the
/// processor: for linear work, that is about 1, for quadratic work about `factor`.
///
/// What takes too long is measured again, because the machine may have been the reason; the code is so every time.
pub(crate) fn assert_growth(what: &str, size: usize, factor: usize, most: f64, small: impl Fn(), large: impl Fn()) {
    let mut measured = Vec::new();
    for _ in 0..ATTEMPTS {
        let (began, mut times) = (Instant::now(), 0);
        let all_small = taken(|| {
            while times == 0 || began.elapsed() < LONG {
                small();
                times += 1;
            }
        });
        let (of_small, of_large) = (all_small / times, taken(&large));
        let growth = of_large.as_secs_f64() / (of_small.as_secs_f64() * factor as f64);
        println!("{what}: {of_small:?} for {size}, {of_large:?} for {}: {growth:.2} times the share", size * factor);
        measured.push(growth);
        if growth < most {
            return;
        }
    }
    panic!("{what}: {} takes {measured:.2?} times its share of the time for {size}", size * factor);
}

/// The processor time that this thread takes; where the system does not tell it in this way, the time by the clock.
fn taken(work: impl FnOnce()) -> Duration {
    let (processor, clock) = (processor(), Instant::now());
    work();
    match (processor, self::processor()) {
        (Some(before), Some(after)) if after > before => after - before,
        _ => clock.elapsed(),
    }
}

/// The processor time of this thread so far. Linux only; exact to some milliseconds.
fn processor() -> Option<Duration> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(told.split_whitespace().next()?.parse().ok()?))
}
