//! Retention: which releases of a service are kept, and so which objects of the buckets.
//!
//! Kept are the releases that a stage runs, may run or can roll back to; the newest releases of a service; and those
//! that are young. The decision is saved before anything is removed (see [`Kept`]): a release that is no longer kept
//! can never be deployed again, and the objects of new releases are protected by their age.

use crate::digest::Digest;
use crate::ids::ReleaseId;
use crate::release::package::Asset;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// How long releases are kept that no stage needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The number of newest releases that are kept.
    pub releases: usize,
    /// Releases that were uploaded within this number of days are kept too.
    pub days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { releases: 20, days: 30 }
    }
}

impl Retention {
    /// Most releases of a service that are kept for their number or age. Those that stages need are kept in addition.
    pub const RELEASES_MAX: usize = 1_000;
    /// The maximum of `days`.
    pub const DAYS_MAX: u32 = 365;
}

/// The times of garbage collection. Only the simulation uses shorter ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// An upload or a replication stores an object again if the stored one is older than this.
    pub renew_after: SignedDuration,
    /// A version that is younger than this is never removed.
    pub grace: SignedDuration,
    /// The interval at which a garbage collection of all buckets begins.
    pub every: SignedDuration,
    /// The length of a day of [`Retention::days`].
    pub day: SignedDuration,
}

impl Pace {
    /// A release must be saved within `grace - renew_after` after its objects are stored: 23 days, for minutes of work.
    pub const DEFAULT: Self = Self {
        renew_after: SignedDuration::from_hours(24 * 7),
        grace: SignedDuration::from_hours(24 * 30),
        every: SignedDuration::from_hours(24),
        day: SignedDuration::from_hours(24),
    };

    /// Objects stored before this time are stored again.
    pub fn renewed_before(&self, now: Timestamp) -> Timestamp {
        now.saturating_sub(self.renew_after).unwrap_or(Timestamp::MIN)
    }

    /// Versions stored before this time may be removed.
    pub fn removed_before(&self, now: Timestamp) -> Timestamp {
        now.saturating_sub(self.grace).unwrap_or(Timestamp::MIN)
    }
}

/// The releases of a service that are kept: those since `since`, and some older ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// The oldest release that is kept for its number or age; `None` keeps all. It never becomes older: releases that
    /// are no longer kept may be deleted already.
    pub since: Option<ReleaseId>,
    /// Older releases that a stage needs.
    pub older: BTreeSet<ReleaseId>,
}

impl Kept {
    /// Whether a release is kept.
    pub fn holds(&self, release: &ReleaseId) -> bool {
        self.since.is_none_or(|since| since <= *release) || self.older.contains(release)
    }

    /// What is kept from now on. `newest` are the recent releases of the service, the newest first; `reached_end` tells
    /// that there are no older ones; `needed` are those that stages need.
    #[must_use]
    pub fn next(&self, newest: &[ReleaseId], reached_end: bool, needed: &BTreeSet<ReleaseId>) -> Self {
        let since = match newest.last() {
            Some(oldest) if !reached_end => self.since.max(Some(*oldest)),
            _ => self.since,
        };
        let older = needed.iter().filter(|release| since.is_some_and(|since| **release < since));
        Self { since, older: older.copied().collect() }
    }
}

/// Whether the nth newest release (counted from 0) is kept for its number or age.
pub fn is_recent(
    nth: usize,
    uploaded_at: Timestamp,
    retention: Retention,
    day: SignedDuration,
    now: Timestamp,
) -> bool {
    let young = now.duration_since(uploaded_at) < day * i32::try_from(retention.days).unwrap_or(i32::MAX);
    nth < Retention::RELEASES_MAX && (nth < retention.releases || young)
}

/// A version of an object, or a delete marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVersion {
    /// The object's key.
    pub key: String,
    /// The version.
    pub version_id: String,
    /// When it was stored, to the second.
    pub stored_at: Timestamp,
    /// Its length.
    pub bytes: u64,
    /// Whether it is the current version of the key.
    pub is_latest: bool,
    /// Whether it is a delete marker.
    pub is_marker: bool,
}

/// A container image in the repository of an account-region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// The digest of its manifest.
    pub digest: Digest,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its length.
    pub bytes: u64,
}

/// The form of a tag: when a replication needed the image, to the second. The beginning of the image's digest follows, because a tag can be
/// at one image only.
const TAG_FORM: &str = "needed-%Y%m%dT%H%M%SZ";
/// The digits of the digest in a tag.
const TAG_DIGITS: usize = 16;

/// The tag of an image that a replication needs now.
pub fn image_tag(image: &Digest, now: Timestamp) -> String {
    format!("{}-{}", now.strftime(TAG_FORM), &image.to_string()[..TAG_DIGITS])
}

/// When an image was last needed, by its tags. `None` if it has none of this form.
pub fn needed_at(tags: &[String]) -> Option<Timestamp> {
    let time = |tag: &String| {
        let (time, _) = tag.rsplit_once('-')?;
        jiff::civil::DateTime::strptime(TAG_FORM, time).ok()?.to_zoned(TimeZone::UTC).ok()
    };
    tags.iter().filter_map(time).map(|time| time.timestamp()).max()
}

/// The indexes of the images of a page that may be removed: those that nothing needs, and that no replication has needed since `before`.
/// Images without a tag of Flotilla are never removed.
pub fn removable_images(
    page: &[StoredImage],
    is_needed: impl Fn(&Digest) -> bool,
    before: Timestamp,
) -> Vec<usize> {
    let goes = |image: &StoredImage| {
        needed_at(&image.tags).is_some_and(|at| at < before) && !is_needed(&image.digest)
    };
    page.iter().enumerate().filter(|(_, image)| goes(image)).map(|(place, _)| place).collect()
}

/// The version id in a bucket without versioning. All objects of a key have the same one.
const NO_VERSION: &str = "null";

/// The indexes of the versions of a page that may be permanently deleted: old versions of objects that nothing
/// needs, and old versions behind a newer one of the same bytes. Keys that are not of a package are never deleted,
/// nor are objects without versions.
///
/// If a key's versions are spread over two pages, those on the second page are deleted by a later collection.
pub fn removable(
    page: &[StoredVersion],
    is_needed: impl Fn(&Asset) -> bool,
    before: Timestamp,
) -> Vec<usize> {
    let latest: BTreeSet<&str> =
        page.iter().filter(|v| v.is_latest && !v.is_marker).map(|v| v.key.as_str()).collect();
    let goes = |version: &StoredVersion| {
        let Some(asset) = Asset::parse_key(&version.key) else { return false };
        if version.stored_at >= before || version.version_id == NO_VERSION {
            return false;
        }
        if !is_needed(&asset) {
            return true;
        }
        // Flotilla puts no delete markers: what another actor's marker hides is kept.
        !version.is_latest && latest.contains(version.key.as_str())
    };
    page.iter().enumerate().filter(|(_, version)| goes(version)).map(|(place, _)| place).collect()
}

/// Whether a page has objects from a bucket without versioning.
pub fn is_unversioned(page: &[StoredVersion]) -> bool {
    page.iter().any(|version| version.version_id == NO_VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::package::AssetKind;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn release(second: i64) -> ReleaseId {
        ReleaseId::derive(at(second), &["r"])
    }

    fn newest_first(seconds: impl IntoIterator<Item = i64>) -> Vec<ReleaseId> {
        seconds.into_iter().map(release).collect()
    }

    const DAY: SignedDuration = SignedDuration::from_hours(24);

    #[test]
    fn an_image_is_removed_when_nothing_needs_it_and_nothing_has_lately() {
        let digest = Digest::of(b"x");
        let (old, young) = (image_tag(&digest, at(1_000)), image_tag(&digest, at(2_000)));
        assert_eq!(old, "needed-19700101T001640Z-2d711642b726b044");
        assert_eq!(needed_at(&[young.clone(), old.clone(), "latest".into()]), Some(at(2_000)));
        assert_eq!(needed_at(&["latest".into(), "needed-".into()]), None);
        let image = |content: &str, tags: &[&String]| StoredImage {
            digest: Digest::of(content.as_bytes()),
            tags: tags.iter().map(|tag| (*tag).clone()).collect(),
            bytes: 1,
        };
        let page = [
            image("gone", &[&old]),
            image("kept", &[&old]),
            image("young", &[&old, &young]),
            image("somebody's", &[&"latest".to_owned()]),
            image("untagged", &[]),
        ];
        assert_eq!(removable_images(&page, |digest| *digest == Digest::of(b"kept"), at(1_500)), [0]);
    }

    #[test]
    fn a_release_is_recent_by_its_number_or_by_its_age() {
        let (retention, now) = (Retention { releases: 2, days: 1 }, at(1_000_000));
        let recent = |nth, age_s: i64| is_recent(nth, at(1_000_000 - age_s), retention, DAY, now);
        assert!(recent(0, 999_999) && recent(1, 999_999), "the newest two, however old");
        assert!(!recent(2, 86_400) && recent(2, 86_399), "others for a day");
        assert!(recent(Retention::RELEASES_MAX - 1, 0) && !recent(Retention::RELEASES_MAX, 0), "bounded");
    }

    #[test]
    fn what_was_let_go_does_not_come_back_and_what_a_stage_needs_is_never_let_go() {
        let all = Kept::default();
        assert!(all.holds(&release(1)), "nothing was ever let go");
        let needed = [release(3), release(9)].into();
        let kept = all.next(&newest_first([9, 8, 7]), false, &needed);
        assert_eq!((kept.since, kept.older.clone()), (Some(release(7)), [release(3)].into()));
        let held = [9, 7, 6, 3, 1].map(|second| kept.holds(&release(second)));
        assert_eq!(held, [true, true, false, true, false]);
        // A longer retention does not restore what is no longer kept.
        let more = kept.next(&newest_first([9, 8, 7, 6, 5, 4]), false, &needed);
        assert_eq!(more, kept);
        assert!(!kept.next(&newest_first([9, 8]), false, &BTreeSet::new()).holds(&release(3)));
        assert_eq!(kept.next(&newest_first([9, 8, 7, 6]), true, &needed), kept, "nor if there are no others");
        assert_eq!(all.next(&[], true, &BTreeSet::new()), all);
        assert_eq!(
            all.next(&newest_first([9, 8]), true, &BTreeSet::new()),
            all,
            "there is nothing to let go"
        );
        let of_the_oldest = all.next(&newest_first([9, 8, 7]), false, &[release(7)].into());
        assert_eq!(of_the_oldest.older, BTreeSet::new(), "it is kept for its age");
    }

    fn version(content: &str, id: &str, second: i64, is_latest: bool) -> StoredVersion {
        StoredVersion {
            key: asset(content).key(),
            version_id: id.into(),
            stored_at: at(second),
            bytes: 1,
            is_latest,
            is_marker: false,
        }
    }

    fn asset(content: &str) -> Asset {
        Asset { kind: AssetKind::Zip, digest: Digest::of(content.as_bytes()) }
    }

    /// What goes of a page if only `needed` is needed, and what is older than second 10 is old.
    fn goes(page: &[StoredVersion]) -> Vec<usize> {
        removable(page, |asset_| *asset_ == asset("needed"), at(10))
    }

    #[test]
    fn only_what_is_old_and_not_needed_goes() {
        let page = [
            version("needed", "a", 1, true),
            version("other", "b", 10, true),
            version("other", "c", 9, false),
            version("third", "d", 9, true),
        ];
        assert_eq!(goes(&page), [2, 3]);
    }

    #[test]
    fn of_what_is_needed_the_latest_version_stays_and_what_stands_behind_it_goes_when_it_is_old() {
        let page = [
            version("needed", "a", 12, true),
            version("needed", "b", 11, false),
            version("needed", "c", 9, false),
        ];
        assert_eq!(goes(&page), [2]);
        assert_eq!(goes(&page[1..]), [0_usize; 0], "the latest one is on another page");
    }

    #[test]
    fn what_a_delete_marker_hides_stays_if_it_is_needed_and_goes_with_it_if_not() {
        let marked = |content: &str| {
            let marker = StoredVersion { is_marker: true, ..version(content, "m", 2, true) };
            [marker, version(content, "a", 1, false)]
        };
        assert_eq!(goes(&marked("needed")), [0_usize; 0]);
        assert_eq!(goes(&marked("other")), [0, 1]);
        let [marker, hidden] = marked("needed");
        let again = [version("needed", "b", 3, true), StoredVersion { is_latest: false, ..marker }, hidden];
        assert_eq!(goes(&again), [1, 2], "it was stored again");
    }

    #[test]
    fn foreign_keys_and_objects_without_versions_are_let_alone() {
        let foreign = |key: &str| StoredVersion { key: key.into(), ..version("other", "a", 1, true) };
        let page = [
            foreign("assets/readme.txt"),
            foreign("incoming/orders/branch/main/1.zip"),
            version("other", "null", 1, true),
        ];
        assert_eq!(goes(&page), [0_usize; 0]);
        assert!(is_unversioned(&page) && !is_unversioned(&page[..2]));
    }
}
