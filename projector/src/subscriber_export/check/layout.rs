//! How the ZIP of an export lies in its file, byte for byte (PKWARE's APPNOTE.TXT, 4.3). Programs differ in what they make of
//! a second directory, of a name that is there twice, of bytes that no directory lists. So there is one way for it to lie
//! there, the one in which it is written, and no byte in which anything else could: files without a gap from the first byte
//! on, the directory of just these, and its end.

#[cfg(test)]
mod tests;

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

/// More are in no export; it bounds what a forged one makes us hold.
const FILES_MAX: usize = 1000;

/// Stands where a number is in a field of 64 bits instead.
const ELSEWHERE: u32 = u32::MAX;

/// Version 4.5 of the format, the first with 64 bits.
const VERSION: u16 = 45;
/// Written on Unix: as which the attributes are to be read.
const MADE_BY: u16 = 3 << 8 | VERSION;
const DEFLATED: u16 = 8;
/// 1 January 1980, the first there is: when an export was made is in its manifest.
const DATE: u16 = 1 << 5 | 1;
/// A plain file, neither a folder nor a link: `-rw-r--r--`.
const ATTRIBUTES: u32 = 0o100_644 << 16;

/// The ZIP.
pub(super) struct Zip<R> {
    file: R,
    places: Vec<Place>,
}

/// Where a file lies in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    name: String,
    crc: u32,
    bytes: u64,
    packed_bytes: u64,
    begins: u64,
}

impl<R: Read + Seek> Zip<R> {
    /// `None`: it does not lie there as it is written.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn read(mut file: R) -> io::Result<Option<Self>> {
        let mut places = Vec::new();
        let mut at = 0;
        while places.len() < FILES_MAX
            && let Some(place) = Place::read(&mut file, at)?
        {
            at = place.ends();
            places.push(place);
        }
        let wanted = end(&places, at);
        let found = bytes_at(&mut file, at, wanted.len() as u64 + 1)?;
        Ok((found == wanted).then_some(Self { file, places }))
    }

    /// The names of its files, in the order they lie there.
    pub(super) fn names(&self) -> Vec<&str> {
        self.places.iter().map(|it| it.name.as_str()).collect()
    }

    /// What is in a file of it, the first of this name; `None`: there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn open(&mut self, name: &str) -> io::Result<Option<Contents<'_, R>>> {
        let Some(place) = self.places.iter().find(|it| it.name == name) else {
            return Ok(None);
        };
        let begins = place.begins + place.header().len() as u64;
        self.file.seek(SeekFrom::Start(begins))?;
        let packed = BufReader::new((&mut self.file).take(place.packed_bytes));
        Ok(Some(Contents {
            inflating: DeflateDecoder::new(packed),
            crc: Crc::new(),
            place,
        }))
    }
}

/// What is in a file, unpacked. It ends with an error unless its size and CRC are as they stand there, and nothing follows
/// in its place.
pub(super) struct Contents<'a, R> {
    inflating: DeflateDecoder<BufReader<io::Take<&'a mut R>>>,
    crc: Crc,
    place: &'a Place,
}

impl<R: Read> Read for Contents<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inflating.read(buffer)?;
        self.crc.update(&buffer[..count]);
        let found = (
            self.inflating.total_in(),
            self.inflating.total_out(),
            self.crc.sum(),
        );
        let wanted = (self.place.packed_bytes, self.place.bytes, self.place.crc);
        match count == 0 && !buffer.is_empty() && found != wanted {
            true => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its size or checksum is another",
            )),
            false => Ok(count),
        }
    }
}

impl Place {
    /// The file that begins here; `None`: none does.
    fn read(zip: &mut (impl Read + Seek), begins: u64) -> io::Result<Option<Self>> {
        let fixed = bytes_at(zip, begins, 30)?;
        let (Some(crc), Some(length)) = (number(&fixed, 14), number(&fixed, 26)) else {
            return Ok(None);
        };
        let length = u64::from(u16::from_le_bytes(length));
        let rest = bytes_at(zip, begins + 30, length + 20)?;
        let name = rest.get(..length as usize).map(<[u8]>::to_vec);
        let extra = rest.get(length as usize..).unwrap_or_default();
        let (Some(Ok(name)), Some(bytes), Some(packed)) = (
            name.map(String::from_utf8),
            number(extra, 4),
            number(extra, 12),
        ) else {
            return Ok(None);
        };
        let place = Self {
            name,
            crc: u32::from_le_bytes(crc),
            bytes: u64::from_le_bytes(bytes),
            packed_bytes: u64::from_le_bytes(packed),
            begins,
        };
        let is_as_written = place.header() == [fixed, rest].concat();
        let room = (i64::MAX as u64).saturating_sub(begins + length + 50);
        Ok((is_as_written && place.packed_bytes < room).then_some(place))
    }

    /// Where what follows it begins.
    fn ends(&self) -> u64 {
        self.begins + self.header().len() as u64 + self.packed_bytes
    }

    /// "Local file header", 4.3.7.
    fn header(&self) -> Vec<u8> {
        let mut bytes = b"PK\x03\x04".to_vec();
        self.described(&mut bytes, 20);
        bytes.extend(self.name.as_bytes());
        self.sizes(&mut bytes, 16);
        bytes
    }

    /// "Central directory header", 4.3.12.
    fn listed(&self) -> Vec<u8> {
        let mut bytes = b"PK\x01\x02".to_vec();
        bytes.extend(MADE_BY.to_le_bytes());
        let offset = u32::try_from(self.begins)
            .ok()
            .filter(|it| *it != ELSEWHERE);
        let sizes_length = if offset.is_some() { 16 } else { 24 };
        self.described(&mut bytes, sizes_length + 4);
        // No comment, on the first disk, no internal attributes.
        bytes.extend([0; 6]);
        bytes.extend(ATTRIBUTES.to_le_bytes());
        bytes.extend(offset.unwrap_or(ELSEWHERE).to_le_bytes());
        bytes.extend(self.name.as_bytes());
        self.sizes(&mut bytes, sizes_length);
        if offset.is_none() {
            bytes.extend(self.begins.to_le_bytes());
        }
        bytes
    }

    /// What both say of it, from "version needed to extract" to "extra field length".
    fn described(&self, bytes: &mut Vec<u8>, extra_length: u16) {
        for field in [VERSION, 0, DEFLATED, 0, DATE] {
            bytes.extend(field.to_le_bytes());
        }
        for field in [self.crc, ELSEWHERE, ELSEWHERE] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend((self.name.len() as u16).to_le_bytes());
        bytes.extend(extra_length.to_le_bytes());
    }

    /// "Zip64 Extended Information Extra Field", 4.5.3.
    fn sizes(&self, bytes: &mut Vec<u8>, length: u16) {
        bytes.extend([1, 0]);
        bytes.extend(length.to_le_bytes());
        bytes.extend(self.bytes.to_le_bytes());
        bytes.extend(self.packed_bytes.to_le_bytes());
    }
}

/// All that follows the files: the directory, which begins here, and its end.
fn end(places: &[Place], begins: u64) -> Vec<u8> {
    let mut bytes: Vec<u8> = places.iter().flat_map(Place::listed).collect();
    let length = bytes.len() as u64;
    let count = places.len() as u16;
    let mut short = (length as u32, u32::try_from(begins).unwrap_or(ELSEWHERE));
    if begins > u64::from(u32::MAX) {
        short.0 = ELSEWHERE;
        // "Zip64 end of central directory record", 4.3.14: as long as it is at least, on the first disk.
        bytes.extend(b"PK\x06\x06");
        bytes.extend(44_u64.to_le_bytes());
        bytes.extend([VERSION, VERSION].map(u16::to_le_bytes).concat());
        bytes.extend([0; 8]);
        let numbers = [u64::from(count), u64::from(count), length, begins];
        bytes.extend(numbers.map(u64::to_le_bytes).concat());
        // "Zip64 end of central directory locator", 4.3.15: of one disk.
        bytes.extend(b"PK\x06\x07\0\0\0\0");
        bytes.extend((begins + length).to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
    }
    // "End of central directory record", 4.3.16, without a comment.
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count, count].map(u16::to_le_bytes).concat());
    bytes.extend([short.0, short.1].map(u32::to_le_bytes).concat());
    bytes.extend([0; 2]);
    bytes
}

/// So many bytes from there on; fewer: the file ends before.
fn bytes_at(file: &mut (impl Read + Seek), at: u64, count: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(at))?;
    file.take(count).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
