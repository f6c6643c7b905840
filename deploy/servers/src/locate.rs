//! Finds the two servers: named explicitly, then fetched earlier, then installed, then fetched now.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::account::Account;
use crate::error::ServersError;
use crate::fetch::{self, Wheel};
use crate::options::{Needs, Options};

/// The major versions of PostgreSQL that Tidings runs on.
const POSTGRES_MAJORS: std::ops::RangeInclusive<u32> = 15..=18;
/// The oldest nats-server with the batch publishing that the relay uses.
const NATS_SERVER_MIN: (u32, u32, u32) = (2, 12, 15);

/// A PostgreSQL installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresBin {
    /// The folder that holds `postgres`, `initdb`, `pg_ctl`.
    pub bin_dir: PathBuf,
    /// Its version as it says itself, such as `15.14`.
    pub version: String,
    /// Its major version.
    pub major: u32,
}

/// A nats-server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsServer {
    /// The program.
    pub program: PathBuf,
    /// Its version as it says itself, such as `2.15.1`.
    pub version: String,
}

/// The servers that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Present when it was asked for.
    pub postgres: Option<PostgresBin>,
    /// Present when it was asked for.
    pub nats: Option<NatsServer>,
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Needed<'a> {
    /// Which servers.
    pub needs: Needs,
    /// A Postgres data folder that exists already: its major version must be found.
    pub data: Option<&'a Path>,
}

/// Finds the servers, and fetches what is absent. Blocks: it starts `postgres --version` and the
/// like, and pip at the first run. Nothing is downloaded when the cache holds what is needed.
pub fn locate(options: &Options, needed: Needed<'_>) -> Result<Found, ServersError> {
    let search = Search {
        options,
        account: Account::for_servers()?,
    };
    let major = needed.data.and_then(major_of_data);
    let mut found = search.look(needed.needs, major)?;
    let lacks_postgres = needed.needs.postgres() && found.postgres.is_none();
    let lacks_nats = needed.needs.nats() && found.nats.is_none();
    if let (true, Some(data), Some(major)) = (lacks_postgres, needed.data, major)
        && major != 18
    {
        let data = data.to_path_buf();
        return Err(ServersError::OtherMajor { data, major });
    }
    if lacks_postgres || lacks_nats {
        let wheels: Vec<Wheel> = [
            lacks_postgres.then_some(fetch::POSTGRES),
            lacks_nats.then_some(fetch::NATS_SERVER),
        ]
        .into_iter()
        .flatten()
        .collect();
        let missing = |source| ServersError::Missing {
            postgres: lacks_postgres,
            nats: lacks_nats,
            source,
        };
        fetch::fetch(&wheels, &options.cache_dir, &options.python).map_err(missing)?;
        found = search.look(needed.needs, major)?;
        let postgres_missing = needed.needs.postgres() && found.postgres.is_none();
        if postgres_missing || (needed.needs.nats() && found.nats.is_none()) {
            let wheel = if postgres_missing {
                fetch::POSTGRES
            } else {
                fetch::NATS_SERVER
            };
            return Err(missing(crate::error::FetchError::Incomplete {
                path: wheel.program_in(&options.cache_dir),
            }));
        }
    }
    Ok(found)
}

struct Search<'a> {
    options: &'a Options,
    account: Account,
}

impl Search<'_> {
    fn look(&self, needs: Needs, major: Option<u32>) -> Result<Found, ServersError> {
        Ok(Found {
            postgres: if needs.postgres() {
                self.postgres(major)?
            } else {
                None
            },
            nats: if needs.nats() {
                self.nats_server()?
            } else {
                None
            },
        })
    }

    fn postgres(&self, major: Option<u32>) -> Result<Option<PostgresBin>, ServersError> {
        let fits = |found: &PostgresBin| {
            POSTGRES_MAJORS.contains(&found.major) && major.is_none_or(|it| it == found.major)
        };
        if let Some(bin_dir) = &self.options.postgres_bin {
            let problem = match self.postgres_in(bin_dir) {
                Ok(found) if fits(&found) => return Ok(Some(found)),
                Ok(found) => match major.filter(|_| POSTGRES_MAJORS.contains(&found.major)) {
                    Some(major) => format!(
                        "is PostgreSQL {}, while the data were written by {major}",
                        found.version
                    ),
                    None => format!("is PostgreSQL {}, not 15–18", found.version),
                },
                Err(problem) => problem,
            };
            return Err(ServersError::Unusable {
                setting: "TIDINGS_POSTGRES_BIN",
                path: bin_dir.clone(),
                problem,
            });
        }
        let cached = fetch::POSTGRES.program_in(&self.options.cache_dir);
        let cached_bin = cached.parent().map(Path::to_path_buf);
        Ok(cached_bin
            .into_iter()
            .chain(self.options.system_dirs.iter().cloned())
            .filter_map(|dir| self.postgres_in(&dir).ok())
            .find(fits))
    }

    /// The installation in a bin folder, or what is wrong with it.
    fn postgres_in(&self, bin_dir: &Path) -> Result<PostgresBin, String> {
        // A link such as /usr/local/bin/postgres: its siblings are where it leads to.
        let bin_dir = bin_dir
            .join("postgres")
            .canonicalize()
            .ok()
            .and_then(|program| program.parent().map(Path::to_path_buf))
            .unwrap_or_else(|| bin_dir.to_path_buf());
        for program in ["postgres", "initdb", "pg_ctl"] {
            if !bin_dir.join(program).is_file() {
                return Err(format!("holds no {program}"));
            }
        }
        let text = self.version_of(&bin_dir.join("postgres"))?;
        let version = postgres_version(&text).ok_or("is no PostgreSQL")?;
        Ok(PostgresBin {
            bin_dir,
            major: version.1,
            version: version.0,
        })
    }

    fn nats_server(&self) -> Result<Option<NatsServer>, ServersError> {
        if let Some(program) = &self.options.nats_server_bin {
            return match self.nats_server_at(program) {
                Ok(found) => Ok(Some(found)),
                Err(problem) => Err(ServersError::Unusable {
                    setting: "TIDINGS_NATS_SERVER_BIN",
                    path: program.clone(),
                    problem,
                }),
            };
        }
        let installed = self.options.system_dirs.iter();
        Ok(
            std::iter::once(fetch::NATS_SERVER.program_in(&self.options.cache_dir))
                .chain(installed.map(|dir| dir.join("nats-server")))
                .filter(|program| program.is_file())
                .find_map(|program| self.nats_server_at(&program).ok()),
        )
    }

    fn nats_server_at(&self, program: &Path) -> Result<NatsServer, String> {
        let text = self.version_of(program)?;
        let (version, number) = nats_version(&text).ok_or("is no nats-server")?;
        if number < NATS_SERVER_MIN {
            return Err(format!(
                "is nats-server {version}, and 2.12.15 or newer is needed"
            ));
        }
        Ok(NatsServer {
            program: program.to_path_buf(),
            version,
        })
    }

    /// What `program --version` prints when run as the servers' user: as root, a program that
    /// only root can reach is of no use.
    fn version_of(&self, program: &Path) -> Result<String, String> {
        let output = self
            .account
            .command(program.as_os_str())
            .arg("--version")
            .stderr(Stdio::null())
            .output()
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => "does not exist".to_owned(),
                std::io::ErrorKind::PermissionDenied if self.account.is_demoted() => {
                    "the unprivileged user that the servers run as cannot reach".to_owned()
                }
                _ => format!("does not run ({error})"),
            })?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// `postgres (PostgreSQL) 15.14 (Debian …)` → (`15.14`, 15).
fn postgres_version(text: &str) -> Option<(String, u32)> {
    let version = text
        .split_once("(PostgreSQL) ")?
        .1
        .split_whitespace()
        .next()?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((version.to_owned(), digits.parse().ok()?))
}

/// `nats-server: v2.15.1` → (`2.15.1`, (2, 15, 1)).
fn nats_version(text: &str) -> Option<(String, (u32, u32, u32))> {
    let version = text.trim().strip_prefix("nats-server: v")?;
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|part| part.parse().ok());
    let number = (numbers.next()?, numbers.next()?, numbers.next()?);
    Some((version.to_owned(), number))
}

/// The major version that wrote a data folder, if it is one.
fn major_of_data(data: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(data.join("PG_VERSION")).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_programs_print_them() {
        let debian = "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n";
        assert_eq!(postgres_version(debian), Some(("15.14".to_owned(), 15)));
        assert_eq!(
            postgres_version("postgres (PostgreSQL) 18rc1\n"),
            Some(("18rc1".to_owned(), 18))
        );
        assert_eq!(postgres_version("mysqld 8.0"), None);
        assert_eq!(
            nats_version("nats-server: v2.15.1\n"),
            Some(("2.15.1".to_owned(), (2, 15, 1)))
        );
        assert_eq!(nats_version("gnatsd 1.0"), None);
    }

    #[test]
    fn nats_versions_compare_as_numbers() {
        let number = |text| nats_version(text).unwrap().1;
        assert!(number("nats-server: v2.9.30") < NATS_SERVER_MIN);
        assert!(number("nats-server: v2.12.14") < NATS_SERVER_MIN);
        assert!(number("nats-server: v2.12.15") >= NATS_SERVER_MIN);
        assert!(number("nats-server: v2.100.0") >= NATS_SERVER_MIN);
    }
}
