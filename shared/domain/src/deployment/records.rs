//! The weighted DNS record of a region, which gets no traffic while its stack is updated.

/// A weighted record of Route 53: one of several of the same name and type, one for each region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightedRecord {
    /// The id of the hosted zone.
    pub zone: String,
    /// The name, such as `orders.example.com`.
    pub name: String,
    /// `A`, `AAAA` or `CNAME`.
    pub record_type: String,
    /// The set identifier, such as `eu-central-1`.
    pub set_identifier: String,
    /// The weight at which the region gets its whole share, from 1 to 255.
    pub weight: u8,
}

impl WeightedRecord {
    /// The weight of this share, in percent: at least 1, as long as the share is any.
    pub fn at(&self, percent: u8) -> u8 {
        let weight = (u16::from(self.weight) * u16::from(percent.min(100))).div_ceil(100);
        u8::try_from(weight).unwrap_or(self.weight)
    }
}

impl std::fmt::Display for WeightedRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { zone, name, record_type, set_identifier, .. } = self;
        write!(f, "{name} {record_type} {set_identifier} in {zone}")
    }
}

/// A weighted record as Route 53 has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordSeen {
    /// Its weight.
    pub weight: u8,
    /// How long resolvers keep it, in seconds. Route 53 answers for an alias with 60.
    pub ttl_s: u32,
    /// The sum of the weights of the other records of its name and type.
    pub others: u64,
}

/// How far the drain of a region has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drain {
    /// The weight that the record had before: 0 if a rollout that failed has drained the region.
    pub before: u8,
    /// The change of the record, if this deployment made one.
    pub change: Option<String>,
    /// How long resolvers keep the record, in seconds.
    pub ttl_s: u32,
    /// When all name servers were first seen to have the change.
    pub synced_at: Option<jiff::Timestamp>,
    /// Whether the region was drained as long as that: its stack may be updated.
    pub is_over: bool,
    /// The weight that the record was given last.
    pub weight: u8,
    /// The weight that it was to be given last: a call may have had its effect without an answer.
    pub wanted: u8,
    /// Whether the weight was set back a second time, long enough after the first.
    pub is_confirmed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_part_of_the_whole_weight_and_never_nothing() {
        let of = |weight, percent| {
            let (zone, name, record_type) = ("Z1".into(), "a.example.com".into(), "A".into());
            WeightedRecord { zone, name, record_type, set_identifier: "x".into(), weight }.at(percent)
        };
        assert_eq!([0, 1, 10, 50, 99, 100].map(|percent| of(100, percent)), [0, 1, 10, 50, 99, 100]);
        assert_eq!([0, 1, 50, 100].map(|percent| of(1, percent)), [0, 1, 1, 1]);
        assert_eq!([1, 50, 100].map(|percent| of(255, percent)), [3, 128, 255]);
    }
}
