//! File systems in memory: disks of a size, which can be full.

use std::{path::Path, process::Command};

use tempfile::TempDir;

/// A file system in memory, as long as this lives.
pub(crate) struct Mounted(TempDir);

impl Mounted {
    /// With these options of `mount`; `None` if nothing can be mounted here.
    pub(crate) fn new(options: &str) -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(at.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}
