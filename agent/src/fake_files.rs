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

    /// Makes a link that says so, and the folders above it. What was there goes.
    pub(crate) fn link(&self, name: &str, target: &str) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("made");
        if path.is_symlink() {
            fs::remove_file(&path).expect("removed");
        }
        std::os::unix::fs::symlink(target, path).expect("linked");
    }
}
