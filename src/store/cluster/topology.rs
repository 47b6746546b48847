//! Asks every address which node of the cluster it is.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinSet;

use super::error::TopologyError;
use super::place::{self, Answer, Member, Place};
use crate::store::Client;

/// A node that has not answered after it counts as down.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The shards of the store and their replicas, as they were when it was asked.
#[derive(Clone)]
pub(crate) struct Topology {
    /// In order of their number.
    pub(crate) shards: Vec<Shard>,
    /// Whether a node has the macro `replica`, so that tables are replicated. One server is not.
    pub(crate) is_replicated: bool,
    /// What the `remote_servers` of some nodes lack and those of others have.
    pub(crate) unnamed: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct Shard {
    /// As `remote_servers` counts, from 1.
    pub(crate) number: u32,
    pub(crate) replicas: Vec<Node>,
}

#[derive(Clone)]
pub(crate) struct Node {
    /// For messages: `shard 1 replica 2 at http://…`.
    pub(crate) name: String,
    /// Talks with this node alone. Of a node that is not up it must not be used.
    pub(crate) client: Client,
    /// Whether it answers at an address of `store.url`.
    pub(crate) is_up: bool,
    /// The macros `shard` and `replica`; unknown while it is not up.
    pub(crate) macros: Option<(String, String)>,
}

impl Topology {
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.shards.iter().flat_map(|shard| &shard.replicas)
    }

    pub(crate) fn down(&self) -> impl Iterator<Item = &Node> {
        self.nodes().filter(|node| !node.is_up)
    }
}

impl Shard {
    pub(crate) fn up(&self) -> impl Iterator<Item = &Node> {
        self.replicas.iter().filter(|node| node.is_up)
    }
}

impl Client {
    /// The nodes of the store. Of one server nothing is asked.
    ///
    /// # Errors
    /// When no node answers, and when the cluster is configured so that rows would go astray.
    pub(crate) async fn topology(&self) -> Result<Topology, TopologyError> {
        let Some(cluster) = self.cluster() else {
            let node = Node {
                name: format!("the server at {}", self.url()),
                client: self.clone(),
                is_up: true,
                macros: None,
            };
            return Ok(Topology {
                shards: vec![Shard { number: 1, replicas: vec![node] }],
                is_replicated: false,
                unnamed: Vec::new(),
            });
        };
        let answers = answers(self, cluster).await?;
        let is_replicated = answers.iter().any(|answer| !answer.replica_macro.is_empty());
        let places = place::places(&answers)?;
        let mut shards = BTreeMap::<u32, Vec<Node>>::new();
        for member in members(&answers) {
            let node = node(self, member, &places);
            shards.entry(member.shard).or_default().push(node);
        }
        let shards = shards.into_iter().map(|(number, replicas)| Shard { number, replicas }).collect();
        Ok(Topology { shards, is_replicated, unnamed: place::unnamed(&answers) })
    }
}

/// The members that any node knows: while a cluster grows, the configurations of its nodes differ.
fn members(answers: &[Answer]) -> impl Iterator<Item = &Member> {
    let mut members = BTreeMap::<Place, &Member>::new();
    for member in answers.iter().flat_map(|answer| &answer.members) {
        members.entry((member.shard, member.replica)).or_insert(member);
    }
    members.into_values()
}

fn node(client: &Client, member: &Member, places: &BTreeMap<Place, &Answer>) -> Node {
    let name = format!("shard {} replica {}", member.shard, member.replica);
    match places.get(&(member.shard, member.replica)) {
        Some(answer) => Node {
            name: format!("{name} at {}", answer.url),
            client: client.pinned(&answer.url),
            is_up: true,
            macros: Some((answer.shard_macro.clone(), answer.replica_macro.clone())),
        },
        None => Node {
            name: format!("{name} ({}; it answers at no address of store.url)", member.address),
            client: client.pinned(&client.urls()[0]),
            is_up: false,
            macros: None,
        },
    }
}

/// What the addresses answer, in their order; those that do not answer are left out.
async fn answers(client: &Client, cluster: &str) -> Result<Vec<Answer>, TopologyError> {
    let mut asked = JoinSet::new();
    for (at, url) in client.urls().iter().enumerate() {
        let (node, url, cluster) = (client.pinned(url), url.clone(), cluster.to_owned());
        asked.spawn(async move {
            let answer = tokio::time::timeout(ANSWER_TIMEOUT, answer(&node, url, &cluster)).await;
            (at, answer.unwrap_or(Err(clickhouse::error::Error::TimedOut)))
        });
    }
    let (mut answers, mut failure) = (BTreeMap::new(), None);
    while let Some(joined) = asked.join_next().await {
        match joined.expect("asking does not panic and is not aborted") {
            (at, Ok(answer)) => _ = answers.insert(at, answer),
            (_, Err(error)) => failure = Some(error),
        }
    }
    let without = answers.values().find(|answer: &&Answer| answer.members.is_empty());
    if let Some(Answer { url, .. }) = without {
        return Err(TopologyError::NoCluster { url: url.clone(), cluster: cluster.to_owned() });
    }
    match failure {
        Some(source) if answers.is_empty() => {
            Err(TopologyError::NoNode { urls: client.urls().join(", "), source })
        }
        _ => Ok(answers.into_values().collect()),
    }
}

async fn answer(node: &Client, url: String, cluster: &str) -> clickhouse::error::Result<Answer> {
    let members = "SELECT toUInt32(shard_num), toUInt32(replica_num), concat(host_name, ':', toString(port)), \
                   is_local = 1, toUInt32(shard_weight) FROM system.clusters WHERE cluster = {cluster:String} \
                   ORDER BY shard_num, replica_num";
    let members = node
        .query_server(members)
        .param("cluster", cluster)
        .fetch_all::<(u32, u32, String, bool, u32)>()
        .await?;
    let macros = "SELECT macro, substitution FROM system.macros WHERE macro IN ('shard', 'replica')";
    let macros: BTreeMap<_, _> =
        node.query_server(macros).fetch_all::<(String, String)>().await?.into_iter().collect();
    let substitution = |name: &str| macros.get(name).cloned().unwrap_or_default();
    let member =
        |(shard, replica, address, is_local, weight)| Member { shard, replica, address, is_local, weight };
    Ok(Answer {
        url,
        members: members.into_iter().map(member).collect(),
        shard_macro: substitution("shard"),
        replica_macro: substitution("replica"),
    })
}
