//! House rules of this room: the law of merging for every view, a reader for every event type, tables that
//! fit their rows, and routes that let in whom they should.

mod access;
mod law;
mod readers;
mod tables;
