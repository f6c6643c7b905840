//! `subscribers.*`: a hundred thousand readers in the program as it is run: signing them up from a file, finding, listing
//! and counting them, their preferences by 200 callers at once, an export of many events, and erasures. Each beside what
//! the same database does by plain SQL in the same run.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use futures_util::TryStreamExt as _;
use futures_util::future::{ready, try_join_all};
use serde_json::{Value, json};
use tidings_servers::{Options, Servers};
use tidings_tests::program::newsroom::id;
use tidings_tests::program::{Api, Program};

use crate::recovery::{program, start};
use crate::report::{Report, Row};
use crate::site::{Site, pool};
use crate::stats::{median, percentile_ms};
use crate::{Error, Wanted};

const FAMILY: &str = "subscribers";
const SUBSCRIBERS: usize = 100_000;
/// Questions of each row.
const QUESTIONS: usize = 400;
const CALLERS: usize = 200;
/// Of the subscriber who is exported.
const EVENTS: usize = 10_000;
const ERASED: usize = 20;

/// Runs the rows of this family if one was asked for.
pub(crate) async fn rows(site: &Site, wanted: &Wanted, report: &mut Report) -> Result<(), Error> {
    if !wanted.row(FAMILY) {
        return Ok(());
    }
    let mut program = program()?;
    // It is one caller who asks for all of this.
    program.set(vec![(
        "TIDINGS_RATE_LIMITS__API_PER_MINUTE",
        "0".to_owned(),
    )]);
    start(&mut program).await?;
    let options = Options {
        state_dir: program.dir().join("state"),
        ..Options::from_env(program.data())
    };
    // Those of the program.
    let servers = Servers::start(options).await?;
    let url = servers
        .database_url()
        .ok_or("the program has no database")?;
    let house = House {
        api: Arc::new(program.api()),
        pool: pool(&url, CALLERS / 4)?,
        program,
    };
    let fsync_us = site.fsync_us()?;
    let mut tell = |name: &str, measured: Measured, note: String| {
        report.add(Row {
            name: format!("{FAMILY}.{name}"),
            ratio: measured.against.map(|against| measured.subject / against),
            value: measured.against.is_none().then_some(measured.subject),
            unit: measured.unit,
            subject: measured.subject,
            against: measured.against,
            fsync_us,
            note,
        });
    };
    let imported = house.import().await?;
    tell(
        "import.vs_copy",
        imported,
        "readers a second from a file; against a COPY into a table with a unique index".to_owned(),
    );
    tell(
        "import.rss_mib",
        Measured::alone("MiB", house.resident_mib()?),
        "the most the program has held by then, all roles in it".to_owned(),
    );
    for (name, measured) in house.ask().await? {
        tell(name, measured, "p95; against the SQL alone".to_owned());
    }
    let exported = house.export().await?;
    tell(
        "export.10k_s",
        exported,
        format!("{EVENTS} events, proven and signed; against reading them by SQL"),
    );
    tell(
        "export.vs_copy",
        house.export_all().await?,
        "readers a second into a file, a look at each on record; against a COPY of the same columns".to_owned(),
    );
    let erased = house.erase().await?;
    tell(
        "erasure_ms",
        erased,
        "until the receipt; against one durable delete".to_owned(),
    );
    house.program.stop().await;
    Ok(())
}

/// What was measured, and what it is compared with.
struct Measured {
    unit: &'static str,
    subject: f64,
    against: Option<f64>,
}

impl Measured {
    fn alone(unit: &'static str, subject: f64) -> Self {
        Self {
            unit,
            subject,
            against: None,
        }
    }

    fn beside(unit: &'static str, subject: f64, against: f64) -> Self {
        Self {
            unit,
            subject,
            against: Some(against),
        }
    }
}

/// The program and its database.
struct House {
    program: Program,
    api: Arc<Api>,
    pool: Pool,
}

fn reader(n: usize) -> String {
    format!("reader{n}@example.org")
}

impl House {
    async fn import(&self) -> Result<Measured, Error> {
        let mut csv = "email,name,city,age\n".to_owned();
        for n in 0..SUBSCRIBERS {
            let city = ["Kyiv", "Lviv", "Odesa", "Dnipro"][n % 4];
            csv += &format!("{},Reader {n},{city},{}\n", reader(n), 18 + n % 60);
        }
        let rows = csv.clone();
        let began = Instant::now();
        let import = self.api.post_csv("/api/v1/imports", csv).await;
        let path = format!("/api/v1/imports/{}", id(&import));
        let done = self
            .api
            .until(&path, |it| it["state"] == json!("completed"))
            .await;
        let subject = began.elapsed().as_secs_f64();
        if done["accepted"] != json!(SUBSCRIBERS) {
            return Err(format!("not all were signed up: {done}").into());
        }
        let mut client = self.pool.get().await?;
        let table = "create table bench_readers (email text primary key, name text, city text, age integer)";
        client.batch_execute(table).await?;
        let began = Instant::now();
        let transaction = client.transaction().await?;
        let copy = "copy bench_readers from stdin with (format csv, header)";
        let sink = transaction.copy_in::<_, bytes::Bytes>(copy).await?;
        futures_util::pin_mut!(sink);
        futures_util::SinkExt::send(&mut sink, rows.into()).await?;
        sink.finish().await?;
        transaction.commit().await?;
        let against = began.elapsed().as_secs_f64();
        let per_s = |seconds: f64| SUBSCRIBERS as f64 / seconds;
        Ok(Measured::beside("/s", per_s(subject), per_s(against)))
    }

    fn resident_mib(&self) -> Result<f64, Error> {
        let status = Path::new("/proc").join(self.program.pid().to_string());
        let status = std::fs::read_to_string(status.join("status"))?;
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.split_whitespace().next())
            .ok_or("the kernel does not say how much memory it used")?;
        Ok(kib.parse::<f64>()? / 1_024.0)
    }

    /// Questions and the one command that readers repeat, in the order they are reported.
    async fn ask(&self) -> Result<Vec<(&'static str, Measured)>, Error> {
        let ids = self.ids().await?;
        let mut all = Vec::new();
        let find = |n: usize| {
            let body = json!({ "email": reader(n * 97 % SUBSCRIBERS) });
            self.posts("/api/v1/subscribers/find".to_owned(), body)
        };
        let by_email = |n: usize| {
            let email = reader(n * 97 % SUBSCRIBERS);
            let sql =
                format!("select * from publishing_subscriber_profile where email = '{email}'");
            self.selects(sql)
        };
        // No index of ours is by the address itself: the log's streams are.
        let index = "create index bench_email on publishing_subscriber_profile_g1 (email)";
        self.pool.get().await?.batch_execute(index).await?;
        // The server does so by itself within a minute, which is more than this takes.
        self.pool.get().await?.batch_execute("analyze").await?;
        all.push(("find.p95_ms", beside(16, find, by_email).await?));
        let list = |_| self.gets("/api/v1/subscribers?attribute=city:Kyiv&limit=100".to_owned());
        let by_city = |_| {
            let sql = "select subscriber_id, email from publishing_subscriber_profile \
                       where attributes @> '{\"city\": {\"text\": \"Kyiv\"}}' order by subscriber_id limit 100";
            self.selects(sql.to_owned())
        };
        all.push(("list.p95_ms", beside(4, list, by_city).await?));
        let conditions = json!({ "all": [{ "attribute": "city", "is": "Kyiv" }, { "not": { "attribute": "age", "is": "40" } }] });
        let count = |_| {
            let body = json!({ "conditions": conditions });
            self.posts("/api/v1/segments/preview".to_owned(), body)
        };
        let plain = |_| {
            let sql = "select count(*) from publishing_subscriber_profile where state = 'active' \
                       and attributes -> 'city' ->> 'text' = 'Kyiv' and attributes -> 'age' ->> 'text' <> '40'";
            self.selects(sql.to_owned())
        };
        all.push(("segment.count.p95_ms", beside(4, count, plain).await?));
        let read = |n: usize| {
            self.gets(format!(
                "/api/v1/subscribers/{}/preferences",
                ids[n % ids.len()]
            ))
        };
        let row = |n: usize| {
            let id = &ids[n % ids.len()];
            self.selects(format!(
                "select preferences from publishing_subscriber_profile where subscriber_id = '{id}'"
            ))
        };
        all.push(("preferences.read.p95_ms", beside(CALLERS, read, row).await?));
        let write = |n: usize| {
            let path = format!("/api/v1/subscribers/{}/preferences", ids[n % ids.len()]);
            let daily =
                json!({ "frequency": { "kind": "daily", "hour": n % 24 }, "zone": "Europe/Kyiv" });
            self.puts(path, daily)
        };
        let update = |n: usize| {
            self.selects(format!(
                "update bench_readers set age = {} where email = '{}'",
                n % 90,
                reader(n)
            ))
        };
        all.push((
            "preferences.write.p95_ms",
            beside(CALLERS, write, update).await?,
        ));
        Ok(all)
    }

    async fn ids(&self) -> Result<Vec<String>, Error> {
        let client = self.pool.get().await?;
        let sql = "select subscriber_id::text from publishing_subscriber_profile order by subscriber_id limit 5000";
        let rows = client.query(sql, &[]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn export(&self) -> Result<Measured, Error> {
        let reader = self.ids().await?.pop().ok_or("nobody is signed up")?;
        let path = format!("/api/v1/subscribers/{reader}");
        // Each look is an event.
        for _ in 0..EVENTS {
            self.api.get(&path).await;
        }
        let began = Instant::now();
        let file = self.program.dir().join("reader.zip");
        let file = file.to_str().ok_or("the folder has no name")?;
        self.program.says(&[
            "export",
            "subscriber",
            &reader,
            "--reason",
            "measured",
            "--out",
            file,
            "--json",
        ]);
        let subject = began.elapsed().as_secs_f64();
        let began = Instant::now();
        let sql = format!(
            "select * from publishing_events where stream_id in \
             (select stream_id from publishing_events where subject = '{reader}') order by position"
        );
        self.selects(sql).await?;
        Ok(Measured::beside(
            "s",
            subject,
            began.elapsed().as_secs_f64(),
        ))
    }

    async fn export_all(&self) -> Result<Measured, Error> {
        let file = self.program.dir().join("readers.csv");
        let file = file.to_str().ok_or("the folder has no name")?;
        let began = Instant::now();
        let export = [
            "subscribers",
            "export",
            "--reason",
            "measured",
            "-o",
            file,
            "--json",
        ];
        self.program.says(&export);
        let subject = SUBSCRIBERS as f64 / began.elapsed().as_secs_f64();
        let began = Instant::now();
        let client = self.pool.get().await?;
        let copy = "copy (select subscriber_id, email, name, state, confirmed, tags, attributes, topics, source, signed_up_at, \
                    unsubscribed_at from publishing_subscriber_profile order by subscriber_id) to stdout (format csv)";
        let rows = client.copy_out(copy).await?;
        rows.try_for_each(|_| ready(Ok(()))).await?;
        let against = SUBSCRIBERS as f64 / began.elapsed().as_secs_f64();
        Ok(Measured::beside("readers/s", subject, against))
    }

    async fn erase(&self) -> Result<Measured, Error> {
        let (mut ours, mut plain) = (Vec::new(), Vec::new());
        for (n, reader) in self.ids().await?.iter().take(ERASED).enumerate() {
            let path = format!("/api/v1/subscribers/{reader}");
            let began = Instant::now();
            self.api.post(&format!("{path}/erase"), &json!({})).await;
            let signed = |it: &Value| it["signature"].is_string();
            self.api.until(&format!("{path}/erasure"), signed).await;
            ours.push(began.elapsed().as_secs_f64() * 1e3);
            let began = Instant::now();
            self.selects(format!(
                "delete from bench_readers where email = '{}'",
                self::reader(n)
            ))
            .await?;
            plain.push(began.elapsed().as_secs_f64() * 1e3);
        }
        Ok(Measured::beside("ms", median(ours), median(plain)))
    }

    async fn gets(&self, path: String) -> Result<(), Error> {
        let answer = self.api.query(&path).await?;
        answer
            .map(drop)
            .ok_or_else(|| format!("refused: {path}").into())
    }

    async fn posts(&self, path: String, body: Value) -> Result<(), Error> {
        let answer = self.api.command(&path, &body).await?;
        answer
            .map(drop)
            .ok_or_else(|| format!("refused: {path}").into())
    }

    async fn puts(&self, path: String, body: Value) -> Result<(), Error> {
        let answer = self.api.replace(&path, &body).await?;
        answer
            .map(drop)
            .ok_or_else(|| format!("refused: {path}").into())
    }

    async fn selects(&self, sql: String) -> Result<(), Error> {
        self.pool.get().await?.query(&sql, &[]).await?;
        Ok(())
    }
}

/// p95 of ours and of plain SQL, with so many callers at once.
async fn beside<A, B>(
    callers: usize,
    ours: impl Fn(usize) -> A,
    plain: impl Fn(usize) -> B,
) -> Result<Measured, Error>
where
    A: Future<Output = Result<(), Error>>,
    B: Future<Output = Result<(), Error>>,
{
    let subject = p95(callers, ours).await?;
    Ok(Measured::beside("ms", subject, p95(callers, plain).await?))
}

async fn p95<A>(callers: usize, question: impl Fn(usize) -> A) -> Result<f64, Error>
where
    A: Future<Output = Result<(), Error>>,
{
    let each = (QUESTIONS.max(callers * 4)) / callers;
    let question = &question;
    let callers = (0..callers).map(|caller| async move {
        let mut took: Vec<Duration> = Vec::with_capacity(each);
        for n in 0..each {
            let began = Instant::now();
            question(caller * each + n).await?;
            took.push(began.elapsed());
        }
        Ok::<_, Error>(took)
    });
    let mut took: Vec<Duration> = try_join_all(callers).await?.into_iter().flatten().collect();
    Ok(percentile_ms(&mut took, 95))
}
