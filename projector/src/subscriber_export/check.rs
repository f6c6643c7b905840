//! Checks an export offline: that no file was changed, that the events are what the log holds, and that all of them are
//! about the one subscriber, or an address while they held it.

mod layout;
mod streams;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Seek};

use serde::Serialize;
use tidings_event_store::audit::{Place, ProofOfMany};
use tidings_event_store::export::{BLOCK_BYTES, Digests, Entry, Manifest};
use tidings_event_store::witness::PublicKey;
use time::OffsetDateTime;
use uuid::Uuid;

use super::files;
use super::line::Line;
use layout::Zip;
use streams::Streams;

const NOT_AS_WRITTEN: &str = "it is no export as it was written: it was cut, damaged or packed anew, or something was added \
    before its files, between, in or after them";
const MISSING: &str = "it is missing in the ZIP";

/// What an export that holds says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Whose data.
    pub subscriber_id: Uuid,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub made_at: OffsetDateTime,
    /// Up to which position of the log.
    pub through_position: i64,
    /// How many events.
    pub events: u64,
    /// The files, with their sizes.
    pub files: Vec<(String, u64)>,
    /// When the witness signed the last of it; none: no event.
    #[serde(with = "time::serde::rfc3339::option")]
    pub witnessed_at: Option<OffsetDateTime>,
    /// Whose signatures it holds.
    pub public_key: PublicKey,
}

/// What is wrong with an export, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct Fault {
    /// The file; empty: the ZIP itself.
    pub file: String,
    /// Where in it, in words; empty: all of it.
    pub place: String,
    /// What, in words.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = if self.file.is_empty() {
            "the ZIP"
        } else {
            &self.file
        };
        match self.place.is_empty() {
            true => write!(f, "{file}: {}", self.what),
            false => write!(f, "{file}, {}: {}", self.place, self.what),
        }
    }
}

/// Checks a ZIP. `expected`: the public key as its holder knows it; without, it shows no more than that whoever has the
/// key it names says so.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(file: impl Read + Seek, expected: Option<PublicKey>) -> Result<Checked, Fault> {
    let zip = Zip::read(file);
    let zip = zip.map_err(|error| fault("", "", format!("it can not be read ({error})")))?;
    let mut zip = zip.ok_or_else(|| fault("", "", NOT_AS_WRITTEN))?;
    let (manifest, text) = manifest(&mut zip)?;
    manifest
        .check(&text, expected)
        .map_err(|error| fault(files::MANIFEST, "", error.to_string()))?;
    nothing_else(&zip, &manifest)?;
    for entry in &manifest.files {
        unchanged(&mut zip, entry)?;
    }
    let places = proof(&mut zip, &manifest)?;
    let witnessed_at = events(&mut zip, &manifest, &places)?;
    Ok(Checked {
        subscriber_id: manifest.subscriber_id,
        made_at: manifest.made_at,
        through_position: manifest.through_position,
        events: manifest.events,
        files: manifest
            .files
            .into_iter()
            .map(|it| (it.name, it.bytes))
            .collect(),
        witnessed_at,
        public_key: manifest.public_key,
    })
}

fn fault(file: &str, place: impl Into<String>, what: impl Into<String>) -> Fault {
    Fault {
        file: file.to_owned(),
        place: place.into(),
        what: what.into(),
    }
}

fn manifest(zip: &mut Zip<impl Read + Seek>) -> Result<(Manifest, String), Fault> {
    let bytes = whole(zip, files::MANIFEST)?;
    let none = || fault(files::MANIFEST, "", "it is no manifest of an export");
    let text = String::from_utf8(bytes).map_err(|_| none())?;
    let manifest = Manifest::read(&text).ok_or_else(none)?;
    Ok((manifest, text))
}

fn open<'a, R: Read + Seek>(zip: &'a mut Zip<R>, name: &str) -> Result<impl Read + 'a, Fault> {
    let opened = zip.open(name).map_err(|error| damaged(name, 0, &error))?;
    opened.ok_or_else(|| fault(name, "", MISSING))
}

fn whole(zip: &mut Zip<impl Read + Seek>, name: &str) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let read = open(zip, name)?.read_to_end(&mut bytes);
    read.map_err(|error| damaged(name, bytes.len() as u64, &error))?;
    Ok(bytes)
}

fn damaged(name: &str, after: u64, error: &io::Error) -> Fault {
    let place = format!("after byte {after}");
    fault(name, place, format!("it was damaged in the ZIP ({error})"))
}

/// What lies there is what the manifest names, each once, in the order they were written.
fn nothing_else(zip: &Zip<impl Read + Seek>, manifest: &Manifest) -> Result<(), Fault> {
    let found = zip.names();
    let mut wanted: Vec<&str> = manifest.files.iter().map(|it| it.name.as_str()).collect();
    wanted.push(files::MANIFEST);
    if let Some(name) = found.iter().find(|it| !wanted.contains(it)) {
        return Err(fault(name, "", "the manifest does not name it"));
    }
    if let Some(name) = wanted.iter().find(|it| !found.contains(it)) {
        return Err(fault(name, "", MISSING));
    }
    match found == wanted {
        true => Ok(()),
        false => Err(fault(
            "",
            "",
            "a file is in it twice, or they are in another order",
        )),
    }
}

/// Every block of a file is what the manifest says.
fn unchanged(zip: &mut Zip<impl Read + Seek>, entry: &Entry) -> Result<(), Fault> {
    let mut file = open(zip, &entry.name)?;
    let mut digests = Digests::default();
    let (mut bytes, mut line, mut line_of_block) = (0_u64, 1_u64, Vec::new());
    let mut buffer = vec![0; BLOCK_BYTES];
    loop {
        let read = file.read(&mut buffer);
        let read = read.map_err(|error| damaged(&entry.name, bytes, &error))?;
        if read == 0 {
            break;
        }
        for byte in &buffer[..read] {
            if bytes % BLOCK_BYTES as u64 == 0 {
                line_of_block.push(line);
            }
            bytes += 1;
            line += u64::from(*byte == b'\n');
        }
        digests.update(&buffer[..read]);
    }
    let found = digests.finish(&entry.name);
    if found == *entry {
        return Ok(());
    }
    let differs = found
        .blocks
        .iter()
        .zip(&entry.blocks)
        .position(|(a, b)| a != b);
    let block = differs.unwrap_or(found.blocks.len().min(entry.blocks.len()));
    let first = block * BLOCK_BYTES;
    let line = line_of_block.get(block).copied().unwrap_or(line);
    let place = format!(
        "bytes {first} to {}, from line {line}",
        first + BLOCK_BYTES - 1
    );
    Err(fault(
        &entry.name,
        place,
        "it is not what the manifest says",
    ))
}

fn proof(
    zip: &mut Zip<impl Read + Seek>,
    manifest: &Manifest,
) -> Result<BTreeMap<i64, Place>, Fault> {
    let text = whole(zip, files::PROOF)?;
    let proof = ProofOfMany::read(&text);
    let places = proof.and_then(|proof| proof.check(Some(manifest.public_key)));
    places.map_err(|error| fault(files::PROOF, "", error.to_string()))
}

/// Every event is the one the log holds at its position, and about the subscriber; none is left out between others of its
/// stream, nor of a suppression while they held the address.
fn events(
    zip: &mut Zip<impl Read + Seek>,
    manifest: &Manifest,
    places: &BTreeMap<i64, Place>,
) -> Result<Option<OffsetDateTime>, Fault> {
    let mut file = BufReader::new(open(zip, files::EVENTS)?);
    let mut streams = Streams::of(manifest.subscriber_id);
    let (mut text, mut count, mut last, mut witnessed_at) = (String::new(), 0_u64, 0_i64, None);
    loop {
        text.clear();
        let number = count + 1;
        let wrong = |what: String| fault(files::EVENTS, format!("line {number}"), what);
        if file
            .read_line(&mut text)
            .map_err(|error| wrong(error.to_string()))?
            == 0
        {
            break;
        }
        let line: Line =
            serde_json::from_str(&text).map_err(|_| wrong("it is no event".to_owned()))?;
        let place = places.get(&line.position);
        let sound = proven(&line, place).and_then(|()| streams.take(&line));
        sound.map_err(|what| wrong(format!("position {}: {what}", line.position)))?;
        (count, last) = (number, line.position);
        witnessed_at = place.map(|place| place.witnessed_at);
    }
    match (count, last) == (manifest.events, manifest.through_position) {
        true => Ok(witnessed_at),
        false => Err(fault(
            files::EVENTS,
            "",
            "it has not as many events as the manifest says",
        )),
    }
}

/// Whether an event is what the log holds at its place.
fn proven(line: &Line, place: Option<&Place>) -> Result<(), &'static str> {
    let Some(place) = place else {
        return Err("the proof does not cover it");
    };
    let digest = line.event.digest();
    if digest != line.digest.0 || digest != place.digest {
        return Err("the event is not the one that the log holds");
    }
    match line.version == place.version && line.recorded_at == place.recorded_at {
        true => Ok(()),
        false => Err("its version, or when it was recorded, is not what the log holds"),
    }
}
