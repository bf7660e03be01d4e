//! Files from a model hub, over HTTPS, going on where an interrupted download ended.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header::{CONTENT_RANGE, RANGE};

use super::fetch::{Failure, Inputs, Reach, Watch, mismatch};
use super::files::sha256_of_file;
use super::manifest::File;

/// A hub that does not answer is left soon for the next source.
const CONNECT: Duration = Duration::from_secs(10);
/// Silence after which a transfer counts as interrupted.
const SILENCE: Duration = Duration::from_secs(30);
/// Interruptions in a row, without a byte in between, before the source is given up.
const INTERRUPTIONS: u32 = 4;

/// Gets `files` at `revision` of `repository`; partial files stay in `folder`.
pub fn fetch(
    reach: &Reach,
    repository: &str,
    revision: &str,
    files: &[File],
    folder: &Path,
    watch: &mut dyn Watch,
) -> Result<Inputs, Failure> {
    let agent = concat!("dealstage/", env!("CARGO_PKG_VERSION"));
    let client = Client::builder()
        .user_agent(agent)
        .connect_timeout(CONNECT)
        .timeout(SILENCE)
        .build();
    let client = client.map_err(|e| Failure::Source(explain(&e)))?;
    let mut inputs = Inputs::new();
    for file in files {
        let url = format!(
            "{}/{repository}/resolve/{revision}/{}",
            reach.hub.trim_end_matches('/'),
            file.file
        );
        let download = Download {
            client: &client,
            url,
            file,
            folder,
            rest: reach.rest,
        };
        watch.start(&format!("fetching {}", file.file), Some(file.size));
        let path = download.run(watch);
        watch.stop();
        let path = path?;
        let bytes = fs::read(&path).map_err(Failure::io("reading", &path))?;
        inputs.insert(file.file.clone(), bytes);
    }
    Ok(inputs)
}

struct Download<'a> {
    client: &'a Client,
    url: String,
    file: &'a File,
    folder: &'a Path,
    rest: Duration,
}

/// What a request led to.
enum Reply {
    Body(Response),
    /// The part we have is of no use to the server: begin again.
    Again,
}

impl Download<'_> {
    /// The whole file, checked.
    fn run(&self, watch: &mut dyn Watch) -> Result<PathBuf, Failure> {
        let whole = self.folder.join(&self.file.file);
        if self.hash(&whole)?.as_deref() == Some(&self.file.sha256) {
            return Ok(whole);
        }
        // Named for its hash: what is left of another version is not gone on with.
        let partial = self
            .folder
            .join(format!("{}.{}.part", self.file.file, &self.file.sha256[..12]));
        let resumed = fs::metadata(&partial).is_ok_and(|m| m.len() > 0);
        self.fill(&partial, watch)?;
        let mut found = self.hash(&partial)?.unwrap_or_default();
        if found != self.file.sha256 && resumed {
            // The part from the last time may be at fault.
            fs::remove_file(&partial).map_err(Failure::io("removing", &partial))?;
            self.fill(&partial, watch)?;
            found = self.hash(&partial)?.unwrap_or_default();
        }
        if found != self.file.sha256 {
            fs::remove_file(&partial).map_err(Failure::io("removing", &partial))?;
            return Err(mismatch(&self.file.file, &self.file.sha256, &found));
        }
        fs::rename(&partial, &whole).map_err(Failure::io("renaming", &partial))?;
        Ok(whole)
    }

    fn hash(&self, path: &Path) -> Result<Option<String>, Failure> {
        sha256_of_file(path).map_err(Failure::io("reading", path))
    }

    /// Adds to the partial file until it is whole, asking again after interruptions.
    fn fill(&self, partial: &Path, watch: &mut dyn Watch) -> Result<(), Failure> {
        let mut rest = self.rest;
        let mut interruptions = 0;
        loop {
            let have = fs::metadata(partial).map_or(0, |m| m.len());
            if have >= self.file.size {
                return Ok(());
            }
            let (got, why) = match self.request(have)? {
                Ok(Reply::Body(response)) => self.receive(response, partial, watch)?,
                Ok(Reply::Again) if have > 0 => {
                    fs::remove_file(partial).map_err(Failure::io("removing", partial))?;
                    continue;
                }
                Ok(Reply::Again) => return Err(Failure::Source(format!("{} is refused", self.url))),
                Err(why) => (0, Some(why)),
            };
            let Some(why) = why else { continue };
            // Only a server that goes on from where it stopped brings the end nearer.
            if got > 0 && have > 0 {
                (interruptions, rest) = (0, self.rest);
            }
            interruptions += 1;
            if interruptions >= INTERRUPTIONS {
                return Err(Failure::Source(format!(
                    "{} was interrupted {interruptions} times: {why}",
                    self.url
                )));
            }
            std::thread::sleep(rest);
            rest *= 2;
        }
    }

    /// Asks for the bytes from `have` on. The inner error is worth another try, the outer is not.
    fn request(&self, have: u64) -> Result<Result<Reply, String>, Failure> {
        let mut request = self.client.get(&self.url);
        if have > 0 {
            request = request.header(RANGE, format!("bytes={have}-"));
        }
        let response = match request.send() {
            Ok(response) => response,
            // With a part in hand the line was there a moment ago.
            Err(e) if e.is_connect() && have == 0 => {
                return Err(Failure::Source(format!(
                    "it is not reached from here ({})",
                    innermost(&e)
                )));
            }
            Err(e) => return Ok(Err(explain(&e))),
        };
        let status = response.status();
        match status {
            StatusCode::OK if have == 0 => Ok(Ok(Reply::Body(response))),
            StatusCode::PARTIAL_CONTENT if begins_at(&response) == Some(have) => Ok(Ok(Reply::Body(response))),
            // The server sends the whole file again, or has nothing from there on.
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => Ok(Ok(Reply::Again)),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Ok(Err(format!("answer {status}"))),
            _ if status.is_server_error() => Ok(Err(format!("answer {status}"))),
            _ => Err(Failure::Source(format!("{} answers {status}", self.url))),
        }
    }

    /// Writes what comes; gives the number of bytes, and why it ended early if it did.
    fn receive(
        &self,
        response: Response,
        partial: &Path,
        watch: &mut dyn Watch,
    ) -> Result<(u64, Option<String>), Failure> {
        let doing = "writing";
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(partial)
            .map_err(Failure::io(doing, partial))?;
        let before = file.metadata().map_err(Failure::io(doing, partial))?.len();
        // One byte more than expected is enough to see that it is another file.
        let mut body = response.take(self.file.size - before + 1);
        let mut buffer = vec![0; 1 << 16];
        let mut got = 0;
        let why = loop {
            match body.read(&mut buffer) {
                Ok(0) if before + got < self.file.size => break Some(String::from("the answer ended too early")),
                Ok(0) => break None,
                Ok(n) => {
                    file.write_all(&buffer[..n]).map_err(Failure::io(doing, partial))?;
                    got += n as u64;
                    watch.at(before + got);
                }
                Err(e) => break Some(explain(&e)),
            }
        };
        file.sync_all().map_err(Failure::io(doing, partial))?;
        Ok((got, why))
    }
}

/// Where the bytes of a partial answer begin: `bytes 100-199/200` → 100.
fn begins_at(response: &Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}

/// An error with its causes: the outermost alone says only that a request failed.
fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

/// The last cause: what the system said.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(inner) = last.source() {
        last = inner;
    }
    last.to_string()
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
