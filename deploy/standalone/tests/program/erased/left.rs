//! What is left of somebody: in the tables of the database, and in a file that was handed out.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::pin::pin;

use futures_util::TryStreamExt as _;
use tidings_servers::{Options, Servers};
use tidings_tests::needles::Needles;
use tidings_tests::program::Program;
use tokio_postgres::{Client, NoTls};
use zip::ZipArchive;

/// Everything that has rows, with the catalogue and its statistics.
const TABLES: &str = "select oid::regclass::text from pg_class where relkind in ('r', 'm')";

/// The database of a program that runs.
pub(crate) struct Database(pub(super) Client);

impl Database {
    pub(crate) async fn of(program: &Program) -> Self {
        let options = Options {
            state_dir: program.dir().join("state"),
            ..Options::from_env(program.data())
        };
        let servers = Servers::start(options).await.unwrap();
        assert!(servers.adopted(), "the program has started them");
        let url = servers.database_url().unwrap();
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        Self(client)
    }

    /// The tables with such words, each with a word of it, as a dump reads them.
    pub(super) async fn tables_with(&self, needles: &Needles) -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        for row in self.0.query(TABLES, &[]).await.unwrap() {
            let table: String = row.get(0);
            let copy = format!("copy (select t::text from {table} t) to stdout");
            let rows = self.0.copy_out(&copy).await.unwrap();
            let rows: Vec<_> = pin!(rows).try_collect().await.unwrap();
            for (word, writing) in needles.within(&rows.concat()) {
                found.insert((table.clone(), format!("{word} {writing}")));
            }
        }
        found
    }

    /// Does this to it.
    pub(crate) async fn change(&self, sql: &str) {
        self.0.batch_execute(sql).await.unwrap();
    }

    /// Looks at what the columns hold, for whoever plans a query.
    pub(super) async fn analyze(&self) {
        self.0.batch_execute("analyze").await.unwrap();
    }

    /// What PostgreSQL does in the course of time: what was in use of pages and of the write-ahead log is written over.
    pub(super) async fn write_over_what_was_freed(&self) {
        self.0.batch_execute("vacuum full").await.unwrap();
        // Files that are not needed any more are used again; the one in use now is not among them before the second time.
        for _ in 0..2 {
            self.0.batch_execute("checkpoint").await.unwrap();
            let files = "select count(*) from pg_ls_waldir()";
            let files: i64 = self.0.query_one(files, &[]).await.unwrap().get(0);
            for _ in 0..=files {
                let next = "select pg_logical_emit_message(false, 'test', ''), pg_switch_wal()";
                self.0.query_one(next, &[]).await.unwrap();
            }
        }
    }
}

/// The files in a ZIP.
pub(super) fn unzipped(zip: &Path) -> Vec<(String, Vec<u8>)> {
    let mut zip = ZipArchive::new(File::open(zip).unwrap()).unwrap();
    let mut files = Vec::new();
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        files.push((file.name().unwrap().to_string(), bytes));
    }
    files
}
