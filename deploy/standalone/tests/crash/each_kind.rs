//! Each kind of channel, with the program killed at each step of a delivery: what the receiver has then, and what
//! becomes of the delivery. The table in `docs/guarantees.md` is this one.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use tidings_sinks::{RuleId, slack, smtp};
use tidings_tests::checker::deliveries::Received;
use tidings_tests::dice::Seed;
use tidings_tests::link::{Link, Way};
use tidings_tests::program::Api;
use uuid::Uuid;

use crate::death::killed;
use crate::world::World;

/// A step is reached within this, and what was begun settles within this: a webhook is tried again after half a minute.
const WITHIN: Duration = Duration::from_secs(90);
const READER: &str = "reader@example.org";
/// Bytes of a connection that end in the middle of a message, whatever the kind.
const MID_MESSAGE: usize = 2_048;

/// How the program comes to its end.
#[derive(Clone, Copy, Debug)]
enum End {
    /// By itself, at a crash point.
    At(&'static str),
    /// Killed, once this much of what it says is with the receiver and more is on its way.
    Said(usize),
    /// Killed, once the receiver has the message and before it answers.
    Unanswered,
}

/// A step of a delivery.
#[derive(Clone, Copy, Debug)]
struct Step {
    end: End,
    /// Copies that the receiver has by then.
    copies: usize,
    /// Whether the log tells by then what has become of the attempt, or that there is none.
    is_known: bool,
}

const fn step(end: End, copies: usize, is_known: bool) -> Step {
    Step {
        end,
        copies,
        is_known,
    }
}

const RECORDED: Step = step(End::At("attempt.recorded"), 0, false);
const CONNECTED: Step = step(End::Said(0), 0, false);
const HALF_SAID: Step = step(End::Said(MID_MESSAGE), 0, false);
const DRAFTED: Step = step(End::At("attempt.drafted"), 0, false);
const DOT_SENT: Step = step(End::At("attempt.dot_sent"), 1, false);
const UNANSWERED: Step = step(End::Unanswered, 1, false);
const ANSWERED: Step = step(End::At("attempt.sent"), 1, false);
const BEFORE_OUTCOME: Step = step(End::At("outcome.before_recorded"), 1, false);
const OUTCOME: Step = step(End::At("outcome.recorded"), 1, true);
/// Comes last: the delivery is made as soon as the program runs again.
const BEFORE_RECORDED: Step = step(End::At("attempt.before_recorded"), 0, true);

const MAIL: [Step; 9] = [
    RECORDED,
    CONNECTED,
    HALF_SAID,
    DOT_SENT,
    UNANSWERED,
    ANSWERED,
    BEFORE_OUTCOME,
    OUTCOME,
    BEFORE_RECORDED,
];
const HTTP: [Step; 8] = [
    RECORDED,
    CONNECTED,
    HALF_SAID,
    UNANSWERED,
    ANSWERED,
    BEFORE_OUTCOME,
    OUTCOME,
    BEFORE_RECORDED,
];
const FILE: [Step; 6] = [
    RECORDED,
    DRAFTED,
    ANSWERED,
    BEFORE_OUTCOME,
    OUTCOME,
    BEFORE_RECORDED,
];

/// Where a delivery ends, and how many copies its receiver has then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fate {
    class: &'static str,
    copies: usize,
}

impl Step {
    /// What is in doubt is held, but for a webhook: whoever receives it knows a copy by its id.
    fn fate(self, kind: &str) -> Fate {
        let (class, copies) = match self.is_known {
            true => ("sent", 1),
            false if kind == "webhook" => ("sent", self.copies + 1),
            false => ("in_doubt", self.copies),
        };
        Fate { class, copies }
    }
}

impl World {
    /// Publishes by a channel and has the program killed at a step of the delivery; gives the publication.
    async fn die_in_a_delivery(&mut self, kind: &'static str, step: Step) -> Uuid {
        if let End::At(point) = step.end {
            if self.program.runs() {
                self.program.kill(false);
            }
            let up = self.program.up(Some(&format!("{point}:1"))).await;
            assert!(up, "{point} comes too soon:\n{}", self.program.said());
        }
        self.ensure_up().await;
        let api = self.program.api();
        self.hold_back(&api).await;
        let channel = self.channel(&api, kind).await.unwrap();
        let stalled = match step.end {
            End::At(_) => None,
            End::Said(bytes) => {
                self.wire(kind).set(Way::Short(bytes));
                None
            }
            End::Unanswered => Some(self.stall(kind)),
        };
        let id = self.send(&api, channel).await;
        let reached = tokio::time::timeout(WITHIN, self.reached(kind, step.end, stalled)).await;
        let said = self.program.said();
        assert!(reached.is_ok(), "{kind}: {step:?} never came:\n{said}");
        if let End::Said(_) = step.end {
            self.wire(kind).lose_what_it_keeps().await;
        }
        self.go_on(kind, stalled);
        id
    }

    /// Waits for the step, and for the end of the program at it.
    async fn reached(&mut self, kind: &str, end: End, stalled: Option<RuleId>) {
        match (end, stalled) {
            (End::At(point), _) => {
                while self.program.runs() {
                    tokio::time::sleep(tidings_tests::program::ASK_AGAIN).await;
                }
                assert!(killed(self.program.ended()), "it died before {point}");
            }
            (End::Said(_), _) => {
                self.wire(kind).keeps_something().await;
                self.program.kill(false);
            }
            (End::Unanswered, Some(rule)) => {
                match kind {
                    "email" => self.smtp.wait_for_hits(rule, 1).await,
                    _ => self.receiver(kind).wait_for_hits(rule, 1).await,
                }
                self.program.kill(false);
            }
            (End::Unanswered, None) => unreachable!("nobody stalls"),
        }
    }

    /// The receiver takes the next message, and does not answer.
    fn stall(&self, kind: &str) -> RuleId {
        match kind {
            "email" => {
                let stall = smtp::Rule::new(smtp::Phase::FinalDot, smtp::Action::Stall);
                self.smtp.add_rule(stall.recorded().times(1))
            }
            _ => {
                let stall = slack::Rule::new(slack::Action::Stall);
                self.receiver(kind).add_rule(stall.recorded().times(1))
            }
        }
    }

    fn go_on(&self, kind: &str, stalled: Option<RuleId>) {
        let Some(rule) = stalled else { return };
        match kind {
            "email" => {
                self.smtp.remove_rule(rule);
                self.smtp.release();
            }
            _ => {
                self.receiver(kind).remove_rule(rule);
                self.receiver(kind).release();
            }
        }
    }

    fn receiver(&self, kind: &str) -> &slack::Handle {
        match kind {
            "slack" | "slack_bot" => &self.slack,
            "discord" => &self.discord,
            "webhook" => &self.webhook,
            "ses" => &self.ses,
            other => panic!("no receiver by HTTP: {other}"),
        }
    }

    fn wire(&self, kind: &str) -> &Link {
        match kind {
            "email" => &self.links.smtp,
            "slack" | "slack_bot" => &self.links.slack,
            "discord" => &self.links.discord,
            "webhook" => &self.links.webhook,
            "ses" => &self.links.ses,
            other => panic!("no wire leads to {other}"),
        }
    }

    /// Something long enough to be cut in the middle, published by this channel alone.
    async fn send(&self, api: &Api, channel: Uuid) -> Uuid {
        let number = {
            let mut known = self.known();
            known.rounds += 1;
            known.rounds
        };
        let text = "All is **well**, as it was the day before.\n\n".repeat(120);
        let id = self
            .draft(api, number, &text, &[channel], &[])
            .await
            .unwrap();
        let path = format!("/api/v1/publications/{id}/publish");
        // It may die before the answer is out.
        if let Ok(answer) = api.command(&path, &json!({})).await {
            self.tell(&answer.expect("a draft may be published"));
        }
        id
    }

    /// Pauses what was published before: a webhook would be tried again in the middle of what follows.
    async fn hold_back(&self, api: &Api) {
        self.to_all(api, "pause").await;
    }

    async fn let_go(&self, api: &Api) {
        self.to_all(api, "resume").await;
    }

    /// A command to every publication; those that are over refuse it.
    async fn to_all(&self, api: &Api, command: &str) {
        let publications: Vec<Uuid> = self.known().titles.values().copied().collect();
        for id in publications {
            let path = format!("/api/v1/publications/{id}/{command}");
            if let Some(answer) = api.command(&path, &json!({})).await.unwrap() {
                self.tell(&answer);
            }
        }
    }

    /// The one reader.
    async fn a_reader(&self, api: &Api) {
        let file = self.hand_in(vec![READER.to_owned()]);
        let import = api.file(format!("email\n{READER}\n")).await.unwrap();
        let import = self.tell(&import.expect("a file may be imported"));
        self.known().files[file].import_id = Some(import);
        let done = |import: &Value| import["state"] == json!("completed");
        let path = format!("/api/v1/imports/{import}");
        api.await_answer(&path, done).await.unwrap();
    }

    /// What has become of a publication's one delivery.
    async fn fate_of(&self, api: &Api, id: Uuid) -> Fate {
        let path = format!("/api/v1/publications/{id}/accounting");
        let settled = |it: &Value| it["planned"] == json!(1) && it["pending"] == json!(0);
        let accounting = tokio::time::timeout(WITHIN, api.await_answer(&path, settled)).await;
        let said = self.program.said();
        let accounting = accounting.unwrap_or_else(|_| panic!("{id} never settled:\n{said}"));
        let accounting = accounting.unwrap();
        let mut classes = ["sent", "failed", "suppressed", "cancelled", "in_doubt"].into_iter();
        let class = classes
            .find(|class| accounting[*class] == json!(1))
            .unwrap();
        let path = format!("/api/v1/publications/{id}/deliveries");
        let deliveries = api.all(&path).await;
        let [delivery] = &deliveries[..] else {
            panic!("one delivery: {deliveries:?}");
        };
        let delivery: Uuid = delivery["id"].as_str().unwrap().parse().unwrap();
        let is_of_it = |copy: &&Received| match copy {
            Received::Mail { delivery_id, .. } => *delivery_id == delivery,
            Received::Broadcast { publication_id, .. } => *publication_id == id,
        };
        let copies = self.copies().iter().filter(is_of_it).count();
        Fate { class, copies }
    }
}

async fn killed_at_each_step(kind: &'static str, steps: &[Step]) {
    let mut world = World::new(Seed::of_run().0).await;
    world.ensure_up().await;
    if ["email", "ses"].contains(&kind) {
        world.a_reader(&world.program.api()).await;
    }
    let mut publications = Vec::new();
    for step in steps {
        publications.push((world.die_in_a_delivery(kind, *step).await, *step));
        world.check_safe().await;
    }
    world.ensure_up().await;
    let api = world.program.api();
    world.let_go(&api).await;
    for (id, step) in publications {
        assert_eq!(world.fate_of(&api, id).await, step.fate(kind), "{step:?}");
    }
    // Copies are the same event, and the receiver can tell.
    let mut ids: HashMap<String, Value> = HashMap::new();
    for event in world.webhook.messages() {
        let first = ids.entry(event.id.clone()).or_insert(event.payload.clone());
        assert_eq!(*first, event.payload);
    }
    world.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_survives_a_kill_at_each_step() {
    killed_at_each_step("email", &MAIL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_by_amazon_survives_a_kill_at_each_step() {
    killed_at_each_step("ses", &HTTP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slack_message_survives_a_kill_at_each_step() {
    killed_at_each_step("slack", &HTTP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_a_slack_bot_survives_a_kill_at_each_step() {
    killed_at_each_step("slack_bot", &HTTP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_discord_message_survives_a_kill_at_each_step() {
    killed_at_each_step("discord", &HTTP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_survives_a_kill_at_each_step() {
    killed_at_each_step("webhook", &HTTP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_survives_a_kill_at_each_step() {
    killed_at_each_step("file", &FILE).await;
}
