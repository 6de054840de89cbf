//! Which processes are told of. Pure.

use std::collections::BTreeSet;

use super::stat::Stat;
use crate::container::Identity;

/// Processes that are told of for their CPU, and as many for their memory.
const TOP: usize = 20;

/// A process that may be told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) pid: u64,
    pub(super) stat: Stat,
    /// CPU time since the last reading; since its start where there was none.
    pub(super) recent_ticks: u64,
    pub(super) container: Option<Identity>,
    /// Whether it sends spans, or did lately, from outside containers.
    pub(super) sends: bool,
}

impl Candidate {
    /// Pid and start: pids come again.
    pub(super) fn key(&self) -> (u64, u64) {
        (self.pid, self.stat.start_ticks)
    }
}

/// The [`TOP`] by CPU and by memory, then those that send spans, then those in containers, whose container is told of anyway; of both with most CPU first,
/// `processes_max` together. In order of pid.
pub(super) fn select(mut candidates: Vec<Candidate>, processes_max: usize) -> Vec<Candidate> {
    let by = |figure: &dyn Fn(&Candidate) -> u64, limit: usize| {
        let mut order: Vec<(u64, u64)> = candidates
            .iter()
            .map(|candidate| (figure(candidate), candidate.pid))
            .filter(|(figure, _)| *figure > 0)
            .collect();
        order.sort_unstable_by_key(|(figure, pid)| (std::cmp::Reverse(*figure), *pid));
        order.into_iter().map(|(_, pid)| pid).take(limit).collect()
    };
    let cpu: Vec<u64> = by(&|c| c.recent_ticks, TOP);
    let memory: Vec<u64> = by(&|c| c.stat.rss_pages, TOP);
    // One more than it used, so that an idle process counts too.
    let one_more = |c: &Candidate, counts: bool| match counts {
        true => c.recent_ticks.saturating_add(1),
        false => 0,
    };
    let sending: Vec<u64> = by(&|c| one_more(c, c.sends), processes_max);
    let contained: Vec<u64> = by(&|c| one_more(c, c.container.is_some()), processes_max);
    let order = [cpu, memory, sending, contained];
    let mut told = BTreeSet::new();
    for pid in order.into_iter().flatten() {
        if told.len() >= processes_max {
            break;
        }
        told.insert(pid);
    }
    candidates.retain(|candidate| told.contains(&candidate.pid));
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(pid: u64, recent_ticks: u64, rss_pages: u64, contained: bool) -> Candidate {
        Candidate {
            pid,
            stat: Stat {
                name: String::new(),
                minor_faults: 0,
                major_faults: 0,
                user_ticks: 0,
                system_ticks: 0,
                n_threads: 1,
                start_ticks: 0,
                virtual_bytes: 1,
                rss_pages,
            },
            recent_ticks,
            container: contained.then(|| Identity {
                id: "a".repeat(64),
                pod_uid: None,
            }),
            sends: false,
        }
    }

    fn sender(pid: u64, recent_ticks: u64) -> Candidate {
        Candidate {
            sends: true,
            ..candidate(pid, recent_ticks, 0, false)
        }
    }

    fn pids(candidates: Vec<Candidate>, max: usize) -> Vec<u64> {
        select(candidates, max).into_iter().map(|c| c.pid).collect()
    }

    #[test]
    fn the_top_by_cpu_and_by_memory_are_told() {
        let candidates: Vec<Candidate> = (1..=100)
            .map(|pid| candidate(pid, pid, 101 - pid, false))
            .collect();
        let expected: Vec<u64> = (1..=20).chain(81..=100).collect();
        assert_eq!(pids(candidates, 200), expected);
    }

    #[test]
    fn everything_in_containers_is_told_even_idle() {
        let candidates = vec![candidate(1, 0, 0, false), candidate(2, 0, 0, true)];
        assert_eq!(pids(candidates, 200), [2]);
    }

    #[test]
    fn a_quiet_process_that_sends_spans_is_told() {
        let mut candidates: Vec<Candidate> = (1..=100)
            .map(|pid| candidate(pid, 200 - pid, 100, false))
            .collect();
        candidates.push(sender(101, 0));
        let expected: Vec<u64> = (1..=20).chain([101]).collect();
        assert_eq!(pids(candidates, 200), expected);
    }

    #[test]
    fn where_not_all_fit_the_top_comes_before_senders_and_they_before_containers() {
        let top = (1..=20).map(|pid| candidate(pid, 1_000, 1_000, false));
        let senders = (21..=30).map(|pid| sender(pid, pid));
        let contained = (31..=300).map(|pid| candidate(pid, pid, 1, true));
        let all: Vec<Candidate> = top.chain(senders).chain(contained).collect();
        let busiest: Vec<u64> = (282..=300).rev().chain([281]).collect();
        let mut expected: Vec<u64> = (1..=30).chain(busiest).collect();
        expected.sort_unstable();
        assert_eq!(pids(all.clone(), 50), expected);
        let expected: Vec<u64> = (1..=20).chain(26..=30).collect();
        assert_eq!(pids(all.clone(), 25), expected, "senders with most CPU");
        assert_eq!(pids(all, 10), (1..=10).collect::<Vec<u64>>());
    }

    #[test]
    fn the_bound_holds_and_those_that_use_most_come_first() {
        let candidates: Vec<Candidate> = (1..=500)
            .map(|pid| candidate(pid, 501 - pid, 1, true))
            .collect();
        let told = pids(candidates, 200);
        assert_eq!(told, (1..=200).collect::<Vec<u64>>());
        assert_eq!(pids(vec![candidate(1, 1, 1, true)], 0), Vec::<u64>::new());
    }
}
