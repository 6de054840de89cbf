//! The groups there are. In: one tree of control groups. Out: the containers in it and their processes.
//!
//! The kernel tells where something was made or removed, and only there it looks again. Where folders cannot be watched, the number of links tells: that of a
//! group is the number of its own groups and two. It stays the same where one was removed and one made between two looks, which a full walk now and then finds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::identity::{Identity, identity_of};
use super::watch::{Changes, Watch, WatchError, WatchId};
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
    /// `None`: folders cannot be watched.
    watch: Option<Watch>,
}

#[derive(Debug)]
struct Group {
    watch: Option<WatchId>,
    links: u64,
    inode: u64,
    container: Option<Identity>,
}

impl Tree {
    pub(crate) fn new(root: PathBuf) -> Self {
        let mut tree = Self::unwatched(root);
        match Watch::new() {
            Ok(watch) => tree.watch = Some(watch),
            Err(error) => tell_unwatched(error),
        }
        tree
    }

    pub(super) fn unwatched(root: PathBuf) -> Self {
        Self {
            root,
            groups: BTreeMap::new(),
            watch: None,
        }
    }

    /// Looks again: everywhere where `full`, else where something changed.
    pub(crate) fn refresh(&mut self, full: bool) {
        let changes = match self.watch.as_mut() {
            _ if full || self.groups.is_empty() => Changes::Anywhere,
            Some(watch) => watch.changes(),
            None => self.changes_of_links(),
        };
        match changes {
            Changes::At(groups) => {
                for group in groups {
                    self.forget(&group);
                    self.walk(group);
                }
            }
            Changes::Anywhere => self.walk_all(),
        }
    }

    fn walk_all(&mut self) {
        self.groups.clear();
        self.walk(PathBuf::new());
        if let Some(watch) = &mut self.watch {
            let watched = self.groups.values().filter_map(|group| group.watch);
            watch.keep(&watched.collect());
        }
    }

    /// Groups in which others were made or removed.
    fn changes_of_links(&self) -> Changes {
        let has_changed = |(path, group): (&PathBuf, &Group)| {
            let links = fs::metadata(self.root.join(path)).map(|m| m.nlink()).ok();
            (links != Some(group.links)).then(|| path.clone())
        };
        Changes::At(self.groups.iter().filter_map(has_changed).collect())
    }

    /// Forgets a group and those below it.
    fn forget(&mut self, path: &Path) {
        let below = self.groups.range(path.to_owned()..);
        let below: BTreeSet<PathBuf> = below
            .map(|(p, _)| p.clone())
            .take_while(|p| p.starts_with(path))
            .collect();
        for path in below {
            let group = self.groups.remove(&path);
            self.unwatch(group.and_then(|group| group.watch));
        }
    }

    fn walk(&mut self, from: PathBuf) {
        let mut open = vec![from];
        while let Some(path) = open.pop() {
            if self.groups.len() >= GROUPS_MAX {
                return;
            }
            let place = self.root.join(&path);
            // Below the deepest nothing is looked for.
            let is_listed = path.components().count() < DEPTH_MAX;
            // Before it is looked at, so that nothing happens unseen between the two.
            let watch = is_listed.then(|| self.watch(&place, &path)).flatten();
            let Some(group) = Group::read(&place, &path, watch) else {
                self.unwatch(watch);
                continue;
            };
            if is_listed {
                open.extend(folders(&place).map(|name| path.join(name)));
            }
            self.groups.insert(path, group);
        }
    }

    fn watch(&mut self, place: &Path, path: &Path) -> Option<WatchId> {
        match self.watch.as_mut()?.add(place, path) {
            Ok(id) => Some(id),
            Err(WatchError::Gone) => None,
            Err(error) => {
                tell_unwatched(error);
                self.watch = None;
                None
            }
        }
    }

    fn unwatch(&mut self, id: Option<WatchId>) {
        if let (Some(watch), Some(id)) = (&mut self.watch, id) {
            watch.remove(id);
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

    #[cfg(test)]
    pub(super) fn is_watched(&self) -> bool {
        self.watch.is_some()
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

impl Group {
    /// `None` where there is no folder.
    fn read(place: &Path, path: &Path, watch: Option<WatchId>) -> Option<Self> {
        let metadata = fs::symlink_metadata(place).ok()?;
        let container = path
            .file_name()
            .and_then(|name| identity_of(name.to_str()?))
            .and_then(|_| identity_of(path.to_str()?));
        metadata.is_dir().then(|| Self {
            watch,
            links: metadata.nlink(),
            inode: metadata.ino(),
            container,
        })
    }
}

/// Says why folders are not watched; a tree that does without goes on doing so.
fn tell_unwatched(error: WatchError) {
    tracing::warn!(
        code = "TW8009",
        "control groups cannot be watched, all are looked at each second instead: {error}"
    );
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

    /// A tree that is watched, and one that is looked at.
    fn both(root: &Path) -> [Tree; 2] {
        let watched = Tree::new(root.to_owned());
        assert!(watched.watch.is_some(), "a few folders can be watched");
        [watched, Tree::unwatched(root.to_owned())]
    }

    #[test]
    fn containers_are_found_wherever_they_lie_and_as_soon_as_they_are_made() {
        for is_watched in [true, false] {
            found_as_soon_as_made(is_watched);
        }
    }

    fn found_as_soon_as_made(is_watched: bool) {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let other = ID.replace('0', "f");
        make(root, "system.slice/sshd.service");
        make(root, &format!("docker/{ID}/init"));
        let [watched, unwatched] = both(root);
        let mut tree = if is_watched { watched } else { unwatched };
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
        let [_, mut tree] = both(root);
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
    fn a_group_made_in_the_second_in_which_another_went_is_seen_by_a_watch() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        make(root, &format!("docker/{ID}/init"));
        let [mut tree, _] = both(root);
        tree.refresh(true);
        // The number of links of `docker` is what it was: as after each restart of a container that lives for seconds.
        let other = ID.replace('0', "f");
        fs::remove_dir_all(root.join("docker").join(ID)).expect("removed");
        make(root, &format!("docker/{other}/init"));
        tree.refresh(false);
        assert_eq!(ids(&tree), std::slice::from_ref(&other));
        // Made again under its name, it is another.
        let place = Path::new("docker").join(&other);
        let before = tree.inode(&place);
        fs::create_dir(root.join("next")).expect("made");
        fs::remove_dir_all(root.join(&place)).expect("removed");
        fs::rename(root.join("next"), root.join(&place)).expect("moved");
        tree.refresh(false);
        assert_eq!(ids(&tree), [other]);
        assert_ne!(tree.inode(&place), before);
    }

    #[test]
    fn a_watch_is_given_back_when_its_group_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        make(root, "a/b/c");
        let [mut tree, _] = both(root);
        let n_watches = |tree: &Tree| tree.watch.as_ref().map(Watch::n_watches);
        for full in [false, true] {
            tree.refresh(true);
            assert_eq!(n_watches(&tree), Some(4));
            fs::remove_dir_all(root.join("a/b")).expect("removed");
            tree.refresh(full);
            assert_eq!(n_watches(&tree), Some(2));
            make(root, "a/b/c");
        }
    }

    #[test]
    fn more_events_than_the_kernel_keeps_are_a_full_walk() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").expect("Linux");
        let limit: usize = limit.trim().parse().expect("a number");
        let [mut tree, _] = both(root);
        tree.refresh(true);
        let names = [root.join("x"), root.join("y")];
        fs::write(&names[0], "").expect("written");
        for n in 0..=limit / 2 {
            fs::rename(&names[n % 2], &names[(n + 1) % 2]).expect("renamed");
        }
        make(root, ID);
        let told = tree.watch.as_mut().expect("watched").changes();
        assert_eq!(told, Changes::Anywhere);
        make(root, "again");
        tree.refresh(false);
        tree.refresh(true);
        assert_eq!(ids(&tree), [ID]);
    }

    #[test]
    fn a_tree_that_can_be_watched_no_more_is_looked_at() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        make(root, "a/b/c");
        let [mut tree, _] = both(root);
        tree.watch.as_mut().expect("watched").limit(4);
        tree.refresh(true);
        tree.refresh(true);
        assert!(tree.watch.is_some(), "the same four again");
        make(root, "a/d");
        tree.refresh(false);
        assert!(tree.watch.is_none(), "a fifth is too many");
        assert_eq!(tree.groups.len(), 5, "and is seen all the same");
        make(root, ID);
        tree.refresh(false);
        assert_eq!(ids(&tree), [ID]);
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
