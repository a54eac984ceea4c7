//! The order of services that depend on each other.

use crate::code::{Code, Refusal};
use std::collections::BTreeSet;

/// The level of each given service: the length of the longest chain of services that it needs. A service is given
/// by its name and the indexes of those it needs.
///
/// # Errors
/// [`Code::ConfigInvalid`] with the names of the services in a dependency cycle.
pub fn in_order(given: &[(String, BTreeSet<usize>)]) -> Result<Vec<usize>, Refusal> {
    let mut levels = vec![None; given.len()];
    for level in 0..given.len() {
        let ready = |(at, (_, needs)): (usize, &(String, BTreeSet<usize>))| {
            let first = levels[at].is_none() && needs.iter().all(|need| levels[*need].is_some());
            first.then_some(at)
        };
        let ready: Vec<usize> = given.iter().enumerate().filter_map(ready).collect();
        for at in ready {
            levels[at] = Some(level);
        }
    }
    let left = given.iter().zip(&levels).filter(|(_, level)| level.is_none());
    let left: Vec<&str> = left.map(|((name, _), _)| name.as_str()).collect();
    if left.is_empty() {
        return Ok(levels.into_iter().flatten().collect());
    }
    let what = format!(
        "these services take outputs of each other in a cycle, or depend on such a cycle: {}",
        left.join(", ")
    );
    let fix = "break the cycle: set one of the parameters to a value instead of an output";
    Err(Refusal::new(Code::ConfigInvalid, what, fix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(given: &[(&str, &[usize])]) -> Result<Vec<usize>, String> {
        let given: Vec<_> =
            given.iter().map(|(name, needs)| ((*name).to_owned(), needs.iter().copied().collect())).collect();
        in_order(&given).map_err(|refusal| refusal.message)
    }

    #[test]
    fn what_needs_nothing_comes_first_and_each_follows_what_it_needs() {
        assert_eq!(ordered(&[]), Ok(vec![]));
        assert_eq!(ordered(&[("api", &[1]), ("database", &[]), ("jobs", &[0, 1])]), Ok(vec![1, 0, 2]));
        assert_eq!(ordered(&[("one", &[]), ("two", &[])]), Ok(vec![0, 0]));
    }

    #[test]
    fn a_circle_is_refused_by_name() {
        let circle = ordered(&[("database", &[]), ("api", &[2]), ("jobs", &[0, 1])]).unwrap_err();
        assert!(circle.ends_with("such a cycle: api, jobs"), "{circle}");
        assert!(ordered(&[("api", &[0])]).is_err(), "a cycle of one");
    }
}
