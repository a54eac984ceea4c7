//! Container images: brought to the repository of an account-region, whose registry proves each blob by its digest.

use super::{Replicate, Unproven};
use crate::ports::{ImageManifest, Place};
use flotilla_domain::retention::{image_tag, needed_at};
use flotilla_domain::{Cause, Code, Digest};
use flotilla_package::image;
use futures::stream::{self, StreamExt, TryStreamExt};

/// Blobs streamed to one account-region concurrently.
const BLOBS_AT_ONCE: usize = 2;

impl Replicate {
    /// Makes sure that a repository has an image, and that the image stays until the rollout that needs it is saved. What was begun by an
    /// invocation that ended is continued: a blob that is there is not sent again.
    pub(super) async fn bring_image(&self, place: &Place, image: &Digest) -> Result<(), Unproven> {
        let now = self.clock.now();
        let tags = self.images.tags(place, image).await?;
        let renewed_before = self.pace.renewed_before(now);
        if tags.as_deref().and_then(needed_at).is_some_and(|at| at >= renewed_before) {
            return Ok(());
        }
        let bytes = self.images.manifest(image).await?;
        if tags.is_none() {
            self.bring_blobs(place, &bytes).await?;
        }
        let manifest = ImageManifest { digest: *image, media_type: image::media_type(&bytes), bytes };
        Ok(self.images.put(place, &manifest, &image_tag(image, now)).await?)
    }

    async fn bring_blobs(&self, place: &Place, manifest: &[u8]) -> Result<(), Unproven> {
        let blobs = image::blobs(manifest).map_err(|refusal| {
            Unproven::Differs(Cause::new(Code::ReplicaUnproven, refusal.message, "upload the package again"))
        })?;
        let missing = self.images.missing(place, &blobs).await?;
        let uploads: Vec<_> = missing.iter().map(|blob| self.images.upload(place, blob)).collect();
        stream::iter(uploads).buffer_unordered(BLOBS_AT_ONCE).try_collect::<()>().await?;
        Ok(())
    }
}
