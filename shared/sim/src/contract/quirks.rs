//! Known differences from AWS, each by name.

use std::collections::BTreeSet;

/// A way in which an implementation is known to differ from AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quirk {
    /// Items may be larger than 400 KB.
    ItemsHaveNoLimit,
    /// Objects without a proven SHA-256 cannot be had.
    EveryObjectIsProven,
    /// `CopyObject` computes no checksum: the copy of an object without a SHA-256 has none either.
    CopiesStayUnproven,
    /// `UploadPartCopy` computes no checksum.
    PartsHaveNoDigest,
    /// What buckets of previews hold is not kept: emptying them means nothing.
    BucketsAreNotKept,
    /// `ExpectedBucketOwner` is ignored.
    BucketOwnersAreNotChecked,
    /// There are no change sets that are taken and fail later for another reason than emptiness.
    PlansDoNotFail,
    /// `IncludePropertyValues` is ignored: a change set names the properties that change, without values.
    PropertyValuesAreNotTold,
    /// The tags of a stack do not come back.
    StackTagsAreLost,
    /// A second change set of type CREATE makes another stack of the same name, with another id.
    ReviewedStackIsReplaced,
    /// A change set of type CREATE for a stack that lives counts as a repetition.
    CreateOverLivingStackIsTaken,
    /// A change set can be made for a stack whose first creation was rolled back.
    RolledBackStackIsUpdated,
    /// A change set can be made while an operation runs.
    RunningStackIsUpdated,
    /// That an operation runs is a refusal for good, not for now.
    RunningStackRefusesForGood,
    /// A stack's events do not tell how an operation ended.
    EventsLackTheEnd,
    /// A resource that could not be created is told as `UPDATE_FAILED`.
    FailedCreationIsToldAsUpdate,
    /// Nothing is told of a stack that is gone.
    EventsOfTheGoneAreLost,
    /// A stack that never was answers with no events instead of an error.
    UnknownStackHasEvents,
}

/// The quirks of one implementation; none is AWS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quirks(BTreeSet<Quirk>);

impl Quirks {
    /// These.
    pub fn of(quirks: impl IntoIterator<Item = Quirk>) -> Self {
        Self(quirks.into_iter().collect())
    }

    /// Whether one is known. For what cannot be told to be as on AWS or not; else [`Quirks::check`].
    pub fn have(&self, quirk: Quirk) -> bool {
        self.0.contains(&quirk)
    }

    /// Checks that it is as on AWS or, where the quirk is known, that it still is not: a quirk that is
    /// mended is to be taken off the list.
    ///
    /// # Panics
    /// When it is not so.
    #[track_caller]
    pub fn check(&self, quirk: Quirk, as_on_aws: bool, what: &str) {
        match (self.have(quirk), as_on_aws) {
            (false, as_on_aws) => assert!(as_on_aws, "{what}; is this a {quirk:?}?"),
            (true, true) => panic!("{what}: so {quirk:?} is mended, take it off the list of quirks"),
            (true, false) => {}
        }
    }
}
