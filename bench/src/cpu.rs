//! What processor time the processes of a platform have used, as Linux counts it in `/proc`.

use std::fs;
use std::path::Path;

use crate::Error;
use crate::site::Site;

/// What of this process is a receiver, which a platform does not have, runs on threads of this name.
pub(crate) const SINK: &str = "sink";
/// Milliseconds of one tick: Linux shows a hundred a second on every machine.
const TICK_MS: u64 = 10;

/// Whose processor time it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// This process, without its threads named [`SINK`].
    Ours,
    /// PostgreSQL, all its processes together.
    Postgres,
    /// nats-server.
    Nats,
}

/// All parts.
pub(crate) const PARTS: [Part; 3] = [Part::Ours, Part::Postgres, Part::Nats];

impl Part {
    /// Its name in that of a row.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Postgres => "postgres",
            Self::Nats => "nats",
        }
    }
}

/// Processor time that each part has used, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent([u64; PARTS.len()]);

impl Spent {
    /// Up to now.
    pub(crate) fn now(site: &Site) -> Result<Self, Error> {
        let used = [
            of_this_process()?,
            of_family(&site.file_of_servers("postgres/postmaster.pid"))?,
            of_family(&site.file_of_servers("nats/nats.pid"))?,
        ];
        Ok(Self(used.map(|ticks| ticks * TICK_MS)))
    }

    /// What was used since an earlier moment.
    pub(crate) fn since(self, before: Self) -> Self {
        Self(PARTS.map(|part| self.of(part).saturating_sub(before.of(part))))
    }

    /// By one part.
    pub(crate) fn of(self, part: Part) -> u64 {
        self.0[part as usize]
    }
}

fn of_this_process() -> Result<u64, Error> {
    let own = Path::new("/proc/self");
    let mut used = Stat::read(own)?.used;
    for thread in fs::read_dir(own.join("task"))? {
        let thread = Stat::read(&thread?.path())?;
        if thread.name == SINK {
            used = used.saturating_sub(thread.used);
        }
    }
    Ok(used)
}

/// Ticks of a process whose id stands in a file, of its children, and of those that have ended.
fn of_family(pid_file: &Path) -> Result<u64, Error> {
    let text = fs::read_to_string(pid_file)?;
    let parent: u32 = text.lines().next().unwrap_or_default().trim().parse()?;
    let mut used = 0;
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let pid = path
            .file_name()
            .and_then(|name| name.to_str()?.parse::<u32>().ok());
        // One that ends meanwhile is counted with its parent the next time.
        let Some(stat) = pid.and_then(|_| Stat::read(&path).ok()) else {
            continue;
        };
        if pid == Some(parent) {
            used += stat.used + stat.used_by_ended_children;
        } else if stat.parent == parent {
            used += stat.used;
        }
    }
    Ok(used)
}

/// What `/proc/…/stat` says of a process or thread: proc_pid_stat(5).
struct Stat {
    name: String,
    parent: u32,
    /// In ticks, in user space and in the kernel.
    used: u64,
    used_by_ended_children: u64,
}

impl Stat {
    fn read(of: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(of.join("stat"))?;
        // The name stands in brackets and may have some itself.
        let (before, after) = text
            .rsplit_once(')')
            .ok_or("no such line as of a process")?;
        let (_, name) = before.split_once('(').ok_or("no name")?;
        // The first of them is the third field of the manual.
        let fields: Vec<&str> = after.split_whitespace().collect();
        let field = |number: usize| {
            fields
                .get(number - 3)
                .ok_or("too few fields")?
                .parse::<u64>()
                .map_err(Error::from)
        };
        Ok(Self {
            name: name.to_owned(),
            parent: u32::try_from(field(4)?)?,
            used: field(14)? + field(15)?,
            used_by_ended_children: field(16)? + field(17)?,
        })
    }
}
