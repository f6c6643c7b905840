//! Ends what a test process leaves behind, also when it is killed.
//!
//! A tiny `sh` holds the read end of a pipe and acts when that closes, which the system does for
//! any end of this process. (A parent-death signal would fire when the *thread* that spawned the
//! server ends, and test threads end all the time.)

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::error::ServersError;
use crate::files::io_error;

/// A folder of a test process. When this is dropped or the process ends, however it ends, the
/// servers whose data lie in it (at most two folders deep) are ended, and it is removed.
#[derive(Debug)]
pub struct Watched {
    dir: PathBuf,
    watcher: Child,
}

impl Watched {
    /// Makes a new folder below `root`, and starts to watch over it. Take `/tmp` rather than
    /// `$TMPDIR`: the path stays short, and an unprivileged user reaches it.
    pub fn new(root: &Path) -> Result<Self, ServersError> {
        let dir = tempfile::Builder::new()
            .prefix("tidings-test-")
            .tempdir_in(root)
            .map_err(io_error("create a folder in", root))?
            .keep();
        // As root the servers run as somebody else, who must pass through.
        fs::set_permissions(&dir, Permissions::from_mode(0o711))
            .map_err(io_error("open up", &dir))?;
        let sh = Path::new("/bin/sh");
        let watcher = Command::new(sh)
            .arg("-c")
            .arg(include_str!("watcher.sh"))
            .arg("watcher")
            .arg(&dir)
            .arg(dir.file_name().unwrap_or_default())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in the terminal ends the tests, not this.
            .process_group(0)
            .spawn()
            .map_err(io_error("run", sh))?;
        Ok(Watched { dir, watcher })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        // A failed wait leaves nothing to do: the watcher works on by itself.
        let _ = self.watcher.wait();
    }
}
