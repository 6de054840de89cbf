//! Files of a host that there is not, for tests.

use std::fs;
use std::path::PathBuf;

/// A temporary folder whose files are written as they are named.
pub(crate) struct FakeFiles(tempfile::TempDir);

impl FakeFiles {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn file(&self, name: &str, content: &str) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("made");
        fs::write(path, content).expect("written");
    }
}
