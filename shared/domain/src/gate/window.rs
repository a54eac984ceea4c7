//! The window gate: the windows and scheduled freezes of a profile.
//!
//! Times are local times of a time zone, so 09:00 stays 09:00 through daylight saving: an hour that the clock
//! skips does not exist, and one that it repeats counts both times.

use super::{Blocked, Gate, Wave};
use jiff::civil::{DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use std::collections::BTreeSet;

/// A weekly window in which waves may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Days on which it begins, from Monday = 1 to Sunday = 7; if empty, every day.
    pub days: BTreeSet<i8>,
    /// Its first moment.
    pub from: Time,
    /// Its exclusive end; if not after `from`, on the next day.
    pub to: Time,
}

/// A period in which no wave begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledFreeze {
    /// Its first moment.
    pub from: DateTime,
    /// Its exclusive end.
    pub to: DateTime,
    /// Reason.
    pub because: String,
}

/// Windows and scheduled freezes of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Windows {
    /// Time zone of all times.
    pub zone: TimeZone,
    /// Waves may begin in these windows; if empty, at any time.
    pub allowed: Vec<Window>,
    /// Waves may not begin in these periods.
    pub freezes: Vec<ScheduledFreeze>,
}

impl Default for Windows {
    fn default() -> Self {
        Self { zone: TimeZone::UTC, allowed: Vec::new(), freezes: Vec::new() }
    }
}

impl Window {
    fn holds(&self, at: &Zoned) -> bool {
        let (time, today) = (at.time(), self.is_of(at.weekday()));
        if self.from < self.to {
            return today && self.from <= time && time < self.to;
        }
        // A window over midnight belongs to the day on which it began.
        (today && self.from <= time) || (self.is_of(at.weekday().previous()) && time < self.to)
    }

    fn is_of(&self, day: Weekday) -> bool {
        self.days.is_empty() || self.days.contains(&day.to_monday_one_offset())
    }
}

impl Windows {
    /// Most windows, and most freezes, of a profile.
    pub const MAX: usize = 50;
    /// How many days ahead the next opening is searched.
    const DAYS_AHEAD: i64 = 370;

    /// Whether there are neither windows nor scheduled freezes.
    pub fn is_always_open(&self) -> bool {
        self.allowed.is_empty() && self.freezes.is_empty()
    }

    /// Why no wave may begin now; `None` if one may.
    pub fn blocked(&self, now: Timestamp) -> Option<Blocked> {
        let why = self.why_blocked(now)?;
        Some(Blocked { until: self.opens_after(now), ..Blocked::by(Gate::Window, why) })
    }

    fn why_blocked(&self, now: Timestamp) -> Option<String> {
        let at = now.to_zoned(self.zone.clone());
        let local = at.datetime();
        let zone = self.zone.iana_name().unwrap_or("UTC");
        if let Some(freeze) = self.freezes.iter().find(|f| f.from <= local && local < f.to) {
            return Some(format!("frozen until {} ({zone}): {}", freeze.to, freeze.because));
        }
        let outside = !self.allowed.is_empty() && !self.allowed.iter().any(|window| window.holds(&at));
        outside.then(|| format!("outside of the allowed windows ({zone})"))
    }

    /// The first time after `now` at which a wave may begin: the end of a scheduled freeze, or the begin of a window.
    fn opens_after(&self, now: Timestamp) -> Option<Timestamp> {
        let today = now.to_zoned(self.zone.clone()).date();
        let instant = |local: DateTime| Some(local.to_zoned(self.zone.clone()).ok()?.timestamp());
        let days = (0..Self::DAYS_AHEAD).filter_map(|day| today.checked_add(day.days()).ok());
        let begins = days.flat_map(|day| self.allowed.iter().map(move |window| day.to_datetime(window.from)));
        let ends = self.freezes.iter().map(|freeze| freeze.to);
        let moments: BTreeSet<Timestamp> = begins.chain(ends).filter_map(instant).collect();
        moments.into_iter().find(|at| *at > now && self.why_blocked(*at).is_none())
    }
}

/// The window or the scheduled freeze that keeps a wave from beginning.
pub(super) fn blocked(wave: &Wave<'_>) -> Vec<Blocked> {
    wave.facts.windows.blocked(wave.facts.now).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(days: &[i8], from: &str, to: &str) -> Window {
        Window { days: days.iter().copied().collect(), from: from.parse().unwrap(), to: to.parse().unwrap() }
    }

    fn berlin(allowed: Vec<Window>, freezes: &[(&str, &str)]) -> Windows {
        let freeze = |(from, to): &(&str, &str)| ScheduledFreeze {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            because: "holidays".into(),
        };
        Windows {
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            allowed,
            freezes: freezes.iter().map(freeze).collect(),
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn without_windows_and_freezes_it_is_always_open() {
        assert_eq!(Windows::default().blocked(at("2026-11-21T03:00:00Z")), None);
        assert!(Windows::default().is_always_open());
        assert!(!berlin(vec![window(&[], "09:00", "16:00")], &[]).is_always_open());
        assert!(!berlin(Vec::new(), &[("2026-12-20T00:00", "2026-12-21T00:00")]).is_always_open());
    }

    #[test]
    fn a_window_is_the_zones_own_clock_through_daylight_saving() {
        let office = berlin(vec![window(&[1, 2, 3, 4], "09:00", "16:00")], &[]);
        // A Monday in winter (+01) and one in summer (+02).
        for (open, early, late) in [
            ("2026-11-23T08:00:00Z", "2026-11-23T07:59:59Z", "2026-11-23T15:00:00Z"),
            ("2026-07-06T07:00:00Z", "2026-07-06T06:59:59Z", "2026-07-06T14:00:00Z"),
        ] {
            assert_eq!(office.blocked(at(open)), None, "{open}");
            assert_eq!(office.blocked(at(early)).unwrap().until, Some(at(open)), "{early}");
            assert!(office.blocked(at(late)).is_some(), "{late}");
        }
        // From Friday afternoon to Monday; the clock changes on Sunday.
        let friday = office.blocked(at("2026-10-23T12:00:00Z")).unwrap();
        assert_eq!(friday.until, Some(at("2026-10-26T08:00:00Z")));
        assert_eq!(friday.why, "outside of the allowed windows (Europe/Berlin)");
    }

    #[test]
    fn an_hour_that_the_clock_skips_does_not_exist_and_one_that_it_repeats_counts_twice() {
        let night = berlin(vec![window(&[], "02:00", "03:00")], &[]);
        // On 2026-03-29 the clock skips from 02:00 to 03:00, on 2026-10-25 it is set from 03:00 to 02:00.
        assert!(night.blocked(at("2026-03-29T01:00:00Z")).is_some());
        assert_eq!(
            night.blocked(at("2026-03-29T01:00:00Z")).unwrap().until,
            Some(at("2026-03-30T00:00:00Z"))
        );
        for open in ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"] {
            assert_eq!(night.blocked(at(open)), None, "{open}");
        }
        assert!(night.blocked(at("2026-10-25T02:00:00Z")).is_some());
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
        let night = berlin(vec![window(&[5], "22:00", "02:00")], &[]);
        for (when, open) in [
            ("2026-11-20T21:00:00Z", true),
            ("2026-11-21T00:59:59Z", true),
            ("2026-11-21T01:00:00Z", false),
            ("2026-11-19T21:30:00Z", false),
            ("2026-11-20T00:30:00Z", false),
        ] {
            assert_eq!(night.blocked(at(when)).is_none(), open, "{when}");
        }
        let whole_days = berlin(vec![window(&[6], "00:00", "00:00")], &[]);
        assert_eq!(whole_days.blocked(at("2026-11-21T22:59:59Z")), None);
        assert!(whole_days.blocked(at("2026-11-21T23:00:00Z")).is_some());
    }

    #[test]
    fn a_freeze_ends_to_the_second_and_behind_it_the_windows_count() {
        let frozen = [("2026-12-20T00:00", "2027-01-04T08:00")];
        let always = berlin(Vec::new(), &frozen);
        let shut = always.blocked(at("2026-12-24T12:00:00Z")).unwrap();
        assert_eq!(shut.until, Some(at("2027-01-04T07:00:00Z")));
        assert_eq!(shut.why, "frozen until 2027-01-04T08:00:00 (Europe/Berlin): holidays");
        assert_eq!(always.blocked(at("2027-01-04T07:00:00Z")), None);
        assert_eq!(always.blocked(at("2026-12-19T22:59:59Z")), None);
        let office = berlin(vec![window(&[1], "09:00", "16:00")], &frozen);
        let shut = office.blocked(at("2026-12-21T09:00:00Z")).unwrap();
        assert_eq!(shut.until, Some(at("2027-01-04T08:00:00Z")));
        let never = berlin(
            Vec::new(),
            &[("2026-01-01T00:00", "2026-12-31T00:00"), ("2026-12-31T00:00", "9999-01-01T00:00")],
        );
        assert!(never.blocked(at("2026-12-30T00:00:00Z")).is_some());
    }
}
