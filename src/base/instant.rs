//! Times as ISO 8601 writes them, without a library for calendars: this crate only compares them.

use std::{fmt, time::Duration};

const SECOND: i128 = 1_000_000_000;
const DAY: i64 = 86_400;

/// Nanoseconds since 1970, in UTC. Of the years -9999 to 9999, but for a day at either end, in which the year depends
/// on the zone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Instant(i128);

impl Instant {
    /// Reads a date, with or without a time and an offset. Without an offset, UTC is meant.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut rest = Rest(text.as_bytes());
        let days = rest.date()?;
        let (mut seconds, mut nanos) = (days.checked_mul(DAY)?, 0);
        if rest.takes(b" Tt") {
            let (time, fraction) = rest.time()?;
            seconds = seconds + time - rest.offset()?;
            nanos = fraction;
        }
        if !rest.0.is_empty() {
            return None;
        }
        Self::new(seconds, nanos)
    }

    pub(crate) fn from_seconds(seconds: i64) -> Option<Self> {
        Self::new(seconds, 0)
    }

    fn new(seconds: i64, nanos: i64) -> Option<Self> {
        (-377_705_023_201..=253_402_207_200)
            .contains(&seconds)
            .then(|| Self(i128::from(seconds) * SECOND + i128::from(nanos)))
    }

    pub(crate) fn millis(self) -> i64 {
        i64::try_from(self.0 / 1_000_000).unwrap_or_default()
    }

    /// How far from 1970 it is, in either direction.
    pub(crate) fn distance(self) -> Duration {
        let nanos = self.0.unsigned_abs();
        let part = |nanos: u128| u64::try_from(nanos).unwrap_or_default();
        Duration::from_secs(part(nanos / SECOND.unsigned_abs()))
            + Duration::from_nanos(part(nanos % SECOND.unsigned_abs()))
    }

    pub(crate) fn is_before_1970(self) -> bool {
        self.0 < 0
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0.div_euclid(SECOND)).unwrap_or_default();
        let (year, month, day) = date_of(seconds.div_euclid(DAY));
        let time = seconds.rem_euclid(DAY);
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        let sign = if year < 0 { "-00" } else { "" };
        write!(f, "{sign}{:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}", year.abs())?;
        match self.0.rem_euclid(SECOND) {
            0 => f.write_str("Z"),
            nanos => write!(f, ".{}Z", format!("{nanos:09}").trim_end_matches('0')),
        }
    }
}

/// What is not yet read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn takes(&mut self, any: &[u8]) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if any.contains(first) => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// This many digits, as a number that is at most this one.
    fn number(&mut self, digits: usize, most: i64) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number_of(number).filter(|number| *number <= most)
    }

    /// Days since 1970.
    fn date(&mut self) -> Option<i64> {
        let year = match self.0.first() {
            Some(sign @ (b'+' | b'-')) => {
                self.0 = self.0.get(1..)?;
                let year = self.number(6, 9999)?;
                match sign {
                    b'-' if year == 0 => return None,
                    b'-' => -year,
                    _ => year,
                }
            }
            _ => self.number(4, 9999)?,
        };
        let is_extended = self.takes(b"-");
        let month = self.number(2, 12)?;
        if self.takes(b"-") != is_extended {
            return None;
        }
        let day = self.number(2, 31)?;
        let days = days_to(year, month, day);
        (date_of(days) == (year, month, day)).then_some(days)
    }

    /// Seconds of the day, and nanoseconds.
    fn time(&mut self) -> Option<(i64, i64)> {
        let hour = self.number(2, 23)?;
        let is_extended = self.0.starts_with(b":");
        if !self.goes_on(is_extended) {
            return Some((hour * 3600, 0));
        }
        let minute = self.number(2, 59)?;
        if !self.goes_on(is_extended) {
            return Some((hour * 3600 + minute * 60, 0));
        }
        // A leap second counts as the one before it.
        let second = self.number(2, 60)?.min(59);
        let mut nanos = 0;
        if self.takes(b".,") {
            let digits = self.0.iter().take(9).take_while(|byte| byte.is_ascii_digit()).count();
            let fraction = self.number(digits, i64::MAX)?;
            nanos = fraction * 10_i64.pow(u32::try_from(9 - digits).ok()?);
        }
        Some((hour * 3600 + minute * 60 + second, nanos))
    }

    /// Seconds by which the clock is ahead of UTC.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.0.first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => {
                self.takes(b"Zz");
                return Some(0);
            }
        };
        self.0 = self.0.get(1..)?;
        let mut offset = self.number(2, 25)? * 3600;
        let is_extended = self.0.starts_with(b":");
        if self.goes_on(is_extended) {
            offset += self.number(2, 59)? * 60;
            if self.goes_on(is_extended) {
                offset += self.number(2, 59)?;
            }
        }
        Some(sign * offset)
    }

    /// Whether another two digits follow, after a colon if there was one before.
    fn goes_on(&mut self, is_extended: bool) -> bool {
        match is_extended {
            true => self.takes(b":"),
            false => self.0.get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_digit)),
        }
    }
}

fn number_of(digits: &[u8]) -> Option<i64> {
    (!digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
        .then(|| digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

/// Days from 1970 to a date of the Gregorian calendar. Years begin in March here, so that the day that only some of
/// them have is their last: <https://howardhinnant.github.io/date_algorithms.html>.
fn days_to(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year * 365 + year / 4 - year / 100 + day - 719_468
}

/// Year, month and day.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, date)
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use jiff::{civil::DateTime, tz::TimeZone};
    use proptest::prelude::*;

    use super::*;

    /// As a library for calendars reads it.
    fn peer(text: &str) -> Option<jiff::Timestamp> {
        if let Ok(instant) = text.parse() {
            return Some(instant);
        }
        DateTime::from_str(text).ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    }

    fn compare(text: &str) -> bool {
        let (here, there) = (Instant::read(text), peer(text));
        assert_eq!(here.map(Instant::millis), there.map(jiff::Timestamp::as_millisecond), "{text}");
        assert_eq!(here.map(|here| here.0), there.map(jiff::Timestamp::as_nanosecond), "{text}");
        assert_eq!(here.map(|here| format!("{here:?}")), there.map(|there| format!("{there:?}")), "{text}");
        if let (Some(here), Some(there)) = (here, there) {
            assert_eq!(here.distance(), there.as_duration().unsigned_abs(), "{text}");
            assert_eq!(here.is_before_1970(), there.as_duration().is_negative(), "{text}");
        }
        here.is_some()
    }

    #[test]
    fn every_day_is_read_and_written_as_by_another_implementation() {
        for days in (-4_371_580..2_932_890).step_by(13) {
            let (year, month, day) = date_of(days);
            assert_eq!(days_to(year, month, day), days);
            assert!(compare(&format!("{:?}", Instant::from_seconds(days * DAY).unwrap())));
        }
    }

    #[test]
    fn forms_are_read_as_by_another_implementation() {
        for text in [
            "2026-11-22 17:04:40.063",
            "2026-11-22T17:04:40.063093Z",
            "2026-11-22t17:04:40,5z",
            "2026-11-22T17:04:40.063461+00:00",
            "2026-11-22T19:04:40+0200",
            "2026-11-22T19:04:40-02:30:15",
            "20261122T190440.1+02",
            "2026-11-22",
            "20261122",
            "2026-11-22 17",
            "2026-11-22 17:04",
            "2026-11-22 1704",
            "2024-02-29",
            "2016-12-31T23:59:60Z",
            "-000001-01-01T00:00:00Z",
            "+002026-01-01T00:00:00.000000001Z",
            "1969-12-31 23:59:59.9999999",
        ] {
            assert!(compare(text), "{text}");
        }
        for text in [
            "",
            "2026",
            "2026-11",
            "2026-11-22 ",
            "2026-11-22T",
            "2026-11-22T17:",
            "2026-11-22T17:04:",
            "2026-11-22T17:04:40.",
            "2026-11-22T17:04:40.1234567890",
            "2026-11-22T17:04:40+",
            "2026-11-22T17:04:40+26",
            "2026-11-22T17:04:40+02:",
            "2026-11-2217:04:40",
            "2026-11-22Z",
            "2026-1122",
            "202611-22",
            "2026-02-29",
            "2026-04-31",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "2026-01-01 24:00:00",
            "2026-01-01 00:00:61",
            "-000000-01-01",
            "-009999-01-01",
            "9999-12-31T23:59:59",
            "２０２６-01-01",
            "2026-01-0１",
        ] {
            assert!(!compare(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nearly_times_are_read_as_by_another_implementation(
            text in "([+-]00)?[0-9]{4}-?[01][0-9]-?[0-3][0-9]([ Tt][0-2][0-9](:?[0-6][0-9](:?[0-6][0-9]([.,][0-9]{0,10})?)?)?)?([Zz]|[+-][0-2][0-9](:?[0-6][0-9](:?[0-6][0-9])?)?)?[0-9 :Z-]?",
        ) {
            compare(&text);
        }
    }
}
