//! Circles in a graph.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub type Graph<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// A shortest circle through each node that is in one, unless one that was found before has it. Each begins with its first
/// node by name, and ends before it comes round.
pub fn circles<'a>(graph: &Graph<'a>) -> Vec<Vec<&'a str>> {
    let mut found: Vec<Vec<&str>> = Vec::new();
    for &node in graph.keys() {
        if found.iter().any(|circle| circle.contains(&node)) {
            continue;
        }
        if let Some(mut circle) = back_to(graph, node) {
            let first = circle.iter().enumerate().min_by_key(|(_, name)| **name);
            let first = first.map_or(0, |(at, _)| at);
            circle.rotate_left(first);
            found.push(circle);
        }
    }
    found
}

/// A shortest way from a node to itself.
fn back_to<'a>(graph: &Graph<'a>, start: &'a str) -> Option<Vec<&'a str>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for &next in graph.get(node).into_iter().flatten() {
            if next == start {
                let mut way = vec![node];
                let mut at = node;
                while at != start {
                    at = came_from.get(at)?;
                    way.push(at);
                }
                way.reverse();
                return Some(way);
            }
            if !came_from.contains_key(next) {
                came_from.insert(next, node);
                queue.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Graph, circles};

    fn graph<'a>(arrows: &[(&'a str, &'a str)]) -> Graph<'a> {
        let mut graph = Graph::new();
        for (from, to) in arrows {
            graph.entry(from).or_default().insert(to);
        }
        graph
    }

    #[test]
    fn what_comes_round_is_a_circle() {
        assert!(circles(&graph(&[("a", "b"), ("a", "c"), ("b", "c")])).is_empty());
        assert_eq!(circles(&graph(&[("a", "b"), ("b", "a")])), [["a", "b"]]);
        let long = graph(&[("x", "b"), ("b", "c"), ("c", "d"), ("d", "b"), ("d", "e")]);
        assert_eq!(circles(&long), [["b", "c", "d"]]);
    }

    #[test]
    fn each_is_told_once_and_the_shortest_first() {
        let two = graph(&[
            ("a", "b"),
            ("b", "c"),
            ("c", "a"),
            ("b", "a"),
            ("p", "q"),
            ("q", "p"),
        ]);
        assert_eq!(
            circles(&two),
            [vec!["a", "b"], vec!["a", "b", "c"], vec!["p", "q"]]
        );
    }
}
