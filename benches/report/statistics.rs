//! Medians, and how far they can be trusted.

use std::time::{Duration, Instant};

/// Median of the values, which this sorts.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value that this part of the values does not exceed.
pub(crate) fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1) as f64;
    values.get((last * part).round() as usize).copied().unwrap_or(f64::NAN)
}

/// Median of the values, one from each pair, and the bounds between which it lies with 95 % confidence.
///
/// The bounds are order statistics of the binomial distribution, so nothing is assumed about the distribution of the
/// values.
pub(crate) fn median_with_bounds(values: &mut [f64]) -> [f64; 3] {
    let middle = median(values);
    let count = values.len() as f64;
    let reach = 0.98 * count.sqrt();
    let at = |place: f64| values.get(place.clamp(0.0, count - 1.0) as usize).copied().unwrap_or(f64::NAN);
    [middle, at((count / 2.0 - reach).floor()), at((count / 2.0 + reach).ceil())]
}

/// Slope of the line through the logarithms of these points: 1 is linear growth.
pub(crate) fn exponent(points: &[(f64, f64)]) -> f64 {
    let points: Vec<_> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let slope: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    slope / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}

/// Seconds that a call takes: the median of as many as fit into a second, at least 5.
pub(crate) fn seconds<T>(mut call: impl FnMut() -> T) -> f64 {
    std::hint::black_box(call());
    let began = Instant::now();
    let mut taken = Vec::new();
    while taken.len() < 5 || (began.elapsed() < Duration::from_secs(1) && taken.len() < 100_000) {
        let start = Instant::now();
        std::hint::black_box(call());
        taken.push(start.elapsed().as_secs_f64());
    }
    median(&mut taken)
}

/// A time in the unit that suits it.
pub(crate) fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-6 => format!("{:.0} ns", s * 1e9),
        s if s < 1e-3 => format!("{:.1} us", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

/// Resident memory of this process in KiB, now and at most, and the seconds of processor time it has taken. Linux only.
pub(crate) fn usage() -> crate::Result<(u64, u64, f64)> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kib = |name: &str| -> crate::Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("not in the status")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    };
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name of the program, in parentheses, may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')').ok_or("no name")?.1.split_whitespace().collect();
    let ticks = fields.get(11).ok_or("no utime")?.parse::<f64>()? + fields.get(12).ok_or("no stime")?.parse::<f64>()?;
    // Linux counts in hundredths of a second on every machine.
    Ok((kib("VmRSS:")?, kib("VmHWM:")?, ticks / 100.0))
}
