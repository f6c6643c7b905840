//! The durable pair: start, stop, adoption, outages, refusals.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::support::{connect, folder, held_folder, hold, options, ping, program, start_holder};
use tidings_servers::{Needed, Needs, Options, Servers, ServersError, Stopped, locate};

#[tokio::test]
async fn data_and_urls_outlive_a_stop() {
    let dir = folder();
    let servers = Servers::start(options(dir.dir(), "data")).await.unwrap();
    assert!(!servers.adopted());
    let (database_url, nats_url) = (
        servers.database_url().unwrap(),
        servers.nats_url().unwrap().to_owned(),
    );
    let client = connect(&database_url).await.unwrap();
    client
        .batch_execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
        .await
        .unwrap();
    assert_eq!(ping(&nats_url, None).await.unwrap(), "PONG");
    assert!(
        ping(&nats_url, Some("guessed"))
            .await
            .unwrap()
            .contains("Authorization Violation")
    );
    let listening: String = client
        .query_one("SHOW listen_addresses", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(listening, "");
    let location = servers.location().to_owned();
    assert_eq!(servers.stop().await.unwrap(), Stopped::Ended);
    assert!(connect(&database_url).await.is_err());
    assert!(ping(&nats_url, None).await.is_err());

    let servers = Servers::start(options(dir.dir(), "data")).await.unwrap();
    assert_eq!(servers.database_url().unwrap(), database_url);
    assert_eq!(servers.nats_url().unwrap(), nats_url);
    assert_eq!(servers.location(), location);
    let client = connect(&database_url).await.unwrap();
    let kept: i32 = client
        .query_one("SELECT n FROM kept", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(kept, 7);
    servers.stop().await.unwrap();
}

#[tokio::test]
async fn the_data_of_root_lie_where_the_pointer_says() {
    let dir = folder();
    let servers = Servers::start(options(dir.dir(), "data")).await.unwrap();
    let data_dir = dir.dir().join("data");
    if nix::unistd::geteuid().is_root() {
        let pointer = fs::read_to_string(data_dir.join("where")).unwrap();
        assert_eq!(pointer.trim_end(), servers.location().to_str().unwrap());
        assert_eq!(
            servers.location().parent(),
            Some(dir.dir().join("state").as_path())
        );
        assert_ne!(
            servers
                .location()
                .join("postgres")
                .metadata()
                .unwrap()
                .uid(),
            0
        );
    } else {
        assert_eq!(servers.location(), data_dir);
    }
    for private in ["postgres", "nats", "run", "log"] {
        let mode = servers.location().join(private).metadata().unwrap().mode();
        assert_eq!(mode & 0o077, 0, "{private}");
    }
    let secret = servers
        .location()
        .join("conf/nats.conf")
        .metadata()
        .unwrap();
    assert_eq!(secret.mode() & 0o777, 0o600);
    servers.stop().await.unwrap();
}

#[tokio::test]
async fn servers_of_a_killed_process_are_adopted() {
    let dir = folder();
    let (mut holder, location) = start_holder("servers::holder", dir.dir());
    let pid_file = location.join("postgres/postmaster.pid");
    let before = fs::read_to_string(&pid_file).unwrap();
    holder.kill().unwrap();
    holder.wait().unwrap();
    let servers = Servers::start(options(dir.dir(), "data")).await.unwrap();
    assert!(servers.adopted());
    assert_eq!(servers.location(), location);
    let pid = |text: &str| text.lines().next().unwrap().to_owned();
    assert_eq!(pid(&fs::read_to_string(&pid_file).unwrap()), pid(&before));
    connect(&servers.database_url().unwrap()).await.unwrap();
    assert_eq!(
        ping(servers.nats_url().unwrap(), None).await.unwrap(),
        "PONG"
    );
    assert_eq!(servers.stop().await.unwrap(), Stopped::Ended);
    assert!(!pid_file.exists());
}

#[tokio::test]
#[ignore = "the process that another test kills"]
async fn holder() {
    if let Some(dir) = held_folder() {
        let servers = Servers::start(options(&dir, "data")).await.unwrap();
        hold(servers.location());
    }
}

#[tokio::test]
async fn the_last_user_stops_them() {
    let dir = folder();
    let start = || tokio::spawn(Servers::start(options(dir.dir(), "data")));
    let (first, second) = tokio::join!(start(), start());
    let (first, second) = (first.unwrap().unwrap(), second.unwrap().unwrap());
    assert!(
        first.adopted() != second.adopted(),
        "one starts, the other adopts"
    );
    assert_eq!(first.nats_url(), second.nats_url());
    assert_eq!(first.stop().await.unwrap(), Stopped::StillUsed);
    connect(&second.database_url().unwrap()).await.unwrap();
    assert_eq!(
        ping(second.nats_url().unwrap(), None).await.unwrap(),
        "PONG"
    );
    assert_eq!(second.stop().await.unwrap(), Stopped::Ended);
}

#[tokio::test]
async fn two_platforms_run_at_once() {
    let dir = folder();
    let (one, other) = tokio::join!(
        Servers::start(options(dir.dir(), "one")),
        Servers::start(options(dir.dir(), "other")),
    );
    let (one, other) = (one.unwrap(), other.unwrap());
    assert!(!one.adopted() && !other.adopted());
    assert_ne!(one.nats_url(), other.nats_url());
    let client = connect(&one.database_url().unwrap()).await.unwrap();
    client
        .batch_execute("CREATE TABLE only_here (n int)")
        .await
        .unwrap();
    let client = connect(&other.database_url().unwrap()).await.unwrap();
    assert!(
        client
            .batch_execute("SELECT * FROM only_here")
            .await
            .is_err()
    );
    one.stop().await.unwrap();
    other.stop().await.unwrap();
}

#[tokio::test]
async fn a_pid_file_that_names_another_program_fools_nobody() {
    let dir = folder();
    let wanted = Options {
        needs: Needs::PostgresOnly,
        ..options(dir.dir(), "data")
    };
    let servers = Servers::start(wanted.clone()).await.unwrap();
    let pid_file = servers.location().join("postgres/postmaster.pid");
    let owner = pid_file.metadata().unwrap();
    let old = fs::read_to_string(&pid_file).unwrap();
    servers.stop().await.unwrap();
    // Another program of the servers' own user: of that one Postgres itself would be afraid.
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).current_dir("/");
    if nix::unistd::geteuid().is_root() {
        command.uid(owner.uid()).gid(owner.gid());
    }
    let mut other = command.spawn().unwrap();
    let rest = old.split_once('\n').unwrap().1;
    fs::write(&pid_file, format!("{}\n{rest}", other.id())).unwrap();
    let servers = Servers::start(wanted).await.unwrap();
    assert!(!servers.adopted());
    connect(&servers.database_url().unwrap()).await.unwrap();
    assert!(
        other.try_wait().unwrap().is_none(),
        "the other program was left alone"
    );
    servers.stop().await.unwrap();
    other.kill().unwrap();
    other.wait().unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_start_is_quoted() {
    let dir = folder();
    let wanted = Options {
        needs: Needs::PostgresOnly,
        ..options(dir.dir(), "data")
    };
    let servers = Servers::start(wanted.clone()).await.unwrap();
    let control = servers.location().join("postgres/global/pg_control");
    let (log, _) = servers.logs();
    servers.stop().await.unwrap();
    fs::remove_file(control).unwrap();
    let error = Servers::start(wanted).await.unwrap_err().to_string();
    assert!(error.contains("PostgreSQL ended at its start"), "{error}");
    assert!(error.contains(log.unwrap().to_str().unwrap()), "{error}");
    assert!(
        error.contains("could not find the database system"),
        "{error}"
    );
}

#[tokio::test]
async fn a_taken_port_is_refused_and_nothing_is_left_running() {
    let dir = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let wanted = Options {
        nats_port: Some(port),
        ..options(dir.dir(), "data")
    };
    let error = Servers::start(wanted.clone()).await.unwrap_err();
    assert!(matches!(error, ServersError::PortTaken { port: it } if it == port));
    drop(taken);
    let servers = Servers::start(wanted).await.unwrap();
    assert!(
        !servers.adopted(),
        "PostgreSQL was stopped with the failed start"
    );
    assert!(servers.nats_url().unwrap().ends_with(&format!(":{port}")));
    servers.stop().await.unwrap();
}

#[tokio::test]
async fn a_long_path_gets_a_short_socket() {
    let dir = folder();
    let name = "long ".repeat(30);
    let wanted = Options {
        needs: Needs::PostgresOnly,
        state_dir: dir.dir().join(&name),
        ..options(dir.dir(), &name)
    };
    let servers = Servers::start(wanted).await.unwrap();
    let client = connect(&servers.database_url().unwrap()).await.unwrap();
    let row = client
        .query_one("SHOW unix_socket_directories", &[])
        .await
        .unwrap();
    let sockets: String = row.get(0);
    assert!(sockets.starts_with("/tmp/tidings-"), "{sockets}");
    servers.stop().await.unwrap();
    fs::remove_dir_all(sockets).unwrap();
}

/// The real nats-server behind a script that loses the port the first `losses` times.
fn loses_the_port(dir: &std::path::Path, losses: u32) -> Options {
    let found = locate(
        &options(dir, "data"),
        Needed {
            needs: Needs::NatsOnly,
            data: None,
        },
    );
    let real = found.unwrap().nats.unwrap().program;
    let script = dir.join("nats-server");
    let ports = dir.join("ports");
    fs::write(&ports, "").unwrap();
    // Root's servers run as somebody else.
    fs::set_permissions(&ports, fs::Permissions::from_mode(0o666)).unwrap();
    program(
        &script,
        &format!(
            "case $1 in -c)
               sed -n \"s/^listen: //p\" \"$2\" >>{ports}
               [ $(wc -l <{ports}) -gt {losses} ] || {{
                 echo '[FTL] Error listening on port: bind: address already in use'; exit 1
               }} ;;
             esac
             exec {real} \"$@\"",
            ports = ports.display(),
            real = real.display(),
        ),
    );
    Options {
        needs: Needs::NatsOnly,
        nats_server_bin: Some(script),
        ..options(dir, "data")
    }
}

#[tokio::test]
async fn a_port_that_is_lost_before_the_server_has_it_is_chosen_anew() {
    let dir = folder();
    let servers = Servers::start(loses_the_port(dir.dir(), 2)).await.unwrap();
    assert_eq!(
        ping(servers.nats_url().unwrap(), None).await.unwrap(),
        "PONG"
    );
    servers.stop().await.unwrap();
    assert_eq!(
        fs::read_to_string(dir.dir().join("ports"))
            .unwrap()
            .lines()
            .count(),
        3
    );
}

#[tokio::test]
async fn a_port_that_was_asked_for_and_is_lost_is_said_to_be() {
    let dir = folder();
    let asked = Options {
        nats_port: Some(
            TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port(),
        ),
        ..loses_the_port(dir.dir(), 1)
    };
    let error = Servers::start(asked).await.err().unwrap().to_string();
    assert!(error.contains("address already in use"), "{error}");
}
