//! `GET /p/{token}` and `POST /p/{token}`: the page where a reader says what they want to get, and when. The link in their mail
//! says who they are; there is no login and no script. Looking changes nothing, because mail scanners follow every link.

mod entry;
mod fields;
mod held;
mod matters;
mod page;
mod shown;
#[cfg(test)]
mod tests;
mod wished;

use actix_web::web;
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};
use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::subscriber::{Command, Event, Standing, Subscriber};
use tidings_domain::token::{LinkKey, PreferencesLink, UnsubscribeLink};
use tidings_domain::value::Evidence;
use tidings_event_store::{Context, Loaded};
use tidings_service::Problem;
use tidings_service::access::{Access, Route, count, permit};
use tidings_service::http::{RequestContext, read_body};
use tidings_service::limits::Policy;

use crate::commands::Commands;
use crate::notices;
use crate::offers::Offer;
use crate::refusal;
use entry::{Entry, Wish};
use held::Held;
use page::Word;
use shown::Shown;
use wished::{wish, wishes};

const PATH: &str = "/p/{token}";

pub(crate) const SHOW: Route = ("GET", PATH, Access::Public);
pub(crate) const SAVE: Route = ("POST", PATH, Access::Public);

/// Far more than the page's own form.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Times a decision is made anew because somebody else has written to the stream.
const ATTEMPTS_MAX: u32 = 5;
const ACTOR: &str = "subscriber:page";

/// The page of a reader's preferences
///
/// By a link that came to an address they have given up, one can leave and see nothing of what they chose.
#[utoipa::path(
    get, path = "/p/{token}", tag = "public", operation_id = "show_preferences",
    params(("token" = String, Path, description = "As it stands in the mail")),
    responses(
        (status = 200, description = "The page; nothing has changed", content_type = "text/html"),
        (status = 404, description = "The link is incomplete or was changed, or its reader was erased",
            content_type = "text/html"),
        (status = 503, description = "The log is away; `Retry-After` says when to try again",
            content_type = "text/html"),
    ),
)]
pub(crate) async fn show(commands: web::Data<Commands>, token: web::Path<String>) -> HttpResponse {
    let link = match PreferencesLink::verify(&token, &commands.link_keys) {
        Ok(link) => link,
        Err(error) => return super::page::bad_link(&error),
    };
    match known(&commands, &link).await {
        Ok(Some(known)) => page_of(
            &known.loaded.state,
            &known,
            (&link, Word::None),
            Asking::of(&commands),
        ),
        Ok(None) => page::nobody(),
        Err(problem) => later(&problem),
    }
}

/// Save a reader's preferences
///
/// What the page sends: one field `topic` and `channel` for each that is wanted, `offered_topic` and `offered_channel` for each
/// that was shown, `was_topic_ID` and `was_channel_ID` (`on` or `off`) with how it was shown; `weight_ID` of a topic is `less`,
/// `usual` or `more`. Every other field has beside it one whose name begins with `was_`, with what was shown in it. What is as it was
/// shown is not said by saving. What is ticked without a word on how it was shown, or on a page whose `version` is from before they
/// left something, is not come back to. With `do=leave` everything is
/// left, with `do=back` it is come back to, if `departures` is what the page with the button said: it counts how often they left.
#[utoipa::path(
    post, path = "/p/{token}", tag = "public", operation_id = "save_preferences",
    params(("token" = String, Path, description = "As it stands in the mail")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "The page's form", example = "do=save&frequency=at_once"),
    responses(
        (status = 200, description = "On record", content_type = "text/html"),
        (status = 404, description = "The link is incomplete or was changed, or its reader was erased",
            content_type = "text/html"),
        (status = 408, description = "The form has not come whole in time", content_type = "text/html"),
        (status = 409, description = "What was left since the page was shown stays left; the page says so, and shows what is on \
            record", content_type = "text/html"),
        (status = 413, description = "Far more was sent than the page's form holds", content_type = "text/html"),
        (status = 410, description = "The link is older than 30 days, or came to an address they have given up: by it one can \
            leave, but not come back, to all or to a topic or channel",
            content_type = "text/html"),
        (status = 422, description = "Something can not be taken; the page says what, beside it",
            content_type = "text/html"),
        (status = 503, description = "Not written down; `Retry-After` says when to try again",
            content_type = "text/html"),
    ),
)]
pub(crate) async fn save(
    commands: web::Data<Commands>,
    request: HttpRequest,
    token: web::Path<String>,
    origin: RequestContext,
    body: web::Payload,
) -> HttpResponse {
    let link = PreferencesLink::verify(&token, &commands.link_keys);
    let body = read_body(&request, &mut body.into_inner(), BODY_BYTES_MAX).await;
    let entry = body.map(|body| Entry::read(&body));
    // Only the form says whether they leave, which is never refused for coming often.
    let leaves = link.is_ok() && entry.as_ref().is_ok_and(|it| it.wish == Some(Wish::Leave));
    let counted = match leaves {
        true => None,
        false => count(&request, Policy::Links),
    };
    let mut response = match (permit(counted.as_ref()), link, entry) {
        (Err(refused), ..) => super::page::too_many(&request, &refused),
        (_, Err(error), _) => super::page::bad_link(&error),
        // Nothing of ours is away: what came can not be taken, now or later.
        (.., Err(problem)) => page::not_taken(problem.status_code()),
        (_, Ok(link), Ok(entry)) => answer(&commands, &request, &origin, &link, &entry).await,
    };
    if let Some(counted) = counted {
        counted.tell(response.headers_mut());
    }
    response
}

async fn answer(
    commands: &Commands,
    request: &HttpRequest,
    origin: &RequestContext,
    link: &PreferencesLink,
    entry: &Entry,
) -> HttpResponse {
    let evidence = super::evidence(request);
    let context = commands.context(ACTOR, &origin.into());
    match saved(commands, link, entry, evidence.as_ref(), &context).await {
        Ok(response) => response,
        Err(problem) => later(&problem),
    }
}

fn later(problem: &Problem) -> HttpResponse {
    tracing::warn!(%problem, "somebody could not see or save their preferences");
    page::later()
}

/// Whether the link came to an address that is not theirs any more.
fn is_former(state: &Subscriber, link: &PreferencesLink) -> bool {
    let profile = state.profile();
    profile.is_some_and(|it| it.has_another_than(link.address_suppression_id))
}

/// How a reader has what is held about them sent.
#[derive(Clone, Copy)]
struct Asking<'a> {
    /// Whoever answers such requests.
    contact: &'a str,
    /// Signs the link of the page.
    key: &'a LinkKey,
}

impl<'a> Asking<'a> {
    /// None: nothing is handed out by links.
    fn of(commands: &'a Commands) -> Option<Self> {
        let own_data = commands.own_data.as_ref()?;
        Some(Self {
            contact: &own_data.contact,
            key: commands.link_keys.current(),
        })
    }

    /// What the page says of it, to whom it may say it.
    fn section(self, state: &Subscriber, link: &PreferencesLink) -> String {
        match state.standing() {
            Standing::Active | Standing::Unsubscribed => {
                super::own_data::section(self.contact, &link.sign(self.key))
            }
            Standing::Pending | Standing::Erased => String::new(),
        }
    }
}

/// The page as whoever has the link may see it: what somebody has chosen is nothing for the mailbox of an address that they
/// gave up.
fn page_of(
    state: &Subscriber,
    known: &Known,
    (link, word): (&PreferencesLink, Word<'_>),
    asking: Option<Asking<'_>>,
) -> HttpResponse {
    match is_former(state, link) {
        true => page::leave_only(word),
        false => {
            let own_data = asking.map_or_else(String::new, |it| it.section(state, link));
            let shown = Shown::new(state, &known.offer).at(known.version);
            page::show(&shown.under(known.held.clone()), word, &own_data)
        }
    }
}

/// A reader, and what the page says to them.
struct Known {
    loaded: Loaded<Subscriber>,
    /// Of their stream, as the page shows it.
    version: i32,
    /// What they can choose among.
    offer: Offer,
    /// Whether anything is sent to their address at all.
    held: Held,
}

/// Who it is; none: there is nobody any more.
async fn known(commands: &Commands, link: &PreferencesLink) -> Result<Option<Known>, Problem> {
    let loaded = match commands.store.load::<Subscriber>(link.subscriber_id).await {
        Ok(loaded) => loaded,
        Err(error) if error.is_wrong_stream() => return Ok(None),
        Err(error) => return Err(refusal::load(&error)),
    };
    match loaded.state {
        Subscriber::Unknown | Subscriber::Erasing(_) | Subscriber::Erased(_) => Ok(None),
        _ => {
            let held = match loaded.state.profile() {
                Some(profile) => Held::find(commands, profile).await?,
                None => Held::No,
            };
            let offer = (commands.offers)().await?;
            Ok(Some(Known {
                version: loaded.version,
                loaded,
                offer,
                held,
            }))
        }
    }
}

/// The version of their stream with these events behind it.
fn version_after(loaded: &Loaded<Subscriber>, events: &[Event]) -> i32 {
    let added = i32::try_from(events.len()).unwrap_or(i32::MAX);
    loaded.version.saturating_add(added)
}

async fn saved(
    commands: &Commands,
    link: &PreferencesLink,
    entry: &Entry,
    evidence: Option<&Evidence>,
    context: &Context,
) -> Result<HttpResponse, Problem> {
    let today = UnsubscribeLink::issued_on(context.occurred_at);
    for _ in 0..ATTEMPTS_MAX {
        let Some(mut known) = known(commands, link).await? else {
            return Ok(page::nobody());
        };
        let (state, asking) = (&known.loaded.state, Asking::of(commands));
        let wish = match wish(entry, link, today) {
            Ok(wish) => wish,
            Err(word) => return Ok(page_of(state, &known, (link, word), asking)),
        };
        let is_former = is_former(state, link);
        let mut wished = match wishes(state, &known.offer, (wish, entry), (link, today), evidence) {
            Ok(wished) => wished,
            Err(_) if is_former => {
                return Ok(page_of(state, &known, (link, Word::Former), asking));
            }
            Err(wrong) => {
                let shown = Shown::new(state, &known.offer).at(known.loaded.version);
                let shown = shown.with(entry).under(known.held.clone());
                let own_data = asking.map(|it| it.section(state, link));
                let own_data = own_data.unwrap_or_default();
                return Ok(page::show(&shown, Word::Wrong(&wrong), &own_data));
            }
        };
        if wish == Wish::Save {
            wished = wished.of_page(entry, &known.loaded.history);
        }
        if is_former {
            wished
                .commands
                .retain(|command| matches!(command, Command::Unsubscribe { .. }));
        }
        let all = match (wish, wished.but) {
            (Wish::Save | Wish::ComeBack, _) if is_former && !entry.is_empty() => Word::Former,
            (_, Some(but)) => but,
            (Wish::Save, None) => Word::Saved,
            (Wish::Leave | Wish::ComeBack, None) => Word::Said,
        };
        let mut after = state.clone();
        let mut events: Vec<Event> = Vec::new();
        for command in wished.commands {
            // What can not be refused to a reader there is.
            for event in after.decide(command).unwrap_or_default() {
                after = after.evolve(&event);
                events.push(event);
            }
        }
        if events.is_empty() {
            let word = if entry.is_empty() { Word::None } else { all };
            return Ok(page_of(&after, &known, (link, word), asking));
        }
        // Whoever comes back may be somebody with a mail of theirs.
        let told = after.standing() == Standing::Active;
        let mut draft = commands.store.draft(context);
        known.version = version_after(&known.loaded, &events);
        draft.append(known.loaded.clone(), events);
        // Who gets nothing is told nothing.
        if let Some(profile) = after.profile().filter(|_| told && known.held == Held::No) {
            let whom = (link.subscriber_id, profile);
            notices::tell_of_change(commands, &mut draft, context, whom).await?;
        }
        match draft.commit().await {
            Ok(_) => return Ok(page_of(&after, &known, (link, all), asking)),
            Err(error) if error.may_be_decided_anew() => {}
            Err(error) => return Err(refusal::commit(&error)),
        }
    }
    Err(refusal::unavailable("Others write at the same time."))
}
