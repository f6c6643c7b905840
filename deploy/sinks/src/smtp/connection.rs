//! One SMTP connection: reads commands and messages, writes replies, follows the script.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;
use tokio::net::TcpStream;

use super::Shared;
use super::body;
use super::command::{Command, LINE_BYTES_MAX, Mechanism};
use super::journal::Envelope;
use super::reply::Reply;
use super::script::{Action, Phase, Rule};
use super::session::{Session, TOO_BIG};
use super::tls::Stream;
use crate::record::lock;
use crate::script::Fired;

/// Room made in the input buffer before each read.
const READ_BYTES: usize = 32 * 1024;
/// A stalled connection reads on up to this, to notice a sender that leaves.
const STALLED_BYTES_MAX: usize = 64 * 1024;

/// How a connection ends.
enum End {
    /// Either side said goodbye, or the sender vanished.
    Closed,
    /// The script asked for a TCP reset.
    Reset,
    /// It does not: it goes on behind a handshake.
    Secured,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

pub(super) struct Connection {
    shared: Arc<Shared>,
    stream: Stream,
    number: u64,
    input: BytesMut,
    output: Vec<u8>,
    session: Session,
    drip: Option<Duration>,
    /// Whether the greeting's turn has been.
    opened: bool,
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>, stream: TcpStream, number: u64) -> Self {
        Self {
            shared,
            stream: Stream::Plain(stream),
            number,
            input: BytesMut::with_capacity(READ_BYTES),
            output: Vec::new(),
            session: Session::default(),
            drip: None,
            opened: false,
        }
    }

    /// Serves until either side ends it.
    pub(super) async fn serve(mut self) {
        let tls = lock(&self.shared.tls).clone();
        let mut secures = tls.is_some_and(|tls| tls.is_from_first_byte());
        loop {
            if secures {
                match self.secured().await {
                    Some(secured) => self = secured,
                    None => return,
                }
            }
            match self.dialogue().await {
                Err(End::Secured) => secures = true,
                Err(End::Reset) => {
                    // Closing a socket with zero linger is what sends RST.
                    if let Err(error) = self.stream.set_zero_linger() {
                        tracing::warn!(%error, "cannot reset, closing instead");
                    }
                    return;
                }
                Ok(()) | Err(End::Closed) => return,
            }
        }
    }

    /// The same connection behind a handshake, with nothing known of what was said before; `None`: the sender did not go
    /// along.
    async fn secured(self) -> Option<Self> {
        let tls = lock(&self.shared.tls).clone()?;
        match self.stream.protected(&tls).await {
            Ok(stream) => Some(Self {
                stream,
                input: BytesMut::with_capacity(READ_BYTES),
                session: Session {
                    protected: true,
                    ..Session::default()
                },
                ..self
            }),
            Err(error) => {
                tracing::debug!(%error, "no handshake");
                None
            }
        }
    }

    async fn dialogue(&mut self) -> Result<(), End> {
        if !self.opened {
            self.opened = true;
            if self.goes_on(Phase::Greeting, &[]).await? {
                let greeting = format!("{} ESMTP Tidings sink", self.shared.hostname);
                self.reply(&Reply::with(220, greeting));
            }
        }
        loop {
            let command = match self.line().await? {
                Some(line) => Command::parse(&line),
                None => Err(Reply::new(500, "5.5.2 line too long")),
            };
            let checked = command.and_then(|command| {
                self.session.check(&command, self.shared.limits)?;
                Ok(command)
            });
            match checked {
                Ok(command) => self.obey(command).await?,
                Err(refusal) => self.reply(&refusal),
            }
        }
    }

    async fn obey(&mut self, command: Command) -> Result<(), End> {
        match command {
            Command::Ehlo => self.hello(true).await?,
            Command::Helo => self.hello(false).await?,
            Command::StartTls => {
                if self.goes_on(Phase::StartTls, &[]).await? {
                    self.reply(&Reply::new(220, "2.0.0 go ahead"));
                    self.flush().await?;
                    return Err(End::Secured);
                }
            }
            Command::Auth { mechanism, initial } => self.auth(mechanism, initial).await?,
            Command::Mail { from, .. } => {
                if self.goes_on(Phase::MailFrom, &[]).await? {
                    self.session.from = Some(from);
                    self.shared.counters.mails.fetch_add(1, Ordering::Relaxed);
                    self.reply(&Reply::new(250, "2.1.0 sender ok"));
                }
            }
            Command::Rcpt { to } => {
                let to = [to];
                if self.goes_on(Phase::RcptTo, &to).await? {
                    self.session.to.extend(to);
                    self.reply(&Reply::new(250, "2.1.5 recipient ok"));
                }
            }
            Command::Data => self.data().await?,
            Command::Rset => {
                self.session.reset();
                self.reply(&Reply::new(250, "2.0.0 ok"));
            }
            Command::Noop => self.reply(&Reply::new(250, "2.0.0 ok")),
            Command::Vrfy => self.reply(&Reply::new(252, "2.5.0 send some mail and see")),
            Command::Quit => {
                self.reply(&Reply::new(221, "2.0.0 bye"));
                self.flush().await?;
                return Err(End::Closed);
            }
        }
        Ok(())
    }

    async fn hello(&mut self, extended: bool) -> Result<(), End> {
        if !self.goes_on(Phase::Ehlo, &[]).await? {
            return Ok(());
        }
        self.session.reset();
        self.session.greeted = true;
        if extended {
            self.output.extend_from_slice(match self.session.protected {
                true => &self.shared.ehlo,
                false => &self.shared.ehlo_in_the_clear,
            });
        } else {
            self.reply(&Reply::with(250, self.shared.hostname.clone()));
        }
        Ok(())
    }

    async fn auth(&mut self, mechanism: Mechanism, initial: Option<String>) -> Result<(), End> {
        if !self.goes_on(Phase::Auth, &[]).await? {
            return Ok(());
        }
        let said = match mechanism {
            Mechanism::Plain => {
                let answer = self.challenged("", initial).await?;
                answer.and_then(|answer| plain(&answer))
            }
            Mechanism::Login => {
                let user = self.challenged("VXNlcm5hbWU6", initial).await?;
                let password = match &user {
                    Some(_) => self.challenged("UGFzc3dvcmQ6", None).await?,
                    None => None,
                };
                user.zip(password)
            }
        };
        let Some((user, password)) = said else {
            self.reply(&Reply::new(
                501,
                "5.5.2 authentication cancelled or unreadable",
            ));
            return Ok(());
        };
        let right = self.shared.auth.as_ref().is_some_and(|auth| {
            auth.user.as_bytes() == user && auth.password.as_bytes() == password
        });
        self.session.authenticated = right;
        self.reply(&if right {
            Reply::new(235, "2.7.0 authenticated")
        } else {
            Reply::new(535, "5.7.8 wrong user or password")
        });
        Ok(())
    }

    /// The client's answer, decoded: the one it gave along with AUTH, or one to a 334.
    /// `None` if it is not base64, which `*`, the way to cancel, is not either.
    async fn challenged(
        &mut self,
        challenge: &'static str,
        given: Option<String>,
    ) -> Result<Option<Vec<u8>>, End> {
        let answer = match given {
            Some(given) => given.into_bytes(),
            None => {
                self.reply(&Reply::new(334, challenge));
                self.line().await?.unwrap_or_default()
            }
        };
        Ok(BASE64.decode(answer.trim_ascii_end()).ok())
    }

    async fn data(&mut self) -> Result<(), End> {
        let to = std::mem::take(&mut self.session.to);
        if !self.goes_on(Phase::Data, &to).await? {
            self.session.reset();
            return Ok(());
        }
        self.reply(&Reply::new(354, "end with a dot on a line of its own"));
        if self.input.is_empty() {
            self.fill().await?;
        }
        // A reply has no place here: the sender reads it as the answer to the final dot.
        let refused_early = !self.goes_on(Phase::Body, &to).await?;
        let content = self.content().await?;
        let envelope = Envelope {
            connection: self.number,
            protected: self.session.protected,
            from: self.session.from.take().unwrap_or_default(),
            to,
        };
        match content {
            _ if refused_early => {}
            None => self.reply(&TOO_BIG),
            Some(content) => self.final_dot(envelope, &content).await?,
        }
        Ok(())
    }

    /// The bytes up to the final dot, still stuffed, in the input's own memory. `None` if they
    /// were more than the limit however they unstuff: those were read and thrown away.
    async fn content(&mut self) -> Result<Option<Bytes>, End> {
        let mut searched = 0;
        let mut over = false;
        loop {
            if let Some(len) = body::content_len(&self.input, searched, !over) {
                let content = self.input.split_to(len).freeze();
                self.input.advance(body::DOT.len());
                return Ok((!over).then_some(content));
            }
            // Stuffing adds a dot to a line of three bytes or more, so this is beyond any that fits.
            if self.input.len() > 2 * self.shared.limits.size_bytes_max + body::DOT.len() {
                over = true;
                let tail = self.input.len() - 4;
                self.input.advance(tail);
            }
            searched = self.input.len();
            self.fill().await?;
        }
    }

    async fn final_dot(&mut self, envelope: Envelope, content: &[u8]) -> Result<(), End> {
        let message = body::unstuff(content);
        if message.len() > self.shared.limits.size_bytes_max {
            self.reply(&TOO_BIG);
            return Ok(());
        }
        if let Some(fault) = body::line_fault(&message) {
            self.reply(&Reply::new(554, fault));
            return Ok(());
        }
        let Some(fired) = self.rule(Phase::FinalDot, &envelope.to) else {
            let verdict = self.accept(envelope, &message).await;
            self.reply(&verdict);
            return Ok(());
        };
        if fired.rule.recorded {
            let verdict = self.accept(envelope, &message).await;
            if self.act(fired).await? {
                self.reply(&verdict);
            }
        } else if self.act(fired).await? {
            let verdict = self.accept(envelope, &message).await;
            self.reply(&verdict);
        }
        Ok(())
    }

    /// Puts the message on every record there is; the reply says whether that worked.
    async fn accept(&self, envelope: Envelope, message: &[u8]) -> Reply {
        let accepted = match self.shared.journal.accept(envelope, message) {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot write the journal file");
                return Reply::new(451, "4.3.0 cannot write the journal");
            }
        };
        let seq = accepted.seq;
        if let Some(folder) = &self.shared.folder {
            let raw = accepted.raw().cloned();
            let raw = raw.unwrap_or_else(|| Bytes::copy_from_slice(message));
            folder.write(accepted, raw).await;
        }
        Reply::with(250, format!("2.0.0 accepted as {seq}"))
    }

    fn rule(&self, phase: Phase, to: &[String]) -> Option<Fired<Rule>> {
        self.shared.script.pick(|rule| rule.matched(phase, to))
    }

    /// Lets the script act; false if it has replied in the phase's place.
    async fn goes_on(&mut self, phase: Phase, to: &[String]) -> Result<bool, End> {
        match self.rule(phase, to) {
            None => Ok(true),
            Some(fired) => self.act(fired).await,
        }
    }

    async fn act(&mut self, mut fired: Fired<Rule>) -> Result<bool, End> {
        match &fired.rule.action {
            Action::Reply { code, text } => {
                self.reply(&Reply::with(*code, text.clone()));
                if *code == 421 {
                    self.flush().await?;
                    return Err(End::Closed);
                }
                return Ok(false);
            }
            Action::Stall => {
                self.flush().await?;
                self.unless_gone(async move { drop(fired.release.changed().await) })
                    .await?;
            }
            Action::Delay(pause) => {
                self.flush().await?;
                self.unless_gone(tokio::time::sleep(*pause)).await?;
            }
            Action::Drip(pause) => {
                self.flush().await?;
                self.drip = Some(*pause);
            }
            Action::Reset => {
                self.flush().await?;
                return Err(End::Reset);
            }
        }
        Ok(true)
    }

    /// Waits for `signal`, or ends if the sender leaves first.
    async fn unless_gone(&mut self, signal: impl Future<Output = ()>) -> Result<(), End> {
        tokio::pin!(signal);
        loop {
            if self.input.len() >= STALLED_BYTES_MAX {
                signal.await;
                return Ok(());
            }
            self.input.reserve(READ_BYTES);
            tokio::select! {
                () = &mut signal => return Ok(()),
                read = self.stream.read_buf(&mut self.input) => {
                    if read? == 0 {
                        return Err(End::Closed);
                    }
                }
            }
        }
    }

    /// The next line, line end included; `None` if it was longer than a line may be.
    async fn line(&mut self) -> Result<Option<Vec<u8>>, End> {
        let mut searched = 0;
        let mut over = false;
        loop {
            if let Some(at) = memchr(b'\n', &self.input[searched..]) {
                let end = searched + at + 1;
                over = over || end > LINE_BYTES_MAX;
                let line = (!over).then(|| self.input[..end].to_vec());
                self.input.advance(end);
                return Ok(line);
            }
            if self.input.len() > LINE_BYTES_MAX {
                over = true;
                self.input.clear();
            }
            searched = self.input.len();
            self.fill().await?;
        }
    }

    /// Reads more. All that was asked so far is answered first: the replies to a
    /// pipelined group leave in one write, once the group is used up.
    async fn fill(&mut self) -> Result<(), End> {
        self.flush().await?;
        self.input.reserve(READ_BYTES);
        if self.stream.read_buf(&mut self.input).await? == 0 {
            return Err(End::Closed);
        }
        Ok(())
    }

    fn reply(&mut self, reply: &Reply) {
        reply.write_to(&mut self.output);
    }

    async fn flush(&mut self) -> Result<(), End> {
        if self.output.is_empty() {
            return Ok(());
        }
        match self.drip.take() {
            None => self.stream.write_all(&self.output).await?,
            Some(pause) => {
                for byte in self.output.chunks(1) {
                    self.stream.write_all(byte).await?;
                    tokio::time::sleep(pause).await;
                }
            }
        }
        self.output.clear();
        Ok(())
    }
}

/// User and password of a PLAIN answer: `authorisation NUL user NUL password`.
fn plain(answer: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut parts = answer.split(|byte| *byte == 0).skip(1);
    let user = parts.next()?.to_vec();
    let password = parts.next()?.to_vec();
    parts.next().is_none().then_some((user, password))
}
