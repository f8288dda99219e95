//! The published log: files of a round, its checkpoint last.

use futures::TryStreamExt;
use futures::future::join_all;
use futures::stream::{self, StreamExt};

use super::Log;
use crate::chain::store::LogStore;
use crate::chain::tiles::{CHECKPOINT, Tile, added, replaced};
use crate::ledger::refusal::Refusal;
use crate::ports::{MAX_DELETED_OBJECTS, Object};

/// Files sent to object storage at once; each request may have six connections waiting.
const UPLOADS: usize = 6;

impl<S: LogStore + 'static> Log<S>
where
    S::Error: std::fmt::Display,
{
    /// The files of what is committed and not published, the checkpoint last: as much as one run
    /// may send. False if something is left, as after all files were lost.
    pub(super) async fn publish(&self) -> Result<bool, Refusal> {
        let Some((from, round)) = self.with(|log| log.unpublished())? else {
            return Ok(true);
        };
        stream::iter(added(from, round.size))
            .map(|tile| async move {
                let bytes = self.with(|log| log.tile(tile))?;
                self.put(&tile.to_string(), tile_file(tile, bytes)).await
            })
            .buffer_unordered(UPLOADS)
            .try_collect::<()>()
            .await?;
        self.put_head(checkpoint_file(&round.checkpoint)).await?;
        self.with(|log| {
            log.note_published(round.size);
            Ok(log.size() == log.committed()?)
        })
    }

    async fn put(&self, key: &str, file: Object) -> Result<(), Refusal> {
        let put = self.ports.files.put(key, file).await;
        put.map_err(|error| Refusal::unavailable("files_failed", &error.to_string()))
    }

    /// Over the head that is known to be there: one that was given up and comes late must not
    /// take the place of a newer one.
    async fn put_head(&self, file: Object) -> Result<(), Refusal> {
        let known = self.head_version.borrow().clone();
        let put = self
            .ports
            .files
            .swap(CHECKPOINT, file, known.as_deref())
            .await;
        let put = put.map_err(|error| Refusal::unavailable("files_failed", &error.to_string()))?;
        if put.is_none() {
            // Read again which one it is.
            self.sequencer.take();
            let cause = "another checkpoint was published meanwhile, ask again";
            return Err(Refusal::unavailable("head_changed", cause));
        }
        self.head_version.replace(put);
        Ok(())
    }

    /// Deletes the partial files that full ones took the place of. Those that stay do no harm.
    pub(super) async fn drop_replaced(&self, before: u64) {
        let keys: Vec<String> = replaced(before, self.published())
            .map(|tile| tile.to_string())
            .collect();
        let deletions = keys
            .chunks(MAX_DELETED_OBJECTS)
            .map(|keys| self.ports.files.delete(keys));
        for deleted in join_all(deletions).await {
            if let Err(error) = deleted {
                self.say("partial_files_stay", &error.to_string());
            }
        }
    }
}

/// A full one never changes.
fn tile_file(tile: Tile, bytes: Vec<u8>) -> Object {
    let cache_control = if tile.is_full() {
        "public, max-age=31536000, immutable"
    } else {
        "public, max-age=60"
    };
    Object {
        bytes: bytes.into(),
        content_type: "application/octet-stream".to_owned(),
        cache_control: cache_control.to_owned(),
        version: String::new(),
    }
}

fn checkpoint_file(checkpoint: &str) -> Object {
    Object {
        bytes: checkpoint.to_owned().into_bytes().into(),
        content_type: "text/plain; charset=utf-8".to_owned(),
        cache_control: "no-cache".to_owned(),
        version: String::new(),
    }
}
