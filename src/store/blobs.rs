//! Recordings and other files, as they were uploaded.
//!
//! A folder by default, or a bucket. A blob lies under its workspace and the SHA-256 of its bytes; what two workspaces
//! upload is never shared. Bytes are staged on disk while they arrive and are never held in memory.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use object_store::aws::AmazonS3Builder;
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt as _};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use super::{Error, Result, WorkspaceId};
use crate::domain::hex;

/// Where blobs are.
#[derive(Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    /// Set where blobs are files of this machine, to be read in place.
    local: Option<Arc<LocalFileSystem>>,
    staging: PathBuf,
}

/// A file on this machine; removed when it is dropped, if it is a copy.
pub struct Fetched {
    path: PathBuf,
    is_copy: bool,
}

impl Fetched {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Fetched {
    fn drop(&mut self) {
        if self.is_copy {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Bytes that have arrived whole, not yet in the store. Removed when dropped.
pub struct Staged {
    path: PathBuf,
    /// SHA-256, hex.
    pub hash: String,
    /// Bytes.
    pub size: u64,
}

impl Staged {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Takes bytes as they arrive.
pub struct StagedWriter {
    file: tokio::io::BufWriter<tokio::fs::File>,
    staged: Staged,
    hash: Sha256,
}

impl StagedWriter {
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.staged.size += bytes.len() as u64;
        Ok(self.file.write_all(bytes).await?)
    }

    /// Bytes so far.
    pub const fn size(&self) -> u64 {
        self.staged.size
    }

    pub async fn finish(mut self) -> Result<Staged> {
        self.file.flush().await?;
        self.staged.hash = hex(self.hash.finalize());
        Ok(self.staged)
    }
}

impl Blobs {
    /// `url`: `file:///FOLDER`, or `s3://BUCKET/PREFIX` with address and credentials in the usual `AWS_…` variables.
    /// `staging`: a folder of this machine for bytes on their way.
    pub fn open(url: &str, staging: &Path) -> Result<Self> {
        std::fs::create_dir_all(staging)?;
        let staging = staging.to_owned();
        if let Some(folder) = url.strip_prefix("file://") {
            std::fs::create_dir_all(folder)?;
            let store = Arc::new(LocalFileSystem::new_with_prefix(folder)?.with_fsync(true));
            return Ok(Self {
                store: store.clone(),
                local: Some(store),
                staging,
            });
        }
        let parsed = url::Url::parse(url).map_err(|error| {
            Error::Setting(format!(
                "DEALSTAGE_BLOB_URL: {error}; use file:///FOLDER or s3://BUCKET"
            ))
        })?;
        if parsed.scheme() != "s3" {
            return Err(Error::Setting(format!(
                "DEALSTAGE_BLOB_URL: `{}:` is not known; use file:///FOLDER or s3://BUCKET",
                parsed.scheme()
            )));
        }
        let bucket: Arc<dyn ObjectStore> = Arc::new(AmazonS3Builder::from_env().with_url(url).build()?);
        let prefix = parsed.path().trim_matches('/');
        let store = if prefix.is_empty() {
            bucket
        } else {
            Arc::new(object_store::prefix::PrefixStore::new(bucket, prefix))
        };
        Ok(Self {
            store,
            local: None,
            staging,
        })
    }

    /// Removes what an earlier run of this machine left half-way. Only for a start: nothing else may be staging.
    pub fn sweep_staging(&self) -> Result<()> {
        for entry in std::fs::read_dir(&self.staging)? {
            std::fs::remove_file(entry?.path())?;
        }
        Ok(())
    }

    fn staging_path(&self) -> PathBuf {
        self.staging.join(uuid::Uuid::now_v7().simple().to_string())
    }

    pub async fn stage(&self) -> Result<StagedWriter> {
        let path = self.staging_path();
        let file = tokio::fs::File::create_new(&path).await?;
        Ok(StagedWriter {
            file: tokio::io::BufWriter::with_capacity(1 << 18, file),
            staged: Staged {
                path,
                hash: String::new(),
                size: 0,
            },
            hash: Sha256::new(),
        })
    }

    /// Takes a file of this machine as if it had been uploaded.
    pub async fn stage_file(&self, from: &Path) -> Result<Staged> {
        let mut writer = self.stage().await?;
        let mut file = tokio::fs::File::open(from).await?;
        let mut buffer = vec![0; 1 << 18];
        loop {
            let read = tokio::io::AsyncReadExt::read(&mut file, &mut buffer).await?;
            if read == 0 {
                return writer.finish().await;
            }
            writer.write(&buffer[..read]).await?;
        }
    }

    /// Keeps staged bytes for good: when this returns, they survive a power cut.
    pub async fn put(&self, workspace: &WorkspaceId, staged: &Staged) -> Result<()> {
        let mut to = BufWriter::new(self.store.clone(), place(workspace, &staged.hash));
        let mut from = tokio::fs::File::open(&staged.path).await?;
        let copied = tokio::io::copy(&mut from, &mut to).await;
        let done = match copied {
            Ok(_) => to.shutdown().await,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            let _ = to.abort().await;
            return Err(error.into());
        }
        Ok(())
    }

    pub async fn exists(&self, workspace: &WorkspaceId, hash: &str) -> Result<bool> {
        match self.store.head(&place(workspace, hash)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The bytes of a range, as a stream.
    pub async fn read(
        &self,
        workspace: &WorkspaceId,
        hash: &str,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, object_store::Result<Bytes>>> {
        let options = GetOptions {
            range: (!range.is_empty()).then_some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        Ok(self
            .store
            .get_opts(&place(workspace, hash), options)
            .await?
            .into_stream())
    }

    /// A file of this machine with the bytes: the blob itself, or a copy.
    pub async fn fetch(&self, workspace: &WorkspaceId, hash: &str) -> Result<Fetched> {
        let place = place(workspace, hash);
        if let Some(local) = &self.local {
            let path = local.path_to_filesystem(&place)?;
            return Ok(Fetched { path, is_copy: false });
        }
        let fetched = Fetched {
            path: self.staging_path(),
            is_copy: true,
        };
        let mut file = tokio::fs::File::create_new(&fetched.path).await?;
        let mut bytes = self.store.get(&place).await?.into_stream();
        while let Some(part) = futures_util::StreamExt::next(&mut bytes).await {
            file.write_all(&part?).await?;
        }
        file.flush().await?;
        Ok(fetched)
    }

    /// Removes a blob; it is no error if there is none.
    pub async fn remove(&self, workspace: &WorkspaceId, hash: &str) -> Result<()> {
        match self.store.delete(&place(workspace, hash)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Answers when the store does.
    pub async fn ping(&self) -> Result<()> {
        match self.store.head(&object_store::path::Path::from("ping")).await {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn place(workspace: &WorkspaceId, hash: &str) -> object_store::path::Path {
    object_store::path::Path::from_iter([workspace.as_str(), hash])
}
