//! How often a preview is uploaded to.

use jiff::{SignedDuration, Timestamp};

/// Counts the uploads to a stage by hours, each of which begins with its first upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UploadCount {
    began_at: Option<Timestamp>,
    count: u32,
}

impl UploadCount {
    /// A stored count.
    pub fn new(began_at: Timestamp, count: u32) -> Self {
        Self { began_at: Some(began_at), count }
    }

    /// When the hour began, and its uploads; `None` before the first one.
    pub fn stored(&self) -> Option<(Timestamp, u32)> {
        self.began_at.map(|began_at| (began_at, self.count))
    }

    /// The uploads of the hour that contains `now`.
    pub fn at(&self, now: Timestamp) -> u32 {
        let began = self.began_at.filter(|began| now.duration_since(*began) < SignedDuration::from_hours(1));
        if began.is_some() { self.count } else { 0 }
    }

    /// Counts an upload.
    pub fn add(&mut self, now: Timestamp) {
        let before = self.at(now);
        if before == 0 {
            self.began_at = Some(now);
        }
        self.count = before.saturating_add(1);
    }
}
