//! The groups there are. In: one tree of control groups. Out: the containers in it and their processes.
//!
//! A group's number of links is that of its own groups and two, so a `stat` each tells where something was made or removed; only there the folders are
//! listed again. A full walk now and then finds what was removed and made between two looks.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::identity::{Identity, identity_of};
use crate::file;

/// Groups below one another.
const DEPTH_MAX: usize = 24;
/// Groups remembered. Further ones are not seen.
const GROUPS_MAX: usize = 16_384;
/// Entries read of one folder.
const ENTRIES_MAX: usize = 65_536;

#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    /// Every group by its path below the root.
    groups: BTreeMap<PathBuf, Group>,
}

#[derive(Debug)]
struct Group {
    links: u64,
    inode: u64,
    container: Option<Identity>,
}

impl Tree {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self {
            root,
            groups: BTreeMap::new(),
        }
    }

    /// Looks again: everywhere where `full`, else where the number of links changed.
    pub(crate) fn refresh(&mut self, full: bool) {
        if full || self.groups.is_empty() {
            self.groups.clear();
            self.walk(PathBuf::new());
            return;
        }
        let has_changed = |(path, group): (&PathBuf, &Group)| {
            let links = fs::metadata(self.root.join(path)).map(|m| m.nlink()).ok();
            (links != Some(group.links)).then(|| path.clone())
        };
        let changed: Vec<PathBuf> = self.groups.iter().filter_map(has_changed).collect();
        for path in changed {
            self.forget(&path);
            self.walk(path);
        }
    }

    /// Forgets a group and those below it.
    fn forget(&mut self, path: &Path) {
        let below = self.groups.range(path.to_owned()..);
        let below: Vec<PathBuf> = below
            .map(|(p, _)| p.clone())
            .take_while(|p| p.starts_with(path))
            .collect();
        for path in below {
            self.groups.remove(&path);
        }
    }

    fn walk(&mut self, from: PathBuf) {
        let mut open = vec![from];
        while let Some(path) = open.pop() {
            let place = self.root.join(&path);
            let Ok(metadata) = fs::symlink_metadata(&place) else {
                continue;
            };
            if !metadata.is_dir() || self.groups.len() >= GROUPS_MAX {
                continue;
            }
            let container = path
                .file_name()
                .and_then(|name| identity_of(name.to_str()?))
                .and_then(|_| identity_of(path.to_str()?));
            let group = Group {
                links: metadata.nlink(),
                inode: metadata.ino(),
                container,
            };
            if path.components().count() < DEPTH_MAX {
                open.extend(folders(&place).map(|name| path.join(name)));
            }
            self.groups.insert(path, group);
        }
    }

    /// Containers with their groups, in order of path. An id that two groups carry is told once, of the first.
    pub(crate) fn containers(&self) -> impl Iterator<Item = (&Path, &Identity)> {
        let mut first: BTreeMap<&str, &Path> = BTreeMap::new();
        for (path, group) in &self.groups {
            if let Some(container) = &group.container {
                first.entry(&container.id).or_insert(path);
            }
        }
        self.groups.iter().filter_map(move |(path, group)| {
            let container = group.container.as_ref()?;
            (first.get(container.id.as_str()) == Some(&path.as_path()))
                .then_some((path.as_path(), container))
        })
    }

    pub(crate) fn inode(&self, group: &Path) -> Option<u64> {
        self.groups.get(group).map(|group| group.inode)
    }

    /// Processes of a group and of those below it.
    pub(crate) fn processes<'a>(&'a self, group: &'a Path) -> impl Iterator<Item = u64> + 'a {
        let groups = self.groups.range(group.to_owned()..);
        groups
            .take_while(move |(path, _)| path.starts_with(group))
            .filter_map(|(path, _)| file::read_short(&self.root.join(path).join("cgroup.procs")))
            .flat_map(|pids| {
                let pids: Vec<u64> = pids.lines().filter_map(|pid| pid.parse().ok()).collect();
                pids
            })
            // Processes that this pid namespace does not see read as 0.
            .filter(|pid| *pid > 0)
    }
}

/// Names of the folders in a folder.
fn folders(place: &Path) -> impl Iterator<Item = std::ffi::OsString> {
    let entries = fs::read_dir(place).into_iter().flatten();
    entries.take(ENTRIES_MAX).filter_map(|entry| {
        let entry = entry.ok()?;
        entry.file_type().ok()?.is_dir().then(|| entry.file_name())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn ids(tree: &Tree) -> Vec<String> {
        tree.containers().map(|(_, c)| c.id.clone()).collect()
    }

    fn make(root: &Path, group: &str) {
        fs::create_dir_all(root.join(group)).expect("made");
    }

    #[test]
    fn containers_are_found_wherever_they_lie_and_as_soon_as_they_are_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let other = ID.replace('0', "f");
        make(root, "system.slice/sshd.service");
        make(root, &format!("docker/{ID}/init"));
        let mut tree = Tree::new(root.to_owned());
        tree.refresh(false);
        assert_eq!(ids(&tree), [ID], "a first look is a full one");

        make(root, &format!("system.slice/docker-{other}.scope"));
        tree.refresh(false);
        assert_eq!(ids(&tree), [ID.to_owned(), other.clone()]);

        fs::remove_dir_all(root.join("docker")).expect("removed");
        tree.refresh(false);
        assert_eq!(ids(&tree), [other]);
    }

    #[test]
    fn a_look_at_what_did_not_change_finds_the_same_as_a_full_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        make(root, &format!("a/{ID}/x"));
        make(root, "b/c/d");
        let mut tree = Tree::new(root.to_owned());
        tree.refresh(true);
        let all: Vec<PathBuf> = tree.groups.keys().cloned().collect();
        make(root, "b/c/e");
        fs::remove_dir(root.join("b/c/d")).expect("removed");
        make(root, "b/f/g");
        tree.refresh(false);
        let quick: Vec<PathBuf> = tree.groups.keys().cloned().collect();
        assert_ne!(all, quick);
        // What kept its number of links (b/c: one removed, one made) is found by the next full walk at the latest.
        tree.refresh(true);
        let full: Vec<PathBuf> = tree.groups.keys().cloned().collect();
        assert!(full.iter().any(|p| p.ends_with("b/c/e")));
        assert!(full.iter().any(|p| p.ends_with("b/f/g")));
        assert!(quick.iter().any(|p| p.ends_with("b/f/g")));
    }

    #[test]
    fn an_id_that_stands_twice_is_told_once() {
        let folder = tempfile::tempdir().expect("a folder");
        make(folder.path(), &format!("a/{ID}"));
        make(folder.path(), &format!("b/{ID}"));
        let mut tree = Tree::new(folder.path().to_owned());
        tree.refresh(true);
        assert_eq!(ids(&tree), [ID]);
    }

    #[test]
    fn processes_of_groups_below_are_the_containers() {
        let folder = tempfile::tempdir().expect("a folder");
        let group = folder.path().join("a").join(ID);
        fs::create_dir_all(group.join("init")).expect("made");
        fs::write(group.join("cgroup.procs"), "0\n").expect("written");
        fs::write(group.join("init/cgroup.procs"), "71\nx\n72\n").expect("written");
        let mut tree = Tree::new(folder.path().to_owned());
        tree.refresh(true);
        let pids: Vec<u64> = tree.processes(&Path::new("a").join(ID)).collect();
        assert_eq!(pids, [71, 72]);
    }

    #[test]
    fn a_tree_that_is_not_there_is_empty() {
        let mut tree = Tree::new(PathBuf::from("/nonexistent"));
        tree.refresh(true);
        assert_eq!(tree.containers().count(), 0);
        tree.refresh(false);
        assert_eq!(tree.groups.len(), 0);
    }
}
