//! The processes of a cluster: Keeper and the nodes, each in a directory and on ports of its own.
//!
//! By default both are the program `clickhouse` of the PATH. `CLUSTER_NODE_COMMAND` and `CLUSTER_KEEPER_COMMAND` start something else in its place: a command of
//! the shell, in which `{dir}` is the directory, `{http_port}` the port of a node's HTTP interface, and `{port}` that of Keeper.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::common::process::{Signal, signal};
use crate::common::{StoreClient, eventually, ports};

/// A node or Keeper must answer within this time, also while other tests use the machine.
const READY_TIMEOUT: Duration = Duration::from_secs(120);
const NODE_COMMAND: &str = "CLUSTER_NODE_COMMAND";
const KEEPER_COMMAND: &str = "CLUSTER_KEEPER_COMMAND";
pub const CLUSTER: &str = "main";

/// How Keeper and the nodes are started.
#[derive(Debug, Clone)]
pub struct Commands {
    node: String,
    keeper: String,
}

impl Commands {
    /// # Errors
    /// When there is no program and no command in the environment. The text says what to do.
    pub fn find() -> Result<Self, String> {
        let set = |name| std::env::var(name).ok();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let is_installed = std::env::split_paths(&path).any(|folder| folder.join("clickhouse").is_file());
        let own = |command: &str| {
            is_installed.then(|| command.to_owned()).ok_or_else(|| {
                format!(
                    "there is no program `clickhouse` on the PATH, and {NODE_COMMAND} or {KEEPER_COMMAND} is not set. \
                     `curl https://clickhouse.com/ | sh` fetches ClickHouse as one program; put it into a folder of the PATH"
                )
            })
        };
        let node =
            set(NODE_COMMAND).map_or_else(|| own("clickhouse server --config-file={dir}/config.xml"), Ok)?;
        let keeper = set(KEEPER_COMMAND)
            .map_or_else(|| own("clickhouse keeper --config-file={dir}/keeper.xml"), Ok)?;
        Ok(Self { node, keeper })
    }
}

/// A process group that can be killed and started again.
struct ServerProcess {
    command: String,
    directory: PathBuf,
    child: Option<Child>,
}

impl ServerProcess {
    fn new(command: String, directory: &Path) -> Self {
        Self { command, directory: directory.to_owned(), child: None }
    }

    fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(self.directory.join("out"));
        let log = log.expect("a log file can be made");
        let child = Command::new("sh")
            .args(["-c", &format!("exec {}", self.command)])
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be opened twice"))
            .stderr(log)
            .process_group(0)
            .spawn();
        self.child = Some(child.expect("a shell starts"));
    }

    fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        signal(child.id(), Signal::KILL);
        let _ = child.wait();
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One server of the cluster.
pub struct ClusterNode {
    pub shard: u32,
    pub replica: u32,
    /// Sends queries as a user with all rights.
    pub store: StoreClient,
    native: SocketAddr,
    interserver: SocketAddr,
    process: ServerProcess,
}

impl ClusterNode {
    fn new(commands: &Commands, root: &Path, shard: u32, replica: u32) -> Self {
        let [http, native, interserver] = std::array::from_fn(|_| ports::free());
        let directory = root.join(format!("shard{shard}-replica{replica}-{}", http.port()));
        std::fs::create_dir_all(&directory).expect("a directory can be made");
        let command = commands.node.replace("{dir}", &directory.display().to_string());
        let command = command.replace("{http_port}", &http.port().to_string());
        let store = StoreClient::without_password(http).with_user("default");
        Self { shard, replica, store, native, interserver, process: ServerProcess::new(command, &directory) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.store.listen)
    }

    pub fn name(&self) -> String {
        format!("shard {} replica {}", self.shard, self.replica)
    }

    pub fn pid(&self) -> u32 {
        self.process.child.as_ref().expect("the node runs").id()
    }

    pub fn is_running(&self) -> bool {
        self.process.child.is_some()
    }

    /// As `kill -9` does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    pub fn spawn(&mut self) {
        self.process.spawn();
    }

    /// Starts it, if it does not run, and waits until it answers.
    pub fn start(&mut self) {
        if !self.is_running() {
            self.spawn();
        }
        self.wait_until_ready();
    }

    pub fn wait_until_ready(&self) {
        let answers = || self.store.pings();
        eventually(
            &format!("{} answers ({})", self.name(), self.directory().display()),
            READY_TIMEOUT,
            answers,
        );
    }

    fn directory(&self) -> &Path {
        &self.process.directory
    }

    /// Removes all that it stored. It must not run.
    pub fn lose_disk(&self) {
        assert!(!self.is_running(), "a running node has its disk");
        std::fs::remove_dir_all(self.directory().join("data")).expect("its directory can be removed");
    }
}

/// Keeper and the nodes.
pub struct ClusterNodes {
    pub nodes: Vec<ClusterNode>,
    commands: Commands,
    root: PathBuf,
    keeper: ServerProcess,
    keeper_port: u16,
}

impl ClusterNodes {
    /// Two shards of two replicas. They do not run yet.
    pub fn new(commands: Commands, root: &Path) -> Self {
        let keeper_port = ports::free().port();
        let directory = root.join("keeper");
        std::fs::create_dir_all(&directory).expect("a directory can be made");
        let command = commands.keeper.replace("{dir}", &directory.display().to_string());
        let command = command.replace("{port}", &keeper_port.to_string());
        let keeper = ServerProcess::new(command, &directory);
        let places = [(1, 1), (1, 2), (2, 1), (2, 2)];
        let nodes = places.map(|(shard, replica)| ClusterNode::new(&commands, root, shard, replica)).into();
        let nodes = Self { nodes, commands, root: root.to_owned(), keeper, keeper_port };
        std::fs::write(directory.join("keeper.xml"), nodes.keeper_xml(&directory))
            .expect("a file can be written");
        nodes.configure(&nodes.nodes);
        nodes
    }

    /// Adds a shard. Its nodes know all nodes and do not run yet. The others do not know of it.
    pub fn add_shard(&mut self, replicas: u32) {
        let (shard, before) = (self.shards().last().copied().unwrap_or(0) + 1, self.nodes.len());
        for replica in 1..=replicas {
            self.nodes.push(ClusterNode::new(&self.commands, &self.root, shard, replica));
        }
        self.configure(&self.nodes[before..]);
    }

    /// Names all nodes in the configuration of each, and starts one after the other again.
    pub fn name_all_nodes(&mut self) {
        self.configure(&self.nodes);
        for node in &mut self.nodes {
            node.kill();
            node.start();
        }
    }

    pub fn shards(&self) -> Vec<u32> {
        let mut shards: Vec<_> = self.nodes.iter().map(|node| node.shard).collect();
        shards.dedup();
        shards
    }

    pub fn start(&mut self) {
        self.start_keeper();
        self.nodes.iter_mut().filter(|node| !node.is_running()).for_each(ClusterNode::spawn);
        self.nodes.iter().for_each(ClusterNode::wait_until_ready);
    }

    pub fn start_keeper(&mut self) {
        self.keeper.spawn();
        let address = SocketAddr::from(([127, 0, 0, 1], self.keeper_port));
        let accepts = || std::net::TcpStream::connect(address).is_ok();
        eventually(&format!("Keeper listens ({})", self.keeper.directory.display()), READY_TIMEOUT, accepts);
    }

    pub fn kill_keeper(&mut self) {
        self.keeper.kill();
    }

    /// Every node's address, `first` before the others.
    pub fn urls(&self, first: usize) -> Vec<String> {
        let count = self.nodes.len();
        (0..count).map(|at| self.nodes[(first + at) % count].url()).collect()
    }

    fn configure(&self, nodes: &[ClusterNode]) {
        for node in nodes {
            for (file, text) in [("config.xml", self.node_xml(node)), ("users.xml", USERS.to_owned())] {
                // Put in place at once: a running node may be reading it.
                let (new, place) = (node.directory().join("new"), node.directory().join(file));
                std::fs::write(&new, text)
                    .and_then(|()| std::fs::rename(new, place))
                    .expect("a file can be written");
            }
        }
    }

    fn node_xml(&self, node: &ClusterNode) -> String {
        let replica = |node: &ClusterNode| {
            format!("<replica><host>127.0.0.1</host><port>{}</port></replica>", node.native.port())
        };
        let shard = |shard: &u32| {
            let replicas: String =
                self.nodes.iter().filter(|node| node.shard == *shard).map(replica).collect();
            format!("<shard><internal_replication>true</internal_replication>{replicas}</shard>")
        };
        let shards: String = self.shards().iter().map(shard).collect();
        let directory = node.directory().display();
        format!(
            "<clickhouse>
<listen_host>127.0.0.1</listen_host><listen_host>127.0.0.2</listen_host><listen_try>1</listen_try>
<http_port>{http}</http_port><tcp_port>{native}</tcp_port>
<interserver_http_port>{interserver}</interserver_http_port><interserver_http_host>127.0.0.1</interserver_http_host>
<path>{directory}/data/</path><tmp_path>{directory}/data/tmp/</tmp_path>
<user_files_path>{directory}/data/user_files/</user_files_path>
<user_directories><users_xml><path>{directory}/users.xml</path></users_xml></user_directories>
<macros><shard>{macro_shard}</shard><replica>{macro_replica}</replica></macros>
<zookeeper><sessions_path>/clickhouse/sessions/{http}</sessions_path><session_timeout_ms>10000</session_timeout_ms>
<node><host>127.0.0.1</host><port>{keeper}</port></node></zookeeper>
<remote_servers><{CLUSTER}>{shards}</{CLUSTER}></remote_servers>
<background_schedule_pool_size>16</background_schedule_pool_size><background_pool_size>4</background_pool_size>
<background_fetches_pool_size>4</background_fetches_pool_size><background_common_pool_size>4</background_common_pool_size>
<max_server_memory_usage>3000000000</max_server_memory_usage><mark_cache_size>50000000</mark_cache_size>
<logger><level>information</level><log>{directory}/log</log><errorlog>{directory}/errors</errorlog></logger>
</clickhouse>
",
            http = node.store.listen.port(),
            native = node.native.port(),
            interserver = node.interserver.port(),
            macro_shard = node.shard,
            macro_replica = node.replica,
            keeper = self.keeper_port,
        )
    }

    fn keeper_xml(&self, directory: &Path) -> String {
        let (directory, port) = (directory.display(), self.keeper_port);
        let raft = ports::free().port();
        format!(
            "<clickhouse>
<logger><level>information</level><log>{directory}/log</log><errorlog>{directory}/errors</errorlog></logger>
<keeper_server><tcp_port>{port}</tcp_port><server_id>1</server_id>
<log_storage_path>{directory}/log_store</log_storage_path><snapshot_storage_path>{directory}/snapshots</snapshot_storage_path>
<raft_configuration><server><id>1</id><hostname>127.0.0.1</hostname><port>{raft}</port></server></raft_configuration>
</keeper_server>
</clickhouse>
"
        )
    }
}

const USERS: &str = "<clickhouse>
<profiles><default/></profiles>
<users><default><password/><networks><ip>127.0.0.0/8</ip></networks><profile>default</profile><quota>default</quota>
<access_management>1</access_management></default></users>
<quotas><default/></quotas>
</clickhouse>
";
