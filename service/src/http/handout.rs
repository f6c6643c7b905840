//! Handing out a ZIP that lies in a file without a name, piece by piece. Whoever reads slowly, or not at all, keeps nothing for
//! longer than they are given.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderName};
use actix_web::web::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{Stream, stream};

use crate::look::ReadyFile;
use crate::problem::Problem;

/// RFC 9530.
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
const CHUNK_BYTES: usize = 64 << 10;

/// On which terms a file is handed out.
#[derive(Debug)]
pub struct Terms<'a, H> {
    /// What it is called there.
    pub name: &'a str,
    /// What is held until it has all been read, or can not be any more.
    pub held: H,
    /// After this it is let go of, however much of it was read.
    pub within: Duration,
}

/// The answer that hands out a file. It is read as its reader takes it; its length is known.
///
/// # Errors
/// 500 when the file cannot be asked for its length.
pub fn hand_out<H: Send + 'static>(
    ready: ReadyFile,
    terms: Terms<'_, H>,
) -> Result<HttpResponse, Problem> {
    let size = ready.file.metadata().map_err(|e| Problem::internal(&e))?;
    let digest = STANDARD.encode(ready.handed.digest);
    let handout = Arc::new(Handout::new(ready.file, terms.held));
    // Of its own: a body is asked for more only as its reader takes it.
    tokio::spawn(let_go_after(terms.within, Arc::downgrade(&handout)));
    Ok(HttpResponse::Ok()
        .content_type("application/zip")
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{}\"", terms.name),
        ))
        .insert_header((REPR_DIGEST, format!("sha-256=:{digest}:")))
        .no_chunking(size.len())
        .streaming(chunks(handout)))
}

/// A file on its way out, and what is held for it.
struct Handout<H>(Mutex<Option<Part<H>>>);

/// While a piece is read the file is with whoever reads it.
struct Part<H> {
    file: Option<File>,
    _held: H,
}

impl<H> Handout<H> {
    fn new(file: File, held: H) -> Self {
        let file = Some(file);
        Self(Mutex::new(Some(Part { file, _held: held })))
    }

    fn take(&self) -> Option<File> {
        let mut part = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        part.as_mut()?.file.take()
    }

    /// `false`: it was let go of meanwhile.
    fn put_back(&self, file: File) -> bool {
        let mut part = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(part) = part.as_mut() else {
            return false;
        };
        part.file = Some(file);
        true
    }

    fn let_go(&self) {
        let mut part = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(part.take());
    }
}

async fn let_go_after<H: Send>(within: Duration, handout: Weak<Handout<H>>) {
    tokio::time::sleep(within).await;
    if let Some(handout) = handout.upgrade() {
        tracing::info!("a file was let go of that its reader has not taken in time");
        handout.let_go();
    }
}

/// The file from where it stands, piece by piece.
fn chunks<H: Send + 'static>(handout: Arc<Handout<H>>) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold(Some(handout), |handout| async move {
        let handout = handout?;
        match next(&handout).await {
            Ok(bytes) if bytes.is_empty() => None,
            Ok(bytes) => Some((Ok(bytes), Some(handout))),
            Err(error) => Some((Err(error), None)),
        }
    })
}

/// The next piece; empty: that was all.
async fn next<H>(handout: &Handout<H>) -> io::Result<Bytes> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "the file was let go of");
    let mut file = handout.take().ok_or_else(late)?;
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = vec![0; CHUNK_BYTES];
        let read = file.read(&mut bytes)?;
        bytes.truncate(read);
        Ok::<_, io::Error>((bytes, file))
    });
    let (bytes, file) = read.await.map_err(io::Error::other).flatten()?;
    match handout.put_back(file) {
        true => Ok(bytes.into()),
        false => Err(late()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use actix_web::body::{BodySize, MessageBody as _, to_bytes};
    use futures_util::future::poll_fn;
    use std::pin::Pin;

    use super::*;
    use crate::look;

    const WITHIN: Duration = Duration::from_secs(600);

    /// Larger than a piece.
    fn ready() -> ReadyFile {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 3 * CHUNK_BYTES + 1]).unwrap();
        file.rewind().unwrap();
        let handed = look::File {
            digest: [1; 32],
            events: 1,
            through_position: 1,
        };
        ReadyFile { file, handed }
    }

    /// What is held is there as long as this can be upgraded.
    fn begun() -> (HttpResponse, Weak<()>) {
        let held = Arc::new(());
        let watch = Arc::downgrade(&held);
        let name = "all.zip";
        let terms = Terms {
            name,
            held,
            within: WITHIN,
        };
        (hand_out(ready(), terms).unwrap(), watch)
    }

    #[tokio::test(start_paused = true)]
    async fn all_of_it_comes_and_then_nothing_is_held() {
        let (response, held) = begun();
        let of = |name: &str| crate::header_of(response.headers(), name).to_owned();
        assert_eq!(
            of("content-disposition"),
            "attachment; filename=\"all.zip\""
        );
        assert!(of("repr-digest").starts_with("sha-256=:AQEB"));
        let body = response.into_body();
        assert_eq!(body.size(), BodySize::Sized(3 * CHUNK_BYTES as u64 + 1));
        let bytes = to_bytes(body).await.unwrap();
        assert!(bytes.len() == 3 * CHUNK_BYTES + 1 && bytes.iter().all(|byte| *byte == 7));
        assert!(held.upgrade().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_held_for_a_reader_who_goes_away_or_stands_still() {
        let (response, held) = begun();
        drop(response);
        assert!(held.upgrade().is_none(), "gone");
        let (response, held) = begun();
        let mut body = response.into_body();
        let mut piece = async || poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await;
        assert_eq!(piece().await.unwrap().unwrap().len(), CHUNK_BYTES);
        tokio::time::sleep(WITHIN - Duration::from_secs(1)).await;
        assert!(held.upgrade().is_some());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(held.upgrade().is_none(), "stands still");
        assert!(piece().await.unwrap().is_err(), "a part is not all of it");
    }
}
