//! Quiet hours: wall time in somebody's time zone.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use crate::config::notify::QuietHours;

/// Why these hours cannot be understood, if they cannot.
pub(super) fn check(hours: &QuietHours) -> Result<(), String> {
    for text in [&hours.from, &hours.to] {
        time(text).ok_or_else(|| format!("quiet hours: {text:?} is not a time such as 22:00"))?;
    }
    TimeZone::get(&hours.zone).map(drop).map_err(|_| {
        format!("quiet hours: the hub's machine knows no time zone {:?}, such as Europe/Berlin", hours.zone)
    })
}

/// Whether it is quiet at that time; hours that cannot be understood silence nothing.
pub(super) fn at(hours: Option<&QuietHours>, now: i64) -> bool {
    hours.is_some_and(|hours| is_quiet(hours, now).unwrap_or(false))
}

fn is_quiet(hours: &QuietHours, now: i64) -> Option<bool> {
    let (from, to) = (time(&hours.from)?, time(&hours.to)?);
    let zone = TimeZone::get(&hours.zone).ok()?;
    let now = Timestamp::from_millisecond(now).ok()?.to_zoned(zone).time();
    Some(if from <= to { from <= now && now < to } else { from <= now || now < to })
}

fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let two = |text: &str| (text.len() == 2).then(|| text.parse().ok()).flatten();
    Time::new(two(hour)?, two(minute)?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(from: &str, to: &str, zone: &str) -> QuietHours {
        QuietHours { from: from.into(), to: to.into(), zone: zone.into() }
    }

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn the_night_goes_over_midnight_in_its_own_zone() {
        let night = hours("22:00", "07:00", "Europe/Berlin");
        for (at, quiet) in [
            ("2026-01-10T20:59:59Z", false),
            ("2026-01-10T21:00:00Z", true),
            ("2026-01-11T05:59:59Z", true),
            ("2026-01-11T06:00:00Z", false),
            // In summer the same hours begin an hour earlier.
            ("2026-07-10T20:00:00Z", true),
            ("2026-07-11T05:00:00Z", false),
        ] {
            assert_eq!(at_is(&night, at), quiet, "{at}");
        }
    }

    fn at_is(hours: &QuietHours, text: &str) -> bool {
        at(Some(hours), ms(text))
    }

    #[test]
    fn hours_within_a_day_and_no_hours_at_all() {
        let noon = hours("12:00", "13:00", "UTC");
        assert!(at_is(&noon, "2026-01-10T12:30:00Z") && !at_is(&noon, "2026-01-10T13:00:00Z"));
        assert!(!at_is(&hours("12:00", "12:00", "UTC"), "2026-01-10T12:00:00Z"));
        assert!(!at(None, 0));
    }

    #[test]
    fn nonsense_is_named() {
        for (hours, part) in [
            (hours("25:00", "07:00", "UTC"), "25:00"),
            (hours("22:00", "7", "UTC"), "\"7\""),
            (hours("22:00", "07:00", "Mars/Base"), "Mars/Base"),
        ] {
            assert!(check(&hours).unwrap_err().contains(part));
        }
    }
}
