//! Which member of the cluster a node is, from what the node says of itself. No I/O.
//!
//! `remote_servers` says to which nodes statements go, macros say which rows a node has. If the two disagree, rows of one shard would be copied to another.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{NodeMacros, TopologyError};

/// One entry of `remote_servers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) shard: u32,
    pub(super) replica: u32,
    /// Host and port of the native protocol.
    pub(super) address: String,
    /// Whether the node that was asked takes it for itself.
    pub(super) is_local: bool,
    pub(super) weight: u32,
}

/// What a node says of itself.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) url: String,
    pub(super) members: Vec<Member>,
    pub(super) shard_macro: String,
    /// Empty where tables are not replicated.
    pub(super) replica_macro: String,
}

/// Shard and replica, as `remote_servers` counts them from 1.
pub(super) type Place = (u32, u32);

impl Answer {
    /// `None` when the node does not find itself in the cluster.
    fn place(&self) -> Option<Place> {
        let mut local = self.members.iter().filter(|member| member.is_local);
        if let (Some(member), None) = (local.next(), local.next()) {
            return Some((member.shard, member.replica));
        }
        // Behind a translation of addresses a node does not know itself. Then its macros must be the numbers, or the name of the host.
        let shard = self.shard_macro.parse::<u32>().ok()?;
        let is_own = |member: &&Member| {
            let host = member.address.rsplit_once(':').map_or("", |(host, _)| host);
            self.replica_macro.parse() == Ok(member.replica) || self.replica_macro == host
        };
        let mut members = self.members.iter().filter(|member| member.shard == shard).filter(is_own);
        members.next().map(|member| (member.shard, member.replica))
    }
}

/// The node of each place. Of two addresses of one node the first is used.
///
/// # Errors
/// When a node is not found, when macros and `remote_servers` disagree, and when shards have other weights than 1.
pub(super) fn places(answers: &[Answer]) -> Result<BTreeMap<Place, &Answer>, TopologyError> {
    let mut places = BTreeMap::<Place, &Answer>::new();
    for answer in answers {
        if let Some(member) = answer.members.iter().find(|member| member.weight != 1) {
            return Err(TopologyError::Weight { shard: member.shard, weight: member.weight });
        }
        let Some(place) = answer.place() else { return Err(TopologyError::NotAMember(answer.url.clone())) };
        places.entry(place).or_insert(answer);
    }
    let nodes: Vec<_> = places.iter().collect();
    for (at, (a, one)) in nodes.iter().enumerate() {
        for (b, other) in &nodes[..at] {
            let same_shard = one.shard_macro == other.shard_macro;
            let same_replica = same_shard && one.replica_macro == other.replica_macro;
            if same_shard != (a.0 == b.0) || same_replica {
                let nodes = [one, other].map(|answer| NodeMacros {
                    url: answer.url.clone(),
                    shard: answer.shard_macro.clone(),
                    replica: answer.replica_macro.clone(),
                });
                return Err(TopologyError::Macros(Box::new(nodes)));
            }
        }
    }
    Ok(places)
}

/// The nodes whose `remote_servers` lack nodes that others name, and what each lacks. While a cluster grows, that is so for a time.
pub(super) fn unnamed(answers: &[Answer]) -> Vec<String> {
    let named = |answer: &Answer| {
        answer.members.iter().map(|member| (member.shard, member.replica)).collect::<BTreeSet<Place>>()
    };
    let all: BTreeSet<Place> = answers.iter().flat_map(named).collect();
    let lacking = |answer: &Answer| {
        let named = named(answer);
        let name = |(shard, replica): &Place| format!("shard {shard} replica {replica}");
        let lacking = all.difference(&named).map(name).collect::<Vec<_>>().join(", ");
        let text = format!("the node at {} does not name {lacking} in its `remote_servers`", answer.url);
        (!lacking.is_empty()).then_some(text)
    };
    answers.iter().filter_map(lacking).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two shards of two replicas on the ports 1 to 4; the node on port `own` answers.
    fn answer(own: u32, shard_macro: &str, replica_macro: &str) -> Answer {
        let member = |port: u32| Member {
            shard: port.div_ceil(2),
            replica: 2 - port % 2,
            address: format!("host{port}:{port}"),
            is_local: port == own,
            weight: 1,
        };
        Answer {
            url: format!("http://host{own}"),
            members: (1..=4).map(member).collect(),
            shard_macro: shard_macro.to_owned(),
            replica_macro: replica_macro.to_owned(),
        }
    }

    fn found(answers: &[Answer]) -> Result<Vec<(Place, String)>, String> {
        let places = places(answers).map_err(|error| error.to_string())?;
        Ok(places.into_iter().map(|(place, answer)| (place, answer.url.clone())).collect())
    }

    #[test]
    fn a_node_is_found_by_its_own_entry_and_behind_a_translation_of_addresses_by_its_macros() {
        let answers = [answer(3, "b", "x"), answer(2, "a", "y"), answer(1, "a", "x"), answer(3, "b", "x")];
        let expected = [((1, 1), "http://host1"), ((1, 2), "http://host2"), ((2, 1), "http://host3")];
        assert_eq!(found(&answers).unwrap(), expected.map(|(place, url)| (place, url.to_owned())));
        let hidden = |shard, replica| found(&[answer(0, shard, replica)]);
        assert_eq!(hidden("2", "2").unwrap()[0].0, (2, 2));
        assert_eq!(hidden("01", "host2").unwrap()[0].0, (1, 2));
        for (shard, replica) in [("a", "1"), ("2", "host1"), ("3", "1")] {
            let error = hidden(shard, replica).unwrap_err();
            assert!(error.contains("http://host0") && error.contains("remote_servers"), "{error}");
        }
    }

    #[test]
    fn macros_that_disagree_with_the_cluster_are_refused() {
        for (one, other) in [
            // Two shards with one macro, one shard with two, two replicas with one name.
            (answer(1, "a", "x"), answer(3, "a", "y")),
            (answer(1, "a", "x"), answer(2, "b", "x")),
            (answer(1, "a", "x"), answer(2, "a", "x")),
        ] {
            let error = found(&[one, other]).unwrap_err();
            assert!(error.contains("macros") && error.contains("http://host1"), "{error}");
        }
    }

    #[test]
    fn a_shard_with_a_weight_is_refused() {
        let mut heavy = answer(1, "a", "x");
        heavy.members[2].weight = 3;
        let error = found(&[heavy]).unwrap_err();
        assert!(error.contains("shard 2 has the weight 3"), "{error}");
    }

    #[test]
    fn a_node_that_does_not_name_a_new_shard_is_named() {
        let mut old = answer(1, "a", "x");
        old.members.retain(|member| member.shard == 1);
        let found = unnamed(&[old, answer(3, "b", "x")]);
        let expected = "the node at http://host1 does not name shard 2 replica 1, shard 2 replica 2 in its `remote_servers`";
        assert_eq!(found, [expected]);
        assert!(unnamed(&[answer(1, "a", "x"), answer(3, "b", "x")]).is_empty());
    }
}
