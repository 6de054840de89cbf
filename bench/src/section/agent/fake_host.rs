//! Files of a host that there is not: containers of control groups of version 2, processes in them and beside them, senders among those. Figures differ from
//! one to the next, else they would compress to nothing.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

pub(super) const N_CONTAINERS: u64 = 100;
pub(super) const N_PROCESSES: u64 = 500;
/// Of the processes: those in no container.
const N_OUTSIDE: u64 = 100;
/// Of those outside: with a socket towards an OTLP port.
const N_SENDERS: u64 = 10;
const N_SOCKETS: u64 = 1_000;
const N_FILES: u64 = 20;
const N_CPUS: u64 = 16;
const FIRST_PID: u64 = 1_000;
/// Inode of the first socket towards an OTLP port.
const FIRST_INODE: u64 = 70_000;

/// Writes them below `root`: `proc`, `cgroup`, `etc`.
pub(super) fn write(root: &Path) -> io::Result<()> {
    file(
        &root.join("etc/machine-id"),
        "3d1219c7c4c5404aaa1f6d2a48adfda4\n",
    )?;
    let proc = root.join("proc");
    host(&proc)?;
    file(
        &root.join("cgroup/cgroup.controllers"),
        "cpu io memory pids\n",
    )?;
    for n in 0..N_CONTAINERS {
        container(&root.join("cgroup").join(group(n)), n)?;
    }
    for n in 0..N_PROCESSES {
        process(&proc, n)?;
    }
    Ok(())
}

fn file(path: &Path, content: &str) -> io::Result<()> {
    fs::create_dir_all(path.parent().expect("below the root"))?;
    fs::write(path, content)
}

/// A number below `max` that looks like any other.
fn figure(of: u64, which: u64, max: u64) -> u64 {
    let mixed = (of << 8 | which).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) % max
}

fn id(n: u64) -> String {
    (0..4).fold(String::new(), |id, part| {
        format!("{id}{:016x}", figure(n, part, u64::MAX))
    })
}

fn group(n: u64) -> String {
    let uid = format!("{:08x}_0000_4000_8000_{n:012x}", figure(n, 9, 1 << 32));
    format!(
        "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid}.slice/cri-containerd-{}.scope",
        id(n)
    )
}

fn container(place: &Path, n: u64) -> io::Result<()> {
    let f = |which, max| figure(n, which, max);
    let pids: String = (0..N_PROCESSES)
        .filter(|process| container_of(*process) == Some(n))
        .map(|process| format!("{}\n", FIRST_PID + process))
        .collect();
    let stall = format!(
        "some avg10=0.00 avg60=0.00 avg300=0.00 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total={}\n",
        f(1, 1 << 30),
        f(2, 1 << 28)
    );
    for (name, content) in [
        (
            "cpu.stat",
            format!(
                "usage_usec 1\nuser_usec {}\nsystem_usec {}\nnr_periods {}\nnr_throttled {}\nthrottled_usec {}\n",
                f(3, 1 << 40),
                f(4, 1 << 38),
                f(5, 1 << 20),
                f(6, 1 << 12),
                f(7, 1 << 30)
            ),
        ),
        ("cpu.max", "200000 100000\n".to_owned()),
        ("memory.current", format!("{}\n", f(8, 1 << 32))),
        ("memory.max", "4294967296\n".to_owned()),
        (
            "memory.stat",
            format!(
                "anon {}\nfile {}\ninactive_file {}\npgfault {}\npgmajfault {}\n",
                f(9, 1 << 31),
                f(10, 1 << 31),
                f(11, 1 << 30),
                f(12, 1 << 26),
                f(13, 1 << 12)
            ),
        ),
        (
            "memory.events",
            "low 0\nhigh 0\nmax 3\noom 0\noom_kill 0\n".to_owned(),
        ),
        (
            "io.stat",
            format!(
                "259:0 rbytes={} wbytes={} rios={} wios={} dbytes=0 dios=0\n",
                f(14, 1 << 36),
                f(15, 1 << 36),
                f(16, 1 << 20),
                f(17, 1 << 20)
            ),
        ),
        ("pids.current", "4\n".to_owned()),
        ("pids.max", "1024\n".to_owned()),
        ("cpu.pressure", stall.clone()),
        ("memory.pressure", stall.clone()),
        ("io.pressure", stall),
        ("cgroup.procs", pids),
    ] {
        file(&place.join(name), &content)?;
    }
    Ok(())
}

/// The container of a process. `None`: it is beside them.
fn container_of(process: u64) -> Option<u64> {
    (process >= N_OUTSIDE).then_some(process % N_CONTAINERS)
}

fn process(proc: &Path, n: u64) -> io::Result<()> {
    let f = |which, max| figure(n, 32 + which, max);
    let pid = FIRST_PID + n;
    let place = proc.join(pid.to_string());
    let (group, network) = match container_of(n) {
        Some(container) => (group(container), 1 + container),
        None => ("system.slice/app.service".to_owned(), 0),
    };
    for (name, content) in [
        (
            "stat",
            format!(
                "{pid} (app-{}) S 1 {pid} {pid} 0 -1 4194304 {} 0 {} 0 {} {} 0 0 20 0 {} 0 {} 1073741824 {} 184\n",
                n % 17,
                f(1, 1 << 26),
                f(2, 1 << 10),
                f(3, 1 << 22),
                f(4, 1 << 20),
                f(5, 64),
                f(6, 1 << 20),
                f(7, 1 << 18)
            ),
        ),
        (
            "status",
            format!("Name:\tapp\nUmask:\t0022\nState:\tS (sleeping)\nNSpid:\t{pid}\t{}\n", 1 + n / N_CONTAINERS),
        ),
        ("cgroup", format!("0::/{group}\n")),
        (
            "io",
            format!("rchar: 1\nwchar: 1\nread_bytes: {}\nwrite_bytes: {}\n", f(8, 1 << 36), f(9, 1 << 36)),
        ),
        (
            "limits",
            "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1048576              1048576              files     \n"
                .to_owned(),
        ),
        ("net/dev", dev(n)),
    ] {
        file(&place.join(name), &content)?;
    }
    fs::create_dir_all(place.join("fd"))?;
    for fd in 0..N_FILES {
        let inode = match n < N_SENDERS && fd + 1 == N_FILES {
            true => FIRST_INODE + n,
            false => f(100 + fd, FIRST_INODE),
        };
        symlink(
            format!("socket:[{inode}]"),
            place.join("fd").join(fd.to_string()),
        )?;
    }
    fs::create_dir_all(place.join("ns"))?;
    symlink(format!("net:[{network}]"), place.join("ns/net"))
}

fn dev(n: u64) -> String {
    let f = |which: u64| figure(n, 64 + which, 1 << 36);
    let head = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes\n";
    let idle = "    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n";
    format!(
        "{head}{idle}  eth0: {} {} 0 0 0 0 0 0 {} {} 0 0 0 0 0 0\n",
        f(1),
        f(2),
        f(3),
        f(4)
    )
}

fn host(proc: &Path) -> io::Result<()> {
    let f = |which, max| figure(1 << 20, which, max);
    let cpus = (0..N_CPUS).fold(String::new(), |mut text, cpu| {
        let n = |which: u64| figure(cpu, 128 + which, 1 << 30);
        writeln!(
            text,
            "cpu{cpu} {} {} {} {} {} 0 {} 0 0 0",
            n(0),
            n(1),
            n(2),
            n(3),
            n(4),
            n(5)
        )
        .expect("a String takes all text");
        text
    });
    let sockets = (0..N_SOCKETS).fold(
        "  sl  local_address rem_address   st\n".to_owned(),
        |mut text, n| {
            let (port, inode) = match n < N_SENDERS {
                true => (4317, FIRST_INODE + n),
                false => (443, 90_000 + n),
            };
            writeln!(
                text,
                "{n:4}: 0100007F:{:04X} 0100007F:{port:04X} 01 00000000:00000000 00:00000000 00000000  1000        0 {inode} 1 0000000000000000 20 4 30 10 -1",
                30_000 + n
            )
            .expect("a String takes all text");
            text
        },
    );
    for (name, content) in [
        (
            "stat",
            format!("cpu  1 2 3 4 5 6 7 0 0 0\n{cpus}intr 5\nbtime 1700000000\n"),
        ),
        ("uptime", "1987130.30 39000.12\n".to_owned()),
        ("loadavg", "4.22 4.27 3.43 3/950 4894\n".to_owned()),
        (
            "meminfo",
            "MemTotal: 65536000 kB\nMemFree: 4000000 kB\nMemAvailable: 40000000 kB\nBuffers: 100 kB\nCached: 9000000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n".to_owned(),
        ),
        (
            "vmstat",
            format!("pgfault {}\npgmajfault {}\npswpin 0\npswpout 0\noom_kill 0\n", f(1, 1 << 36), f(2, 1 << 20)),
        ),
        (
            "diskstats",
            format!("259 0 nvme0n1 {} 2 {} 4000 {} 6 {} 8000 1 {} 9\n", f(3, 1 << 30), f(4, 1 << 36), f(5, 1 << 30), f(6, 1 << 36), f(7, 1 << 30)),
        ),
        ("1/mounts", "/dev/nvme0n1 / ext4 rw 0 0\n".to_owned()),
        ("1/net/dev", dev(1 << 20)),
        (
            "1/net/snmp",
            format!("Tcp: CurrEstab InSegs OutSegs RetransSegs\nTcp: {} {} {} {}\n", f(8, 1 << 12), f(9, 1 << 36), f(10, 1 << 36), f(11, 1 << 24)),
        ),
        ("1/net/sockstat", "TCP: inuse 900 orphan 0 tw 40 alloc 1000 mem 9\n".to_owned()),
        ("1/net/tcp", sockets),
    ] {
        file(&proc.join(name), &content)?;
    }
    fs::create_dir_all(proc.join("1/ns"))?;
    symlink("net:[0]", proc.join("1/ns/net"))
}
