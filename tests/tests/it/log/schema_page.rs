//! `schema/current.sql` is the whole database on one page. It is written from the catalogue of a migrated
//! database, so it shows what the migrations lead to, whatever they say; `UPDATE=1` writes it anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use tidings_event_store::migrate::migrate;
use tidings_tests::Platform;
use tokio_postgres::{Client, NoTls};

const HEAD: &str = "\
-- The whole database on one page: every table, index, trigger and function of the migrations, and the
-- table of each view (here as its first generation; the SQL view `publishing_<view>` names the one that
-- serves). A test writes this page from the catalogue and fails when it is out of date:
--   UPDATE=1 cargo test -p tidings-tests schema_page
";

const TABLES: &str = "
select c.relname::text, c.oid, coalesce(array_to_string(c.reloptions, ', '), '')
from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' order by c.relname";

const COLUMNS: &str = "
select concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod),
    case when a.attcollation <> t.typcollation then 'collate ' || quote_ident(l.collname) end,
    case when a.attnotnull then 'not null' end,
    case when a.attgenerated <> '' then 'generated always as (' || pg_get_expr(d.adbin, d.adrelid) || ') stored'
         when d.adbin is not null then 'default ' || pg_get_expr(d.adbin, d.adrelid) end,
    case when a.attstorage <> t.typstorage then '/* storage '
         || case a.attstorage when 'e' then 'external' when 'm' then 'main' when 'p' then 'plain' else 'extended' end
         || ' */' end,
    case when a.attstattarget = 0 then '/* statistics 0 */' end)
from pg_attribute a
join pg_type t on t.oid = a.atttypid
left join pg_collation l on l.oid = a.attcollation
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped order by a.attnum";

// Not-null constraints are rows of their own since PostgreSQL 18; the columns show them.
const CONSTRAINTS: &str = "
select pg_get_constraintdef(oid) from pg_constraint
where conrelid = $1 and contype in ('p', 'u', 'c', 'f', 'x') order by contype = 'p' desc, conname";

const INDEXES: &str = "
select pg_get_indexdef(i.indexrelid) from pg_index i join pg_class c on c.oid = i.indexrelid
where i.indrelid = $1 and not exists (select from pg_constraint where conindid = i.indexrelid)
order by c.relname";

const TRIGGERS: &str = "
select pg_get_triggerdef(oid) from pg_trigger where tgrelid = $1 and not tgisinternal order by tgname";

const FUNCTIONS: &str = "
select pg_get_functiondef(p.oid) from pg_proc p
where p.pronamespace = 'public'::regnamespace order by p.proname";

#[tokio::test]
async fn current_sql_is_the_migrated_database() {
    let url = Platform::empty_database().await;
    let (mut client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    migrate(&mut client).await.unwrap();
    for (name, sql) in views() {
        let table = format!("publishing_{name}_g1");
        client
            .batch_execute(&sql.replace("{table}", &table))
            .await
            .unwrap();
    }
    let page = page(&client).await;
    let file = schema().join("current.sql");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &page).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        page == written,
        "schema/current.sql is out of date: UPDATE=1 cargo test -p tidings-tests schema_page"
    );
}

fn schema() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema")
}

/// Name and text of every view's file.
fn views() -> Vec<(String, String)> {
    let files = fs::read_dir(schema().join("views")).unwrap();
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    files.map(|file| read(file.unwrap().path())).collect()
}

async fn page(client: &Client) -> String {
    let mut page = HEAD.to_owned();
    for table in client.query(TABLES, &[]).await.unwrap() {
        let (name, oid, options): (&str, u32, &str) = (table.get(0), table.get(1), table.get(2));
        let mut lines = texts(client, COLUMNS, oid).await;
        lines.extend(texts(client, CONSTRAINTS, oid).await);
        let with = if options.is_empty() {
            String::new()
        } else {
            format!(" with ({options})")
        };
        write!(
            page,
            "\ncreate table {name} (\n    {}\n){with};\n",
            lines.join(",\n    ")
        )
        .unwrap();
        for index in texts(client, INDEXES, oid).await {
            writeln!(page, "{};", index.replace(" public.", " ")).unwrap();
        }
        for trigger in texts(client, TRIGGERS, oid).await {
            writeln!(page, "{};", trigger.replace(" public.", " ")).unwrap();
        }
    }
    for function in client.query(FUNCTIONS, &[]).await.unwrap() {
        let definition: &str = function.get(0);
        let definition = definition.replace(" public.", " ");
        write!(page, "\n{};\n", definition.trim_end()).unwrap();
    }
    page
}

async fn texts(client: &Client, sql: &str, oid: u32) -> Vec<String> {
    let rows = client.query(sql, &[&oid]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
