//! The ZIP in the making. Every part grows in a file of its own that has no name, so that memory stays small and nothing
//! is left behind, whatever becomes of the process.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, Write as _};

use tidings_event_store::export::{Digests, Entry};
use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, DateTime, System};

/// A file that grows.
pub(super) struct Part {
    name: &'static str,
    file: BufWriter<File>,
}

impl Part {
    /// An empty one.
    pub(super) fn new(name: &'static str) -> io::Result<Self> {
        let file = BufWriter::new(tempfile::tempfile()?);
        Ok(Self { name, file })
    }

    /// Adds text at its end.
    pub(super) fn push(&mut self, text: &str) -> io::Result<()> {
        self.file.write_all(text.as_bytes())
    }
}

/// The ZIP.
pub(super) struct Archive {
    zip: ZipWriter<File>,
    entries: Vec<Entry>,
}

impl Archive {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            zip: ZipWriter::new(tempfile::tempfile()?),
            entries: Vec::new(),
        })
    }

    /// Takes a part in.
    pub(super) fn add(&mut self, part: Part) -> io::Result<()> {
        let mut file = part
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.zip.start_file(part.name, options())?;
        let mut digests = Digests::default();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                n => {
                    digests.update(&buffer[..n]);
                    self.zip.write_all(&buffer[..n])?;
                }
            }
        }
        self.entries.push(digests.finish(part.name));
        Ok(())
    }

    /// What was taken in so far.
    pub(super) fn entries(&self) -> Vec<Entry> {
        self.entries.clone()
    }

    /// Ends with the manifest; gives the file, to be read from its beginning.
    pub(super) fn finish(mut self, name: &str, manifest: &str) -> io::Result<File> {
        self.zip.start_file(name, options())?;
        self.zip.write_all(manifest.as_bytes())?;
        let mut file = self.zip.finish()?;
        file.rewind()?;
        Ok(file)
    }
}

/// All that stands beside a file, so that there is one way to write it, which a check knows (`check/layout.rs`).
fn options() -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        // When it was made is in the manifest.
        .last_modified_time(DateTime::default())
        .large_file(true)
        .system(System::Unix)
        .unix_permissions(0o644)
}
