//! Looking for words about a person in whatever a run leaves behind, in every writing a program may give them: as they are, in
//! base64, quoted-printable, percent-encoded, escaped as JSON, in UTF-16 and in hexadecimal; in any case.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use memchr::memmem::Finder;

/// Words, each in all its writings. They are looked for in any case: a writing that is long enough is met by no chance.
pub struct Needles(Vec<Needle>);

struct Needle {
    word: String,
    writing: &'static str,
    finder: Finder<'static>,
}

/// Where a word stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// In this file.
    pub file: PathBuf,
    /// This word.
    pub word: String,
    /// Written so.
    pub writing: &'static str,
}

impl Needles {
    /// Those of these words. Each has ten bytes or more, or the ends of its base64 leave too little of it.
    pub fn new(words: &[&str]) -> Self {
        let of_word = |word: &&str| {
            assert!(word.len() >= 10, "{word} is met by chance");
            let word = (*word).to_owned();
            writings(&word)
                .into_iter()
                .map(move |(writing, bytes)| Needle {
                    word: word.clone(),
                    writing,
                    finder: Finder::new(&bytes).into_owned(),
                })
        };
        Self(words.iter().flat_map(of_word).collect())
    }

    /// The words in these bytes, and how each is written there.
    pub fn within(&self, bytes: &[u8]) -> BTreeSet<(&str, &'static str)> {
        let bytes = bytes.to_ascii_lowercase();
        let found = self.0.iter().filter(|it| it.finder.find(&bytes).is_some());
        found.map(|it| (it.word.as_str(), it.writing)).collect()
    }

    /// The words in the files below a folder, and in the names of files; not below those that are left out. What is taken away
    /// meanwhile is not there.
    pub fn below(&self, folder: &Path, left_out: &[PathBuf]) -> Vec<Found> {
        let mut found = Vec::new();
        for file in files(folder, left_out) {
            let mut within = self.within(file.as_os_str().as_encoded_bytes());
            let bytes = match fs::read(&file) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                read => read.unwrap(),
            };
            within.extend(self.within(&bytes));
            found.extend(within.into_iter().map(|(word, writing)| Found {
                file: file.clone(),
                word: word.to_owned(),
                writing,
            }));
        }
        found
    }
}

/// Every file below a folder, but for what is left out; sockets and pipes are none.
fn files(folder: &Path, left_out: &[PathBuf]) -> Vec<PathBuf> {
    let mut files_below = Vec::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return files_below,
        entries => entries.unwrap(),
    };
    for entry in entries.map(Result::unwrap) {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if left_out.contains(&path) {
        } else if kind.is_dir() {
            files_below.extend(files(&path, left_out));
        } else if kind.is_file() {
            files_below.push(path);
        }
    }
    files_below
}

/// How a word may be written, in lower case.
fn writings(word: &str) -> Vec<(&'static str, Vec<u8>)> {
    let small = word.to_lowercase();
    let mut all = vec![("as it is", small.clone().into_bytes())];
    for spelled in [word, &small] {
        all.extend(in_base64(spelled));
        all.push(("in hexadecimal", hex(spelled.as_bytes())));
        let units = || spelled.encode_utf16();
        all.push(("in UTF-16LE", units().flat_map(u16::to_le_bytes).collect()));
        all.push(("in UTF-16BE", units().flat_map(u16::to_be_bytes).collect()));
        all.push(("percent-encoded", escaped(spelled, '%', false)));
        all.push(("quoted-printable", escaped(spelled, '=', false)));
        all.push(("percent-encoded in full", escaped(spelled, '%', true)));
        all.push(("escaped as JSON", as_json(spelled)));
    }
    for (_, bytes) in &mut all {
        bytes.make_ascii_lowercase();
    }
    let mut seen = BTreeSet::new();
    all.retain(|(_, bytes)| seen.insert(bytes.clone()));
    all
}

/// What all texts have in common that hold the word and are encoded whole: three, by where the word begins.
fn in_base64(word: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut all = Vec::new();
    for before in 0..3_usize {
        let mut text = vec![0; before];
        text.extend(word.as_bytes());
        // Digits that are made of bits of the word alone.
        let (from, to) = ((before * 8).div_ceil(6), text.len() * 8 / 6);
        for digits in [STANDARD.encode(&text), URL_SAFE.encode(&text)] {
            all.push(("in base64", digits.as_bytes()[from..to].to_vec()));
        }
    }
    all
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    let mut digits = String::new();
    for byte in bytes {
        write!(digits, "{byte:02x}").expect("a text takes all");
    }
    digits.into_bytes()
}

/// With a mark and two digits for each byte that is no letter or digit, or only for those beyond ASCII.
fn escaped(word: &str, mark: char, in_full: bool) -> Vec<u8> {
    let mut text = String::new();
    for byte in word.bytes() {
        let plain = byte.is_ascii_alphanumeric() || (byte.is_ascii() && !in_full);
        match plain {
            true => text.push(byte as char),
            false => write!(text, "{mark}{byte:02x}").expect("a text takes all"),
        }
    }
    text.into_bytes()
}

fn as_json(word: &str) -> Vec<u8> {
    let mut text = String::new();
    for unit in word.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => text.push(byte as char),
            _ => write!(text, "\\u{unit:04x}").expect("a text takes all"),
        }
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORD: &str = "Zaunkönig.8d1b";

    fn found(bytes: impl AsRef<[u8]>) -> Vec<&'static str> {
        let needles = Needles::new(&[WORD]);
        let found = needles.within(bytes.as_ref());
        found.into_iter().map(|(_, writing)| writing).collect()
    }

    #[test]
    fn a_word_is_found_however_it_is_written() {
        assert_eq!(found(format!("<{}>", WORD.to_lowercase())), ["as it is"]);
        for before in 0..6 {
            let text = format!("{}{WORD}, and more", "x".repeat(before));
            assert_eq!(found(STANDARD.encode(&text)), ["in base64"]);
            assert_eq!(found(URL_SAFE.encode(&text)), ["in base64"]);
        }
        assert_eq!(found(hex(WORD.as_bytes())), ["in hexadecimal"]);
        let wide: Vec<u8> = WORD.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(found(wide), ["in UTF-16LE"]);
        assert_eq!(found("Zaunk%C3%B6nig.8d1b"), ["percent-encoded"]);
        assert_eq!(found("Zaunk%c3%b6nig%2E8d1b"), ["percent-encoded in full"]);
        assert_eq!(found("Zaunk=C3=B6nig.8d1b"), ["quoted-printable"]);
        assert_eq!(found(r"Zaunk\u00f6nig.8d1b"), ["escaped as JSON"]);
        assert_eq!(found("Zaunkönig"), <[&str; 0]>::default());
    }

    #[test]
    fn files_are_looked_through_but_for_those_that_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["a", "b"] {
            fs::create_dir_all(path(name).join("deep")).unwrap();
            fs::write(path(name).join("deep/file"), WORD).unwrap();
        }
        fs::write(path("zaunkönig.8d1b"), "").unwrap();
        let mut found: Vec<PathBuf> = Needles::new(&[WORD])
            .below(folder.path(), &[path("b")])
            .into_iter()
            .map(|it| it.file)
            .collect();
        found.sort_unstable();
        assert_eq!(found, [path("a").join("deep/file"), path("zaunkönig.8d1b")]);
    }
}
