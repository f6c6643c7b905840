//! Which ZIPs are found genuine, and that one which other programs unpack otherwise is not.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;
use tidings_event_store::export::{FORMAT, Manifest, salt};
use tidings_event_store::witness::SigningKey;
use time::macros::datetime;
use uuid::Uuid;
use zip::ZipArchive;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::super::{check, files};
use super::*;
use crate::subscriber_export::archive::{Archive, Part};

type Files = Vec<(String, Vec<u8>)>;

/// An export of somebody of whom nothing is on record, as it is written.
fn genuine() -> Vec<u8> {
    let key = SigningKey::from_seed(&[7; 32]);
    let readme = format!("<html>{}</html>\n", "What was signed. ".repeat(300));
    let public_key = key.public();
    let proof = format!(
        "{{\"format\":\"tidings.proof-of-many.v1\",\"public_key\":\"{public_key}\",\"spans\":[\n\n]}}\n"
    );
    let mut archive = Archive::new().unwrap();
    for (name, text) in [
        (files::README, readme.as_str()),
        (files::PROFILE, "{}\n"),
        (files::EVENTS, ""),
        (files::PROOF, &proof),
    ] {
        let mut part = Part::new(name).unwrap();
        part.push(text).unwrap();
        archive.add(part).unwrap();
    }
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        subscriber_id: Uuid::from_u128(9),
        made_at: datetime!(2026-03-01 10:00 UTC),
        through_position: 0,
        events: 0,
        salt: salt(),
        files: archive.entries(),
        public_key,
    };
    let mut zip = Vec::new();
    let mut file = archive
        .finish(files::MANIFEST, &manifest.sign(&key))
        .unwrap();
    file.read_to_end(&mut zip).unwrap();
    zip
}

fn is_genuine(zip: &[u8]) -> bool {
    check(Cursor::new(zip), None).is_ok()
}

/// As a program unpacks it that knows nothing of exports.
fn unpacked(zip: &[u8]) -> Files {
    let mut zip = ZipArchive::new(Cursor::new(zip)).unwrap();
    let mut files = Vec::new();
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).unwrap();
        let name = file.name().unwrap().to_string();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        files.push((name, bytes));
    }
    files
}

/// The places in an export, and where its directory begins.
fn laid_out(zip: &[u8]) -> (Vec<Place>, usize) {
    let zip = Zip::read(Cursor::new(zip)).unwrap().unwrap();
    let ends = zip.places.last().unwrap().ends();
    (zip.places, ends as usize)
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut deflating = DeflateEncoder::new(Vec::new(), Compression::default());
    deflating.write_all(bytes).unwrap();
    deflating.finish().unwrap()
}

/// A page that nobody signed, and what stands in its place.
fn forged(begins: u64) -> (Place, Vec<u8>) {
    let page = b"<h1>Forged</h1>";
    let packed = deflated(page);
    let mut crc = Crc::new();
    crc.update(page);
    let place = Place {
        name: files::README.to_owned(),
        crc: crc.sum(),
        bytes: page.len() as u64,
        packed_bytes: packed.len() as u64,
        begins,
    };
    let bytes = [place.header(), packed].concat();
    (place, bytes)
}

fn list(places: &[Place]) -> Vec<u8> {
    places.iter().flat_map(Place::listed).collect()
}

/// A directory's end with the numbers in a record of 64 bits, which names the directory at `begins`.
fn large_end(places: &[Place], begins: usize, ends: usize, hidden: &[u8]) -> Vec<u8> {
    let length = list(places).len() as u64;
    let count = places.len() as u64;
    let mut bytes = b"PK\x06\x06".to_vec();
    bytes.extend((44 + hidden.len() as u64).to_le_bytes());
    bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(
        [count, count, length, begins as u64]
            .map(u64::to_le_bytes)
            .concat(),
    );
    bytes.extend(hidden);
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend((ends as u64).to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count as u16, count as u16].map(u16::to_le_bytes).concat());
    bytes.extend([length as u32, ELSEWHERE].map(u32::to_le_bytes).concat());
    bytes.extend([0; 2]);
    bytes
}

/// The same, unless `count` or the length of the directory is another.
fn small_end(count: usize, length: usize, begins: usize) -> Vec<u8> {
    let mut bytes = b"PK\x05\x06\0\0\0\0".to_vec();
    bytes.extend([count as u16; 2].map(u16::to_le_bytes).concat());
    bytes.extend(
        [length as u32, begins as u32]
            .map(u32::to_le_bytes)
            .concat(),
    );
    bytes.extend([0; 2]);
    bytes
}

#[test]
fn an_export_lies_as_it_is_written_and_every_program_reads_the_same() {
    let zip = genuine();
    let checked = check(Cursor::new(&zip), None).unwrap();
    let files = unpacked(&zip);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let (places, _) = laid_out(&zip);
    assert!(places.iter().map(|it| it.name.as_str()).eq(names));
    let checked = checked.files.into_iter();
    assert!(
        checked.eq(files
            .iter()
            .take(4)
            .map(|(name, bytes)| (name.clone(), bytes.len() as u64)))
    );
}

/// It is no export, although the `zip` crate unpacks all that is in the genuine one.
fn is_found_out(what: &str, zip: &[u8], genuine: &Files) {
    assert_eq!(unpacked(zip), *genuine, "{what}");
    let fault = check(Cursor::new(zip), None).unwrap_err();
    let found = (fault.file.as_str(), fault.what.as_str());
    assert_eq!(found, ("", super::super::NOT_AS_WRITTEN), "{what}");
}

/// Python's program takes the directory that lies directly before the records of its end, wherever these say that it is, and
/// unpacks the forged page of the first of these.
#[test]
fn what_lies_behind_the_directory_makes_it_no_export() {
    let zip = genuine();
    let (places, begins) = laid_out(&zip);
    let directory = list(&places);
    let body = &zip[..begins + directory.len()];
    let all = unpacked(&zip);

    // As these programs count, from where the file would begin if the directory lay where it is said to.
    let (page, bytes) = forged(0);
    let moved = (bytes.len() + directory.len()) as u64;
    let mut others = places.clone();
    others[0] = Place {
        begins: body.len() as u64 - moved,
        ..page
    };
    let others = list(&others);
    assert_eq!(others.len(), directory.len());
    let ends = body.len() + bytes.len() + others.len();
    let second = [
        body,
        &bytes,
        &others,
        &large_end(&places, begins, ends, &[]),
    ]
    .concat();

    let hidden = [
        &[0x99, 0x99][..],
        &(bytes.len() as u32).to_le_bytes(),
        &bytes,
    ]
    .concat();
    let in_record = [body, &large_end(&places, begins, body.len(), &hidden)].concat();
    let between = [
        body,
        &bytes,
        &large_end(&places, begins, body.len() + bytes.len(), &[]),
    ]
    .concat();

    is_found_out("a second directory", &second, &all);
    is_found_out("data in the record of 64 bits", &in_record, &all);
    is_found_out("bytes before that record", &between, &all);
}

#[test]
fn what_lies_beside_a_file_or_is_not_counted_makes_it_no_export() {
    let zip = genuine();
    let (places, begins) = laid_out(&zip);
    let directory = list(&places);
    let all = unpacked(&zip);

    // Python reads the directory to its end, and unpacks the page that is listed last.
    let (page, bytes) = forged(begins as u64);
    let longer = [&zip[..begins], &bytes, &directory, &page.listed()].concat();
    let length = directory.len() + page.listed().len();
    let end = small_end(places.len(), length, begins + bytes.len());
    let uncounted = [longer, end].concat();

    // A field of no known kind, in which a file lies.
    let last = places.last().unwrap();
    let header = last.header();
    let field = [
        &[0x99, 0x99][..],
        &(bytes.len() as u16).to_le_bytes(),
        &bytes,
    ]
    .concat();
    let mut longer = header.clone();
    longer[28..30].copy_from_slice(&(20 + field.len() as u16).to_le_bytes());
    let last_begins = last.begins as usize;
    let data = &zip[last_begins + header.len()..begins];
    let in_field = [&zip[..last_begins], &longer, &field, data, &directory].concat();
    let end = small_end(places.len(), directory.len(), begins + field.len());
    let in_field = [in_field, end].concat();

    // A link: what is in it is where it leads.
    let mut link = zip.clone();
    link[begins + 38..begins + 42].copy_from_slice(&(0o120_777_u32 << 16).to_le_bytes());

    is_found_out("a file that is not counted", &uncounted, &all);
    is_found_out("a field of no known kind", &in_field, &all);
    is_found_out("a link", &link, &all);
}

/// What is unpacked ends before its place does.
#[test]
fn nothing_lies_behind_a_file_in_its_own_place() {
    let zip = genuine();
    let (mut places, begins) = laid_out(&zip);
    let last = places.last_mut().unwrap();
    last.packed_bytes += 5;
    let data = last.begins as usize + last.header().len();
    let head = [
        &zip[..last.begins as usize],
        &last.header(),
        &zip[data..begins],
        b"stuff",
    ]
    .concat();
    let longer = [head, end(&places, begins as u64 + 5)].concat();
    assert_eq!(
        unpacked(&longer),
        unpacked(&zip),
        "other programs do not mind"
    );
    let fault = check(Cursor::new(&longer), None).unwrap_err();
    assert_eq!(fault.file, files::MANIFEST);
}

/// A file that takes up no room up to `base`, but for what lies at its beginning.
struct Far {
    head: Vec<u8>,
    base: u64,
    tail: Vec<u8>,
    at: u64,
}

impl Write for Far {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut tail = Cursor::new(&mut self.tail);
        tail.set_position(self.at - self.base);
        let count = tail.write(bytes)?;
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Far {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let part = match self.at.checked_sub(self.base) {
            Some(at) => self.tail.get(at as usize..),
            None => self.head.get(self.at as usize..),
        };
        let count = part.unwrap_or_default().read(buffer)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Far {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::Current(by) => self.at.saturating_add_signed(by),
            SeekFrom::End(by) => (self.base + self.tail.len() as u64).saturating_add_signed(by),
        };
        Ok(self.at)
    }
}

/// Here no file of this size is unpacked: its layout is read, and that of what the archive's writer puts at so far a place is
/// what we expect there.
#[test]
fn an_export_of_more_than_4_gib_lies_as_it_is_written() {
    let base = 5 << 30;
    let far = Far {
        head: Vec::new(),
        base,
        tail: Vec::new(),
        at: base,
    };
    let mut writer = ZipWriter::new(far);
    let options = SimpleFileOptions::default().large_file(true);
    for name in [files::PROOF, files::MANIFEST] {
        writer.start_file(name, options).unwrap();
        writer.write_all(name.as_bytes()).unwrap();
    }
    let mut far = writer.finish().unwrap();
    let mut places = Vec::new();
    let mut at = base;
    while let Some(place) = Place::read(&mut far, at).unwrap() {
        at = place.ends();
        places.push(place);
    }
    assert_eq!(places.len(), 2);
    assert_eq!(end(&places, at), far.tail[(at - base) as usize..]);

    let mut large = Place {
        name: files::README.to_owned(),
        crc: 7,
        bytes: base,
        packed_bytes: 0,
        begins: 0,
    };
    far.head = large.header();
    large.packed_bytes = base - far.head.len() as u64;
    far.head = large.header();
    places.insert(0, large);
    far.tail.truncate((at - base) as usize);
    far.tail.extend(end(&places, at));
    let mut zip = Zip::read(far).unwrap().unwrap();
    assert_eq!(zip.places, places);
    let mut text = String::new();
    let mut last = zip.open(files::MANIFEST).unwrap().unwrap();
    last.read_to_string(&mut text).unwrap();
    assert_eq!(text, files::MANIFEST);
}

proptest! {
    /// One byte more or less is always found, and another one outside of what is packed. Within, it is found unless every file
    /// is unpacked as it was: the same text can be packed in several ways, and in the end there may be bits nobody looks at.
    #[test]
    fn one_byte_that_is_another_is_found_or_of_no_consequence(at: prop::sample::Index, by in 1_u8..) {
        let zip = genuine();
        let at = at.index(zip.len());
        let mut changed = zip.clone();
        changed[at] ^= by;
        let (places, _) = laid_out(&zip);
        let packed = |it: &Place| it.begins + it.header().len() as u64..it.ends();
        if is_genuine(&changed) {
            prop_assert!(places.iter().any(|it| packed(it).contains(&(at as u64))), "byte {}", at);
            prop_assert_eq!(unpacked(&changed), unpacked(&zip));
        }
        let mut more = zip.clone();
        more.insert(at, by);
        prop_assert!(!is_genuine(&more));
        let mut less = zip;
        less.remove(at);
        prop_assert!(!is_genuine(&less));
    }
}
