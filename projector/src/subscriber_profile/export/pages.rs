//! The pages of an export: read, put on record, and only then given away.

use std::collections::HashMap;

use tidings_event_store::view::View as _;
use tidings_service::Problem;
use tidings_service::look::{Looker, Seen};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Format, VIEWS, line};
use crate::reader::Reader;
use crate::subscriber_profile::listed::{Question, Which};
use crate::suppression_list;
use crate::topic_list::TopicList;

/// Subscribers of a page, whose looks are one commit: half of what a commit takes, so that others get their turn.
const PAGE: i64 = 500;

/// Where an export is.
pub(super) struct Pages {
    reader: Reader,
    question: Question,
    columns: String,
    by: Looker,
    format: Format,
    /// The tables that the views had when it began.
    generations: Vec<i32>,
    after: Uuid,
    is_done: bool,
}

impl Pages {
    /// From the first on.
    ///
    /// # Errors
    /// 400 for a filter that is none.
    pub(super) async fn new(
        reader: &Reader,
        which: &Which,
        (by, format): (Looker, Format),
    ) -> Result<Self, Problem> {
        let mut question = Question::of(reader, which).await?;
        // Who is being erased has none any more.
        question.add("s.email is not null".to_owned());
        let columns = format!(
            "s.subscriber_id, s.email, s.name, s.attributes, s.tags, s.state, s.confirmed, s.topics, s.left_channels, \
             s.preferences, s.source, s.signed_up_at, s.unsubscribed_at, s.position, {} as address_reasons, {} as domain_reasons",
            suppression_list::standing_in("a"),
            suppression_list::standing_in("d")
        );
        Ok(Self {
            reader: reader.clone(),
            question,
            columns,
            by,
            format,
            generations: generations(reader).await?,
            after: Uuid::nil(),
            is_done: false,
        })
    }

    /// The lines of the next page, once the looks are on record; none: that was all.
    ///
    /// # Errors
    /// When it can not be read or put on record: then nothing of it may be shown.
    pub(super) async fn next(&mut self) -> Result<Option<String>, Problem> {
        if self.is_done {
            return Ok(None);
        }
        let joined = "left join publishing_suppression_list a on a.suppression_id = s.address_suppression_id \
                      left join publishing_suppression_list d on d.suppression_id = s.domain_suppression_id";
        let question = &self.question;
        let rows = question.rows(&self.reader, (&self.columns, joined), self.after, PAGE);
        let rows = rows.await?;
        let slugs = self.slugs(&rows).await?;
        // A view that was started over meanwhile holds too few: that must not pass for the end, however soon it is whole
        // again.
        if generations(&self.reader).await? != self.generations {
            let why = "A view was made anew while the file was written: begin it again.";
            return Err(Problem::conflict(why));
        }
        let subscribers: Vec<_> = rows.iter().map(|row| line::read(row, &slugs)).collect();
        self.is_done = (subscribers.len() as i64) < PAGE;
        let Some(last) = subscribers.last() else {
            return Ok(None);
        };
        self.after = last.id;
        let ids = subscribers.iter().map(|it| it.id).collect();
        let look = self.reader.look_at_all(self.by.clone(), ids, Seen::Line);
        look.await?;
        let lines = subscribers.iter().map(|it| line::write(self.format, it));
        Ok(Some(lines.collect()))
    }

    /// What the topics are called for good, at least those that were there when these rows came to be as they are: of whose
    /// choice nothing is known yet, it must not be left out.
    async fn slugs(&self, rows: &[Row]) -> Result<HashMap<Uuid, String>, Problem> {
        let latest: Option<i64> = rows.iter().map(|row| row.get("position")).max();
        let views = [TopicList::DEFINITION.name];
        self.reader.position(&views, latest).await?;
        let sql = "select topic_id, slug from publishing_topic_list where slug is not null";
        let rows = self.reader.rows(sql, &[]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}

/// Which of its tables each view has: another one after a rebuild, and when it is started over.
async fn generations(reader: &Reader) -> Result<Vec<i32>, Problem> {
    let sql = "select generation from publishing_views where view = any($1) order by view";
    let rows = reader.rows(sql, &[&&VIEWS[..]]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
