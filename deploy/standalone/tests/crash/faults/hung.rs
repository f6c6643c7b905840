//! A database whose processes all stand still for longer than anybody waits: whoever asks meanwhile is told so.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tidings_tests::dice::Seed;
use tidings_tests::program::Away;
use uuid::Uuid;

use super::database::TOLD_WITHIN;
use crate::rounds::Round;
use crate::world::World;

/// Longer than any answer is waited for, so that everything asked at first is given up meanwhile.
const HUNG_FOR: Duration = Duration::from_secs(20);
/// The only thing that may be said of a database that does not answer.
const UNAVAILABLE: u16 = 503;
/// Signs up while nobody can tell whether they did.
const LATECOMER: &str = "latecomer@example.org";
/// Is to be asked first, as whoever comes by `/join` is, and nobody can tell by which channel.
const ASKED: &str = "asked@example.org";

/// Something a caller may ask for.
enum Question {
    Command(String, Value),
    Query(String),
}

impl World {
    /// Has callers ask for everything, over and over, while no process of the database runs; gives how many answers
    /// they had. Mail that was on its way meanwhile is answered meanwhile.
    async fn is_told_that_it_hangs(&self) -> usize {
        let questions = self.questions().await;
        let hung = self.stop_database();
        let since = Instant::now();
        self.smtp.release();
        let asked = questions.iter().map(|question| self.ask(question, since));
        let answers: usize = join_all(asked).await.iter().sum();
        let stood = since.elapsed();
        assert!(stood >= HUNG_FOR, "it went on after {stood:?}");
        drop(hung);
        answers
    }

    /// Asks again and again; gives how often. Every answer says that the database is away, and comes in time.
    async fn ask(&self, question: &Question, since: Instant) -> usize {
        let api = self.program.api();
        let mut answers = 0;
        while since.elapsed() < HUNG_FOR {
            let asked = Instant::now();
            let (path, answer) = match question {
                Question::Command(path, body) => (path, api.command(path, body).await),
                Question::Query(path) => (path, api.query(path).await),
            };
            let took = asked.elapsed();
            let Err(Away::Unavailable(problem)) = answer else {
                panic!(
                    "{path}, after {took:?}: {answer:?}\n{}",
                    self.program.said()
                );
            };
            assert!(took < TOLD_WITHIN, "{path}: told only after {took:?}");
            let problem: Value = serde_json::from_str(&problem).unwrap();
            assert_eq!(problem["status"], json!(UNAVAILABLE), "{path}: {problem}");
            assert!(problem["detail"].is_string(), "{path}: {problem}");
            answers += 1;
        }
        answers
    }

    /// Commands to streams that are there and to new ones, with sealed values and without, and reads of every kind.
    async fn questions(&self) -> Vec<Question> {
        let readers = "select stream_id from publishing_events where type = 'subscriber.SignedUp'";
        let reader = self.of_log(readers).await[0];
        let (publication, channel): (Uuid, Uuid) = {
            let known = self.known();
            (
                *known.titles.values().last().unwrap(),
                known.channels["file"],
            )
        };
        // Nobody hears whether they were signed up after all.
        self.hand_in(vec![LATECOMER.to_owned()]);
        let draft = json!({ "title": "Late", "markdown": "Late.", "channels": [channel] });
        let folder = json!({ "kind": "file", "name": "late", "settings": { "folder": "late" } });
        let commands = [
            (
                format!("/api/v1/subscribers/{reader}/unsubscribe"),
                json!({}),
            ),
            (format!("/api/v1/channels/{channel}/enable"), json!({})),
            (
                "/api/v1/subscribers".to_owned(),
                json!({ "email": LATECOMER }),
            ),
            (
                "/api/v1/subscribers".to_owned(),
                json!({ "email": ASKED, "confirmation": "required" }),
            ),
            ("/api/v1/publications".to_owned(), draft),
            ("/api/v1/channels".to_owned(), folder),
        ];
        let reads = [
            "/api/v1/channels".to_owned(),
            format!("/api/v1/channels/{channel}/health"),
            format!("/api/v1/subscribers/{reader}"),
            format!("/api/v1/publications/{publication}"),
            format!("/api/v1/publications/{publication}/accounting"),
            format!("/api/v1/publications/{publication}/deliveries?class=pending"),
        ];
        let commands = commands
            .into_iter()
            .map(|(path, body)| Question::Command(path, body));
        commands.chain(reads.map(Question::Query)).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_a_database_that_hangs_is_told_in_time_and_the_send_goes_on_by_itself() {
    let seed = Seed::of_run();
    // Enough for everybody: who gets no connection is told sooner than who waits for an answer over one.
    let connections = ("TIDINGS_DATABASE__POOL_SIZE_MAX", "48".to_owned());
    let mut world = World::with(seed.0, vec![connections]).await;
    world.ensure_up().await;
    world.round(Round::default()).await.unwrap();
    let round = world.in_mid_send(async |world| {
        let answers = world.is_told_that_it_hangs().await;
        assert!(answers >= 10, "{answers} answers");
    });
    match round.await {
        Ok(()) | Err(Away::Unavailable(_)) => {}
        Err(error) => panic!("{error}\n{}", world.program.said()),
    }
    assert!(world.program.runs(), "{}", world.program.said());
    world.settle().await;
    world.round(Round::default()).await.unwrap();
    world.settle().await;
}
