//! Which container a control group is of, by its path. Pure.

/// A container, and the pod it is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    /// 64 hex digits, lower-case.
    pub(crate) id: String,
    /// With hyphens, as Kubernetes writes it; 32 hex digits for pods that a file defines.
    pub(crate) pod_uid: Option<String>,
}

/// The innermost container on the path of a group, such as `/kubepods.slice/kubepods-pod….slice/cri-containerd-….scope`. Groups below it are its own.
pub(crate) fn identity_of(path: &str) -> Option<Identity> {
    let ends = path.rmatch_indices('/').map(|(at, _)| at);
    std::iter::once(path.len()).chain(ends).find_map(|end| {
        let path = path.get(..end)?;
        let id = container_id(path.rsplit('/').next()?)?;
        Some(Identity {
            id,
            pod_uid: path.rsplit(['/', ':']).find_map(pod_uid),
        })
    })
}

/// The id in a group's name: alone (docker, containerd, ECS), or after the name of its maker (`docker-….scope`, `cri-containerd-….scope`,
/// `crio-….scope`, `libpod-….scope`, `….slice:cri-containerd:…`). Groups of monitors (conmon) carry the id of a container that they are not.
fn container_id(name: &str) -> Option<String> {
    let name = name.strip_suffix(".scope").unwrap_or(name);
    let (maker, id) = match name.rfind(['-', ':']) {
        Some(at) => (name.get(..at)?, name.get(at + 1..)?),
        None => ("", name),
    };
    let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_id && !maker.ends_with("conmon")).then(|| id.to_ascii_lowercase())
}

/// The uid in the name of a pod's group: `pod<uid>`, `kubepods-burstable-pod<uid with _ for ->.slice`.
fn pod_uid(name: &str) -> Option<String> {
    let name = name.strip_suffix(".slice").unwrap_or(name);
    let (before, uid) = name.rsplit_once("pod")?;
    let uid = uid.replace('_', "-").to_ascii_lowercase();
    let hex = uid.bytes().filter(u8::is_ascii_hexdigit).count();
    let hyphens = uid.bytes().filter(|byte| *byte == b'-').count();
    let is_uid = hex == 32 && uid.len() == hex + hyphens && (hyphens == 0 || hyphens == 4);
    (is_uid && (before.is_empty() || before.ends_with('-'))).then_some(uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "0f1e2d3c-0000-1111-2222-333344445555";

    /// `#` stands for the id, `%` for the uid, `$` for the uid as systemd's names have it.
    #[track_caller]
    fn check(path: &str, pod_uid: Option<&str>) {
        let path = path
            .replace('#', ID)
            .replace('%', UID)
            .replace('$', &UID.replace('-', "_"));
        let expected = Identity {
            id: ID.to_owned(),
            pod_uid: pod_uid.map(str::to_owned),
        };
        assert_eq!(identity_of(&path), Some(expected), "{path}");
    }

    #[test]
    fn every_runtime_is_known() {
        for path in [
            "#",
            "/#",
            "/docker/#",
            "/system.slice/docker-#.scope",
            "/ecs/task/#",
            "/machine.slice/libpod-#.scope",
            "/machine.slice/libpod-#.scope/container",
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-#.scope",
            "/system.slice/containerd.service/#",
            "/../../docker/#",
        ] {
            check(path, None);
        }
        for path in [
            "/kubepods/burstable/pod%/#",
            "/kubepods/pod%/#",
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod$.slice/cri-containerd-#.scope",
            "/kubepods.slice/kubepods-pod$.slice/crio-#.scope",
            "/system.slice/containerd.service/kubepods-besteffort-pod$.slice:cri-containerd:#",
            "/kubelet/kubepods/pod%/#/inner",
        ] {
            check(path, Some(UID));
        }
    }

    #[test]
    fn upper_case_is_the_same_container() {
        let upper = ID.to_ascii_uppercase();
        assert_eq!(identity_of(&upper).map(|i| i.id).as_deref(), Some(ID));
    }

    #[test]
    fn other_groups_are_no_containers() {
        for path in [
            "",
            "/",
            "/system.slice/sshd.service",
            "/machine.slice/libpod-conmon-#.scope",
            "/kubepods.slice/crio-conmon-#.scope",
            "/docker/#0",
            "/docker/x#",
            "/process_api/37618bc3fde2bc5bf6ff404044afbd59",
            "/é-é",
            "//-/:",
        ] {
            assert_eq!(identity_of(&path.replace('#', ID)), None, "{path}");
        }
    }

    #[test]
    fn pods_of_files_have_a_hash_for_uid() {
        let hash = "6f1a7d5c9b3e4f2a8d6c5b4a39281706";
        let found = identity_of(&format!("/kubepods/burstable/pod{hash}/{ID}"));
        assert_eq!(found.and_then(|i| i.pod_uid).as_deref(), Some(hash));
        assert_eq!(pod_uid("podman"), None);
        assert_eq!(pod_uid("kubepods"), None);
    }
}
