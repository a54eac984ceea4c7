//! What may be done with the weighted record of a region, by what was seen of it.

use super::records::{Drain, RecordSeen, WeightedRecord};
use crate::cause::Cause;
use crate::code::Code;

/// The longest TTL that a drain waits for, in seconds: an hour.
const TTL_S_MAX: u32 = 3_600;

impl WeightedRecord {
    /// Checks that the region may be drained: its record has the weight of the profile, another region has traffic, and the TTL is not too
    /// long. A region that a rollout has left without traffic may have the weight 0, even if no other region has traffic.
    ///
    /// # Errors
    /// [`Code::RecordUnexpected`] as a cause.
    pub fn check_before_drain(&self, seen: &RecordSeen, was_drained: bool) -> Result<(), Cause> {
        let was_left = seen.weight == 0 && was_drained;
        if seen.weight != self.weight && !was_left {
            return Err(self.other_weight(seen.weight));
        }
        if seen.others == 0 && !was_left {
            return Err(self.last_region());
        }
        if seen.ttl_s > TTL_S_MAX {
            let what = format!(
                "the record {self} has a TTL of {} seconds, which each drain would wait for",
                seen.ttl_s
            );
            return Err(unexpected(what, "give it a TTL of an hour at most, such as 60 seconds"));
        }
        Ok(())
    }

    /// Checks that the record has the weight 0 after the drain, and that another region still has traffic: others may have been drained at
    /// the same time.
    ///
    /// # Errors
    /// [`Code::RecordUnexpected`] as a cause.
    pub fn check_drained(&self, seen: &RecordSeen) -> Result<(), Cause> {
        match seen {
            RecordSeen { weight: 0, others: 0, .. } => Err(self.last_region()),
            RecordSeen { weight: 0, .. } => Ok(()),
            RecordSeen { weight, .. } => Err(self.other_weight(*weight)),
        }
    }

    /// The weight that the record is to be given for this share, in percent; `None` if it has it.
    ///
    /// # Errors
    /// [`Code::RecordUnexpected`] as a cause: the record has another weight than it was given last, so it was changed outside of Flotilla.
    pub fn next_weight(&self, seen: u8, percent: u8, drain: Option<&Drain>) -> Result<Option<u8>, Cause> {
        let wanted = self.at(percent);
        if seen == wanted {
            return Ok(None);
        }
        let (given, wanted_last) = drain.map_or((0, 0), |drain| (drain.weight, drain.wanted));
        if seen != given && seen != wanted_last {
            let what = format!("the record {self} has the weight {seen}, and was given {given}");
            let fix = "find out who changed it, give it the weight of the profile's traffic, then retry the rollout";
            return Err(unexpected(what, fix));
        }
        Ok(Some(wanted))
    }

    /// The cause that there is no such record.
    pub fn not_found(&self) -> Cause {
        let fix = "create it with this set identifier and the weight of the profile's traffic";
        unexpected(format!("there is no weighted record {self}"), fix)
    }

    fn last_region(&self) -> Cause {
        let what =
            format!("no other region has traffic: all other records of {} have the weight 0", self.name);
        let fix =
            "give another region its traffic back first: flotilla status shows where a rollout has failed";
        unexpected(what, fix)
    }

    fn other_weight(&self, seen: u8) -> Cause {
        let what = format!("the record {self} has the weight {seen}, and the profile says {}", self.weight);
        unexpected(what, "give it that weight, or change weight in the profile's traffic")
    }
}

fn unexpected(what: String, fix: &str) -> Cause {
    Cause::new(Code::RecordUnexpected, what, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> WeightedRecord {
        let (zone, name, record_type) = ("Z1".into(), "a.example.com".into(), "A".into());
        WeightedRecord { zone, name, record_type, set_identifier: "x".into(), weight: 100 }
    }

    fn seen(weight: u8, others: u64) -> RecordSeen {
        RecordSeen { weight, ttl_s: 60, others }
    }

    #[test]
    fn a_region_is_drained_only_from_its_own_weight_and_never_as_the_last() {
        let may = |seen, was_drained| record().check_before_drain(&seen, was_drained).is_ok();
        assert!(may(seen(100, 1), false));
        assert!(!may(seen(50, 100), false), "another weight");
        assert!(!may(seen(100, 0), false), "the last region");
        assert!(!may(seen(0, 100), false), "an operator has drained it");
        assert!(may(seen(0, 100), true) && may(seen(0, 0), true), "a rollout has drained it");
        assert!(!may(seen(100, 0), true), "it has its traffic back, and is the last");
        assert!(may(RecordSeen { ttl_s: 3_600, ..seen(100, 1) }, false));
        assert!(!may(RecordSeen { ttl_s: 3_601, ..seen(100, 1) }, false), "each drain would wait for it");
    }

    #[test]
    fn a_drain_holds_only_while_another_region_has_traffic() {
        let holds = |seen| record().check_drained(&seen).is_ok();
        assert_eq!([seen(0, 1), seen(0, 0), seen(1, 1)].map(holds), [true, false, false]);
    }

    #[test]
    fn a_weight_changes_only_from_one_that_was_given() {
        let drain = Drain { weight: 10, wanted: 50, ..Drain::default() };
        let next = |seen| record().next_weight(seen, 60, Some(&drain)).ok();
        assert_eq!(next(60), Some(None), "it has it");
        assert_eq!([next(10), next(50)], [Some(Some(60)); 2], "the last one, or one whose answer was lost");
        assert_eq!(next(0), None, "another actor has drained it");
        assert_eq!(record().next_weight(0, 100, None).ok(), Some(Some(100)), "as a rollout before left it");
    }
}
