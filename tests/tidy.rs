//! What a compiler does not check: which crate may use which, which modules stay pure, what may stand in the lock file, and that the documents name
//! what is there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Arrows of crates: a folder and what it may use of ours. The same table stands in ARCHITECTURE.md in words.
const ARROWS: &[(&str, &[&str])] = &[
    ("telemetry", &[]),
    ("bus", &["telemetry"]),
    ("blocks", &["telemetry"]),
    ("collector", &["telemetry", "bus"]),
    ("trace-store", &["telemetry", "blocks"]),
    ("service-map", &["telemetry"]),
    (
        "sampler",
        &["telemetry", "bus", "blocks", "trace-store", "service-map"],
    ),
    ("metrics", &["telemetry", "bus", "blocks"]),
    (
        "query",
        &[
            "telemetry",
            "blocks",
            "trace-store",
            "metrics",
            "service-map",
        ],
    ),
    ("agent", &["telemetry"]),
    (
        "server",
        &[
            "telemetry",
            "bus",
            "blocks",
            "collector",
            "sampler",
            "trace-store",
            "metrics",
            "service-map",
            "query",
            "agent",
        ],
    ),
];

/// Modules that are pure functions: no clock, randomness, I/O, async, nor order of a hash map.
const PURE: &[&str] = &[
    "sampler/src/shard",
    "sampler/src/policy",
    "sampler/src/red",
    "service-map/src/communities",
    "service-map/src/diff",
    "service-map/src/edge",
    "service-map/src/entity",
    "service-map/src/graph",
    "service-map/src/layout",
    "service-map/src/reach",
    "telemetry/src/entity",
    "telemetry/src/signals",
];

/// What no pure module may name.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::time::Instant",
    "SystemTime",
    "tokio::",
    "async fn",
    "rand::",
    "Clock::host",
    ".monotonic()",
    "std::collections::HashMap",
];

/// Crates of which one version is allowed.
const SINGLE: &[&str] = &["tonic", "prost", "rustls", "zstd", "petgraph", "tower-http"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ has a parent")
        .to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names in the `[dependencies]` section of a manifest.
fn dependencies(manifest: &str) -> Vec<&str> {
    let section = manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['));
    section
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                rust_files(&path)
            } else {
                vec![path]
            }
        })
        .filter(|p| p.extension().is_some_and(|e| e == "rs"))
        .collect()
}

#[test]
fn crates_use_only_what_the_architecture_allows() {
    let ours: Vec<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    for (name, allowed) in ARROWS {
        let manifest = read(&root().join(name).join("Cargo.toml"));
        for used in dependencies(&manifest)
            .into_iter()
            .filter(|used| ours.contains(used))
        {
            assert!(
                allowed.contains(&used),
                "{name} uses {used}: a new arrow is a discussed change"
            );
        }
    }
}

#[test]
fn pure_modules_name_nothing_impure() {
    for module in PURE {
        let mut files = rust_files(&root().join(module));
        files.push(root().join(format!("{module}.rs")));
        files.retain(|file| !file.ends_with("tests.rs"));
        for file in files {
            let text = read(&file);
            let code = text
                .split("#[cfg(test)]\nmod tests")
                .next()
                .unwrap_or_default();
            let lines = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            for line in lines {
                let named = IMPURE.iter().find(|impure| line.contains(*impure));
                assert!(
                    named.is_none(),
                    "{} names {}: {line}",
                    file.display(),
                    named.unwrap_or(&"")
                );
            }
        }
    }
}

#[test]
fn the_lock_file_has_one_version_of_what_must_be_one() {
    let lock = read(&root().join("Cargo.lock"));
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |key: &str| {
            package.lines().find_map(|line| {
                line.strip_prefix(key)?
                    .strip_prefix(" = \"")?
                    .strip_suffix('"')
            })
        };
        let (name, version) = (
            field("name").expect("a package has a name"),
            field("version").expect("and a version"),
        );
        versions.entry(name).or_default().push(version);
        if let Some(source) = field("source") {
            assert!(
                source.starts_with("registry+"),
                "{name} comes from {source}"
            );
        }
    }
    for name in SINGLE {
        assert!(
            versions.get(name).is_none_or(|found| found.len() == 1),
            "{name} is there as {:?}",
            versions[name]
        );
    }
    assert!(
        !versions.contains_key("aws-lc-sys"),
        "aws-lc-sys is in the graph: two rustls providers panic"
    );
}

#[test]
fn no_file_is_called_mod_rs_nor_utils() {
    for (name, _) in ARROWS {
        for file in rust_files(&root().join(name).join("src")) {
            let stem = file
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or_default();
            let vague = [
                "mod", "utils", "util", "common", "manager", "helper", "helpers",
            ];
            assert!(
                !vague.contains(&stem),
                "{} says nothing by its name",
                file.display()
            );
        }
    }
}

/// Every document of the project: those at the top and all of `docs/`.
fn documents() -> Vec<PathBuf> {
    let folders = ["", "docs", "docs/formats", "docs/decisions"];
    let entries = folders.map(|folder| std::fs::read_dir(root().join(folder)));
    let files = entries.into_iter().flatten().flatten();
    let paths = files.map(|entry| entry.expect("a readable folder").path());
    let mut found: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    found.sort();
    found
}

/// Where the links of a line lead.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let begun = line.split("](").skip(1);
    begun.filter_map(|rest| Some(rest.split_once(')')?.0))
}

#[test]
fn documents_link_to_what_is_there() {
    for document in documents() {
        for line in read(&document).lines() {
            for link in links(line) {
                let path = link.split('#').next().unwrap_or_default();
                let is_ours = !path.is_empty() && !link.contains("://");
                let folder = document.parent().expect("a document lies in a folder");
                assert!(
                    !is_ours || folder.join(path).exists(),
                    "{} links to {link}, which is not there",
                    document.display()
                );
            }
        }
    }
}

#[test]
fn documents_name_folders_and_files_that_are_there() {
    let folders: Vec<&str> = ARROWS
        .iter()
        .map(|(name, _)| *name)
        .chain(["bench", "docs", "tests"])
        .collect();
    let is_path = |text: &str| {
        let first = text.split('/').next().unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        text.contains('/') && folders.contains(&first) && text.chars().all(plain)
    };
    for document in documents() {
        // a log of changes names what was there
        if document.ends_with("CHANGELOG.md") {
            continue;
        }
        for line in read(&document).lines() {
            let quoted = line.split('`').skip(1).step_by(2);
            for path in quoted.filter(|text| is_path(text)) {
                let at = root().join(path);
                assert!(
                    at.exists() || at.with_extension("rs").exists(),
                    "{} names {path}, which is not there",
                    document.display()
                );
            }
        }
    }
}
