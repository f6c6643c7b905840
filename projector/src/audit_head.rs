//! Where does the log end, and how far is that witnessed outside the database? Read from the log itself.

pub mod get;
