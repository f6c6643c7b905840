//! Compiles `tidings/*.proto` without a protoc binary and generates, beside the prost types,
//! one enum over all events: every top-level message outside `tidings.common` is an event.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use prost::Message as _;
use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};

const SEALED: &str = "tidings.common.Sealed";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=tidings");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let mut files: Vec<PathBuf> = std::fs::read_dir("tidings")?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.sort();

    let descriptors = protox::compile(&files, ["."])?;
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let pool = DescriptorPool::from_file_descriptor_set(descriptors.clone())?;

    prost_build::Config::new()
        .bytes(["."])
        .include_file("tidings.rs")
        .out_dir(&out)
        .compile_fds(descriptors)?;
    std::fs::write(out.join("events.rs"), events(&pool)?)?;
    check_rust_names(&out)?;
    Ok(())
}

/// The include file nests one module per package; a package that is a Rust keyword would be renamed silently.
fn check_rust_names(out: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let tree = std::fs::read_to_string(out.join("tidings.rs"))?;
    if tree.contains("r#") {
        return Err("a proto package is named like a Rust keyword".into());
    }
    Ok(())
}

fn is_event(message: &MessageDescriptor) -> bool {
    message.parent_message().is_none() && message.package_name() != "tidings.common"
}

fn events(pool: &DescriptorPool) -> Result<String, std::fmt::Error> {
    let mut messages: Vec<_> = pool.all_messages().filter(is_event).collect();
    messages.sort_by_key(|message| message.full_name().to_owned());
    let named: Vec<_> = messages
        .iter()
        .map(|message| {
            let noun = message.package_name().trim_start_matches("tidings.");
            let path = format!("crate::{noun}::{}", message.name());
            (
                variant(noun, message.name()),
                path,
                format!("{noun}.{}", message.name()),
            )
        })
        .collect();

    let mut code = String::from(
        "/// Every event of the log, decoded. Each in a box: most are small, and the largest would make all of them large.\n\
         #[derive(Clone, Debug, PartialEq)]\npub enum Event {\n",
    );
    for (variant, path, event_type) in &named {
        writeln!(code, "    /// `{event_type}`\n    {variant}(Box<{path}>),")?;
    }
    code.push_str("}\n\n/// Every event type, sorted.\npub const EVENT_TYPES: &[&str] = &[\n");
    for (_, _, event_type) in &named {
        writeln!(code, "    \"{event_type}\",")?;
    }
    code.push_str("];\n\nimpl Event {\n    /// Decodes the payload of an event of the given type.\n    pub fn decode(event_type: &str, payload: ::bytes::Bytes) -> Result<Self, crate::DecodeError> {\n        match event_type {\n");
    for (variant, _, event_type) in &named {
        writeln!(
            code,
            "            \"{event_type}\" => crate::decode_as(event_type, payload).map(|it| Self::{variant}(Box::new(it))),"
        )?;
    }
    code.push_str("            other => Err(crate::DecodeError::UnknownType(other.to_owned())),\n        }\n    }\n\n    /// `<noun>.<PastTense>`\n    pub fn event_type(&self) -> &'static str {\n        match self {\n");
    for (variant, _, event_type) in &named {
        writeln!(code, "            Self::{variant}(_) => \"{event_type}\",")?;
    }
    code.push_str("        }\n    }\n\n    /// The payload bytes.\n    pub fn encode_to_vec(&self) -> Vec<u8> {\n        match self {\n");
    for (variant, _, _) in &named {
        writeln!(
            code,
            "            Self::{variant}(event) => ::prost::Message::encode_to_vec(event.as_ref()),"
        )?;
    }
    code.push_str("        }\n    }\n\n    /// Calls `found` with each sealed value in the event.\n    pub fn for_each_sealed<'a>(&'a self, found: &mut dyn FnMut(&'a crate::common::Sealed)) {\n        match self {\n");
    for ((variant, _, _), message) in named.iter().zip(&messages) {
        let mut walk = String::new();
        walk_sealed(message, "event", &mut Vec::new(), &mut walk)?;
        if walk.is_empty() {
            writeln!(code, "            Self::{variant}(_) => {{}}")?;
        } else {
            writeln!(
                code,
                "            Self::{variant}(event) => {{\n{walk}            }}"
            )?;
        }
    }
    code.push_str("        }\n    }\n}\n");
    for (variant, path, event_type) in &named {
        writeln!(
            code,
            "\nimpl crate::EventMessage for {path} {{\n    const TYPE: &'static str = \"{event_type}\";\n}}\n\nimpl From<{path}> for Event {{\n    fn from(event: {path}) -> Self {{\n        Self::{variant}(Box::new(event))\n    }}\n}}"
        )?;
    }
    Ok(code)
}

/// `subscriber_import` + `Started` → `SubscriberImportStarted`
fn variant(noun: &str, name: &str) -> String {
    let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    noun.split('_')
        .map(capital)
        .chain([name.to_owned()])
        .collect()
}

/// `within`: the messages that hold this one. What holds its own kind is not followed: nothing sealed stands in there.
fn walk_sealed(
    message: &MessageDescriptor,
    holder: &str,
    within: &mut Vec<String>,
    code: &mut String,
) -> std::fmt::Result {
    let depth = within.len() + 3;
    let pad = "    ".repeat(depth + 1);
    if within.iter().any(|name| name == message.full_name()) {
        return Ok(());
    }
    within.push(message.full_name().to_owned());
    for field in message.fields() {
        let Kind::Message(inner) = field.kind() else {
            continue;
        };
        let access = format!("{holder}.{}", field.name());
        let item = format!("inner{depth}");
        if inner.full_name() == SEALED {
            writeln!(code, "{pad}{access}.iter().for_each(&mut *found);")?;
            continue;
        }
        let mut walk = String::new();
        walk_sealed(&inner, &item, within, &mut walk)?;
        if !walk.is_empty() {
            // Repeated fields are vectors and singular message fields are options: both iterate.
            writeln!(code, "{pad}for {item} in {access}.iter() {{\n{walk}{pad}}}")?;
        }
    }
    within.pop();
    Ok(())
}
