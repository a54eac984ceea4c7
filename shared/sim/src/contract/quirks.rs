//! Known differences from AWS, each by name.

use std::collections::BTreeSet;

/// A way in which an implementation is known to differ from AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quirk {
    /// Items may be larger than 400 KB.
    ItemsHaveNoLimit,
    /// Objects without an S3 SHA-256 cannot be created.
    EveryObjectIsProven,
    /// `CopyObject` computes no checksum: the copy of an object without a SHA-256 has none either.
    CopiesStayUnproven,
    /// `UploadPartCopy` computes no checksum.
    PartsHaveNoDigest,
    /// Objects of preview buckets are not stored, so emptying the buckets has no effect.
    BucketsAreNotKept,
    /// A container image can be stored before its blobs.
    ImagesNeedNoBlobs,
    /// `BatchCheckLayerAvailability` knows no blob.
    BlobsAreNeverThere,
    /// Removing one tag of an image removes the image.
    ImagesGoWithAnyTag,
    /// `ExpectedBucketOwner` is ignored.
    BucketOwnersAreNotChecked,
    /// No change set is accepted and fails later, except an empty one.
    PlansDoNotFail,
    /// `IncludePropertyValues` is ignored: a change set names the changed properties, without values.
    PropertyValuesAreNotTold,
    /// The tags of a stack are not returned.
    StackTagsAreLost,
    /// A second change set of type CREATE creates another stack of the same name, with another id.
    ReviewedStackIsReplaced,
    /// A change set of type CREATE for an existing stack counts as a repetition.
    CreateOverLivingStackIsTaken,
    /// A change set can be created for a stack whose first creation was rolled back.
    RolledBackStackIsUpdated,
    /// A change set can be created while an operation runs.
    RunningStackIsUpdated,
    /// A refusal because an operation runs is permanent instead of transient.
    RunningStackRefusesForGood,
    /// A stack's events do not include the end of an operation.
    EventsLackTheEnd,
    /// A resource that could not be created is reported as `UPDATE_FAILED`.
    FailedCreationIsToldAsUpdate,
    /// A deleted stack cannot be described.
    EventsOfTheGoneAreLost,
    /// The events of a stack that never existed are an empty list instead of an error.
    UnknownStackHasEvents,
}

/// The quirks of one implementation. AWS has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quirks(BTreeSet<Quirk>);

impl Quirks {
    /// The declared quirks.
    pub fn of(quirks: impl IntoIterator<Item = Quirk>) -> Self {
        Self(quirks.into_iter().collect())
    }

    /// Whether a quirk is declared. Use [`Quirks::check`] where the suite can observe whether it still exists.
    pub fn have(&self, quirk: Quirk) -> bool {
        self.0.contains(&quirk)
    }

    /// Checks that the behaviour is as on AWS or, if the quirk is declared, that it still differs: a fixed quirk must
    /// be removed from the list.
    ///
    /// # Panics
    /// If this is not the case.
    #[track_caller]
    pub fn check(&self, quirk: Quirk, as_on_aws: bool, what: &str) {
        match (self.have(quirk), as_on_aws) {
            (false, as_on_aws) => assert!(as_on_aws, "{what}; is this a {quirk:?}?"),
            (true, true) => panic!("{what}: {quirk:?} is fixed, remove it from the list of quirks"),
            (true, false) => {}
        }
    }
}
