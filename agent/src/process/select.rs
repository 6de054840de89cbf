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
}

/// The [`TOP`] by CPU and by memory, then those in containers with most CPU, `processes_max` together; in order of pid.
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
    // One more than it used, so that an idle process of a container counts too.
    let in_container = |c: &Candidate| match c.container {
        Some(_) => c.recent_ticks.saturating_add(1),
        None => 0,
    };
    let contained: Vec<u64> = by(&in_container, processes_max);
    let mut told = BTreeSet::new();
    for pid in cpu.into_iter().chain(memory).chain(contained) {
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
    fn the_bound_holds_and_those_that_use_most_come_first() {
        let candidates: Vec<Candidate> = (1..=500)
            .map(|pid| candidate(pid, 501 - pid, 1, true))
            .collect();
        let told = pids(candidates, 200);
        assert_eq!(told, (1..=200).collect::<Vec<u64>>());
        assert_eq!(pids(vec![candidate(1, 1, 1, true)], 0), Vec::<u64>::new());
    }
}
