//! Sockets and open files of a fake host, and of this machine.

use super::*;
use crate::fake_files::FakeFiles;
use crate::process::stat::Stat;

const SECOND_NS: u64 = 1_000_000_000;
const NOW_NS: u64 = 1_700_000_000 * SECOND_NS;
/// 4317 as tables have it.
const OTLP: &str = "10DD";

/// A fake `/proc`.
struct Host {
    files: FakeFiles,
    candidates: Vec<Candidate>,
}

impl Host {
    /// With processes from 1 on, none of them in a container, each with some files that are no sockets.
    fn of(n_processes: u64) -> Self {
        let files = FakeFiles::new();
        let candidates = (1..=n_processes).map(|pid| candidate(pid, 7)).collect();
        for pid in 1..=n_processes {
            files.file(&format!("{pid}/fd/0"), "");
            files.link(&format!("{pid}/fd/1"), "pipe:[1]");
        }
        Self { files, candidates }
    }

    fn senders(&self) -> Senders {
        Senders::new(self.files.at(""), "http://127.0.0.1:4317")
    }

    /// The table of sockets: far port and inode.
    fn sockets(&self, table: &str, sockets: &[(&str, u64)]) {
        let lines = sockets.iter().map(|(port, inode)| {
            format!(
                "   0: 0100007F:CFFA 0100007F:{port} 01 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0 20 4 30 10 -1\n"
            )
        });
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
        let text: String = std::iter::once(head.to_owned()).chain(lines).collect();
        self.files.file(&format!("1/net/{table}"), &text);
    }

    fn open(&self, pid: u64, fd: u64, inode: u64) {
        self.files
            .link(&format!("{pid}/fd/{fd}"), &format!("socket:[{inode}]"));
    }

    fn found(&self, senders: &mut Senders, at_s: u64) -> Vec<u64> {
        let found = senders.find(&self.candidates, NOW_NS + at_s * SECOND_NS);
        found.into_iter().collect()
    }
}

fn candidate(pid: u64, start_ticks: u64) -> Candidate {
    let line =
        format!("{pid} (app) S 1 2 3 0 -1 4 5 0 6 0 1 2 0 0 20 0 3 0 {start_ticks} 4096 7 0");
    Candidate {
        pid,
        stat: Stat::parse(&line).expect("a line"),
        recent_ticks: 0,
        container: None,
        sends: false,
    }
}

#[test]
fn whoever_has_a_socket_towards_an_otlp_port_sends() {
    let host = Host::of(9);
    for (pid, inode) in [(2, 102), (3, 103), (4, 104), (5, 105), (6, 106)] {
        host.open(pid, 3, inode);
    }
    // 5 is connected elsewhere, 6 listens at the port itself: its own end has it, and the far end has none.
    host.sockets("tcp", &[(OTLP, 102), ("01BB", 105), ("0000", 106)]);
    host.sockets("tcp6", &[("10DE", 103), ("1234", 104), (OTLP, 0)]);
    assert_eq!(host.found(&mut host.senders(), 0), [2, 3]);
    let own = &mut Senders::new(host.files.at(""), "http://collector:4660");
    assert_eq!(host.found(own, 0), [2, 3, 4], "the agent's own port counts");
}

#[test]
fn a_process_that_connects_and_closes_is_remembered_for_a_while() {
    let host = Host::of(3);
    let senders = &mut host.senders();
    host.open(2, 3, 102);
    host.sockets("tcp", &[(OTLP, 102)]);
    assert_eq!(host.found(senders, 0), [2]);
    host.sockets("tcp", &[]);
    assert_eq!(host.found(senders, 290), [2]);
    assert!(host.found(senders, 301).is_empty());
}

#[test]
fn another_process_under_the_same_pid_is_no_sender() {
    let mut host = Host::of(3);
    let senders = &mut host.senders();
    host.open(2, 3, 102);
    host.sockets("tcp", &[(OTLP, 102)]);
    assert_eq!(host.found(senders, 0), [2]);
    host.sockets("tcp", &[]);
    host.candidates[1] = candidate(2, 8);
    assert!(host.found(senders, 10).is_empty());
}

#[test]
fn a_socket_is_looked_for_once() {
    let host = Host::of(3);
    let senders = &mut host.senders();
    host.open(2, 3, 102);
    host.sockets("tcp", &[(OTLP, 102), (OTLP, 999)]);
    assert_eq!(host.found(senders, 0), [2]);
    assert_eq!(senders.sockets[&999], Owner::Nobody);
    // Were files read again, the one that has it now would be found.
    host.open(3, 3, 999);
    assert_eq!(host.found(senders, 10), [2]);
    assert!(senders.pass.is_empty());
    // A new socket is: and with it the other is not looked for either.
    host.open(3, 4, 103);
    host.sockets("tcp", &[(OTLP, 102), (OTLP, 999), (OTLP, 103)]);
    assert_eq!(host.found(senders, 20), [2, 3]);
}

#[test]
fn a_socket_outlives_the_process_that_it_was_found_at() {
    let mut host = Host::of(3);
    let senders = &mut host.senders();
    for pid in [2, 3] {
        host.open(pid, 3, 102);
    }
    host.sockets("tcp", &[(OTLP, 102)]);
    assert_eq!(host.found(senders, 0), [2]);
    host.candidates.remove(1);
    assert_eq!(host.found(senders, 10), [3], "the child has it too");
}

#[test]
fn a_reading_looks_at_so_many_files_and_the_next_goes_on() {
    let host = Host::of(4);
    for fd in 2..FILES_MAX as u64 {
        host.files.link(&format!("1/fd/{fd}"), "pipe:[1]");
    }
    host.open(4, 3, 104);
    host.sockets("tcp", &[(OTLP, 104)]);
    let senders = &mut host.senders();
    assert!(host.found(senders, 0).is_empty());
    assert_eq!(senders.pass.len(), 3);
    assert_eq!(host.found(senders, 10), [4]);
    assert!(senders.pass.is_empty());
    host.open(4, 4, 105);
    host.sockets("tcp", &[(OTLP, 104), (OTLP, 105)]);
    assert_eq!(host.found(senders, 20), [4]);
    assert_eq!(
        senders.sockets[&105],
        Owner::Process((4, 7)),
        "who sent before is looked into first"
    );
}

#[test]
fn long_tables_are_read_once_a_minute() {
    let host = Host::of(3);
    let senders = &mut host.senders();
    let mut sockets: Vec<(&str, u64)> = (1..=3_000).map(|n| ("01BB", 1_000 + n)).collect();
    host.open(2, 3, 102);
    sockets.push((OTLP, 102));
    host.sockets("tcp6", &sockets);
    assert_eq!(host.found(senders, 0), [2]);
    host.open(3, 3, 103);
    sockets.push((OTLP, 103));
    host.sockets("tcp6", &sockets);
    for s in [10, 59] {
        assert_eq!(host.found(senders, s), [2]);
    }
    assert_eq!(host.found(senders, 60), [2, 3]);
    host.sockets("tcp6", &[(OTLP, 102)]);
    host.found(senders, 120);
    assert_eq!(senders.long_unix_ns, None, "short ones are read each time");
}

#[test]
fn those_in_containers_and_of_the_kernel_are_not_looked_into() {
    let mut host = Host::of(3);
    for pid in 1..=3 {
        host.open(pid, 3, 100 + pid);
    }
    host.sockets("tcp", &[(OTLP, 101), (OTLP, 102), (OTLP, 103)]);
    host.candidates[0].stat.virtual_bytes = 0;
    host.candidates[1].container = crate::container::identity_of(&"a".repeat(64));
    assert_eq!(host.found(&mut host.senders(), 0), [3]);
}

#[test]
fn more_sockets_than_are_followed_and_damaged_tables_do_no_harm() {
    let host = Host::of(2);
    let many: Vec<(&str, u64)> = (1..=SOCKETS_MAX as u64 + 9).map(|n| (OTLP, n)).collect();
    host.sockets("tcp", &many);
    let senders = &mut host.senders();
    assert!(host.found(senders, 0).is_empty());
    assert_eq!(senders.sockets.len(), SOCKETS_MAX);
    for table in [
        "",
        "\n\n",
        "0: a b",
        "0: a b:10DD",
        "0: a b:10DD 01 0 0 0 0 0 x",
        "0: a b:10DD 01 0 0 0 0 0 18446744073709551616",
        "0: a :FFFFF 01 0 0 0 0 0 5",
        "\0",
    ] {
        host.files.file("1/net/tcp", table);
        assert!(host.found(senders, 10).is_empty(), "{table:?}");
    }
    assert_eq!(socket(Path::new("socket:[]")), None);
    assert_eq!(socket(Path::new("socket:[5")), None);
    assert_eq!(socket(Path::new("/dev/null")), None);
}

#[test]
fn this_process_is_found_by_its_own_socket() {
    // A port of our own, since others may use the customary ones here.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("bound");
    let stream = std::net::TcpStream::connect(address).expect("somebody listens");
    let mut senders = Senders::new("/proc".into(), &format!("http://{address}"));
    let own = u64::from(std::process::id());
    let stat = Stat::read(Path::new("/proc"), own).expect("this process runs");
    let candidates = [Candidate {
        stat,
        ..candidate(own, 0)
    }];
    assert!(senders.find(&candidates, NOW_NS).contains(&own));
    drop(stream);
}
