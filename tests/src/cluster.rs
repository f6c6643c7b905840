//! Three nats-servers that hold every stream three times, each free to be killed.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_nats::jetstream;
use tidings_event_store::stream::StreamName;
use tidings_servers::template::Watched;
use tidings_servers::{Needed, Needs, Options, locate};

/// Far more than an election takes.
const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Below the ports that the system gives to outgoing connections: a client that reconnects while a server
/// is down could be given its very port.
const PORTS: std::ops::Range<u16> = 12_000..20_000;

/// A cluster. It goes, with its servers, when this is dropped or this process ends.
pub struct Cluster {
    program: PathBuf,
    nodes: Vec<Node>,
    // Dropped last: it ends the servers.
    _watched: Watched,
}

struct Node {
    name: String,
    conf: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl Cluster {
    /// Starts three; JetStream has its leader when this returns.
    pub async fn start() -> Self {
        let options = Options::from_env("/tmp");
        let needed = Needed {
            needs: Needs::NatsOnly,
            data: None,
        };
        let program = locate(&options, needed).unwrap().nats.unwrap().program;
        let watched = Watched::new(Path::new("/tmp")).unwrap();
        let ports = free_ports(6);
        let (ports, routes) = ports.split_at(3);
        let nodes = (0..3)
            .map(|index| node(watched.dir(), index, ports[index], routes))
            .collect();
        let mut cluster = Self {
            program,
            nodes,
            _watched: watched,
        };
        for index in 0..3 {
            cluster.spawn(index);
        }
        cluster.ready().await;
        cluster
    }

    /// Where all three are.
    pub fn url(&self) -> String {
        let urls = self.nodes.iter().map(|node| node.port);
        let urls: Vec<String> = urls
            .map(|port| format!("nats://127.0.0.1:{port}"))
            .collect();
        urls.join(",")
    }

    /// A connection that knows all three.
    pub async fn client(&self) -> async_nats::Client {
        let url = tidings_service::config::Secret::new(self.url());
        tidings_service::nats::connect(&url, "tidings test")
            .await
            .unwrap()
    }

    /// Makes the stream as the relay does, and then, as an operator does, has it kept three times.
    pub async fn stream(&self, client: &async_nats::Client, name: &StreamName) {
        let jetstream = jetstream::new(client.clone());
        let stream = name.ensure(&jetstream, 1).await.unwrap();
        let config = jetstream::stream::Config {
            num_replicas: 3,
            ..stream.cached_info().config.clone()
        };
        let update = async {
            while jetstream.update_stream(config.clone()).await.is_err() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            // Until the others have it, they can not do without the first.
            while !kept_three_times(&jetstream, name).await {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(READY_WITHIN, update).await.unwrap();
    }

    /// Kills the server that leads the stream.
    pub async fn kill_leader(&mut self, client: &async_nats::Client, name: &StreamName) {
        let leader = leader(client, name).await;
        let index = self
            .nodes
            .iter()
            .position(|node| node.name == leader)
            .expect("one of the three");
        self.end(index);
    }

    /// The last sequence of the stream; `None`: nobody leads it at the moment.
    pub async fn last(&self, client: &async_nats::Client, name: &StreamName) -> Option<i64> {
        let jetstream = jetstream::new(client.clone());
        let stream = jetstream.get_stream(&name.stream).await.ok()?;
        Some(stream.cached_info().state.last_sequence as i64)
    }

    fn spawn(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        let child = Command::new(&self.program)
            .arg("-c")
            .arg(&node.conf)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        node.child = Some(child.unwrap());
    }

    fn end(&mut self, index: usize) {
        if let Some(mut child) = self.nodes[index].child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    async fn ready(&self) {
        let client = self.client().await;
        let jetstream = jetstream::new(client);
        let asked = async {
            while jetstream.query_account().await.is_err() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(READY_WITHIN, asked).await.unwrap();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for index in 0..self.nodes.len() {
            self.end(index);
        }
    }
}

/// Whether two more servers have all that the leader has.
async fn kept_three_times(jetstream: &jetstream::Context, name: &StreamName) -> bool {
    let Ok(stream) = jetstream.get_stream(&name.stream).await else {
        return false;
    };
    let replicas = stream
        .cached_info()
        .cluster
        .iter()
        .flat_map(|it| &it.replicas);
    replicas.filter(|replica| replica.current).count() == 2
}

/// The name of the server that leads the stream, once there is one.
async fn leader(client: &async_nats::Client, name: &StreamName) -> String {
    let jetstream = jetstream::new(client.clone());
    let found = async {
        loop {
            if let Ok(mut stream) = jetstream.get_stream(&name.stream).await
                && let Ok(info) = stream.info().await
                && let Some(leader) = info.cluster.as_ref().and_then(|it| it.leader.clone())
            {
                return leader;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(READY_WITHIN, found).await.unwrap()
}

fn node(dir: &Path, index: usize, port: u16, routes: &[u16]) -> Node {
    let name = format!("n{index}");
    let home = dir.join(&name);
    fs::create_dir(&home).unwrap();
    let others: Vec<String> = routes
        .iter()
        .map(|route| format!("nats://127.0.0.1:{route}"))
        .collect();
    let text = format!(
        "server_name: {name}\nlisten: \"127.0.0.1:{port}\"\npid_file: \"{home}/nats.pid\"\n\
         jetstream {{ store_dir: \"{home}\" }}\n\
         cluster {{ name: tests, listen: \"127.0.0.1:{}\", routes: [{}] }}\n",
        routes[index],
        others.join(", "),
        home = home.display(),
    );
    let conf = home.join("nats.conf");
    fs::write(&conf, text).unwrap();
    Node {
        name,
        conf,
        port,
        child: None,
    }
}

/// Ports that nobody listens on, all at once so that they differ.
fn free_ports(count: usize) -> Vec<u16> {
    let start = std::process::id() as u16 % (PORTS.end - PORTS.start);
    let ports = (0..PORTS.end - PORTS.start)
        .map(|step| PORTS.start + (start + step) % (PORTS.end - PORTS.start));
    let free = ports.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    free.take(count).collect()
}
