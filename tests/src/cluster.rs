//! Three nats-servers that hold every stream three times, each free to be killed, or cut off from the others.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use async_nats::jetstream;
use tidings_event_store::stream::StreamName;
use tidings_servers::template::Watched;
use tidings_servers::{Needed, Needs, Options, locate};

use crate::link::{Link, Way};

/// Far more than an election takes.
const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Below the ports that the system gives to outgoing connections: a client that reconnects while a server
/// is down could be given its very port.
const PORTS: std::ops::Range<u16> = 12_000..20_000;
/// Where each server says that the others find it: they are to come through the wires alone.
const NOWHERE: &str = "127.0.0.1:1";

/// A cluster. It goes, with its servers, when this is dropped or this process ends.
pub struct Cluster {
    program: PathBuf,
    nodes: Vec<Node>,
    wires: Vec<Wire>,
    // Dropped last: it ends the servers.
    _watched: Watched,
}

struct Node {
    name: String,
    conf: PathBuf,
    port: u16,
    child: Mutex<Option<Child>>,
}

/// The only way by which one server connects to another.
struct Wire {
    between: [usize; 2],
    link: Link,
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
        let mut wires = Vec::new();
        for between in [[0, 1], [0, 2], [1, 0], [1, 2], [2, 0], [2, 1]] {
            let server = (Ipv4Addr::LOCALHOST, routes[between[1]]).into();
            let link = Link::before(server).await;
            wires.push(Wire { between, link });
        }
        let nodes = (0..3)
            .map(|index| node(watched.dir(), index, (ports[index], routes[index]), &wires))
            .collect();
        let cluster = Self {
            program,
            nodes,
            wires,
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

    /// Kills the server that leads the stream; gives its number.
    pub async fn kill_leader(&self, client: &async_nats::Client, name: &StreamName) -> usize {
        let index = self.leader(client, name).await;
        self.end(index);
        index
    }

    /// The number of the server that leads the stream, once there is one.
    pub async fn leader(&self, client: &async_nats::Client, name: &StreamName) -> usize {
        let leader = leader(client, name).await;
        let mut nodes = self.nodes.iter();
        let index = nodes.position(|node| node.name == leader);
        index.expect("one of the three")
    }

    /// Starts a server again that was killed.
    pub fn start_again(&self, index: usize) {
        self.spawn(index);
    }

    /// From now on this goes for all that a server and the two others say to each other; clients reach it as before.
    pub fn part(&self, index: usize, way: Way) {
        let wires = self.wires.iter();
        let its = wires.filter(|wire| wire.between.contains(&index));
        its.for_each(|wire| wire.link.set(way));
    }

    /// The last sequence of the stream; `None`: nobody leads it at the moment.
    pub async fn last(&self, client: &async_nats::Client, name: &StreamName) -> Option<i64> {
        let jetstream = jetstream::new(client.clone());
        let stream = jetstream.get_stream(&name.stream).await.ok()?;
        Some(stream.cached_info().state.last_sequence as i64)
    }

    fn spawn(&self, index: usize) {
        let node = &self.nodes[index];
        let child = Command::new(&self.program)
            .arg("-c")
            .arg(&node.conf)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        *node.child.lock().unwrap() = Some(child.unwrap());
    }

    fn end(&self, index: usize) {
        let child = self.nodes[index].child.lock().unwrap().take();
        if let Some(mut child) = child {
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

/// The server's ports are for clients, and for the other servers.
fn node(dir: &Path, index: usize, (port, route): (u16, u16), wires: &[Wire]) -> Node {
    let name = format!("n{index}");
    let home = dir.join(&name);
    fs::create_dir(&home).unwrap();
    let its = wires.iter().filter(|wire| wire.between[0] == index);
    let others: Vec<String> = its
        .map(|wire| format!("nats://{}", wire.link.address()))
        .collect();
    let text = format!(
        "server_name: {name}\nlisten: \"127.0.0.1:{port}\"\npid_file: \"{home}/nats.pid\"\n\
         jetstream {{ store_dir: \"{home}\" }}\n\
         cluster {{ name: tests, listen: \"127.0.0.1:{route}\", advertise: \"{NOWHERE}\", routes: [{}] }}\n",
        others.join(", "),
        home = home.display(),
    );
    let conf = home.join("nats.conf");
    fs::write(&conf, text).unwrap();
    Node {
        name,
        conf,
        port,
        child: Mutex::default(),
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
