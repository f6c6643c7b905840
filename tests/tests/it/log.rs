//! The log: what it promises while all is well, and while servers die.

mod cluster;
mod commits;
mod failover;
mod feed;
mod migrations;
mod model;
mod outage;
mod outcome;
mod proof;
mod rebuild;
mod relay;
mod restored;
mod restored_stream;
mod rotation;
mod schema_page;
mod shredding;
mod skips;
mod staged;
mod tally;
mod tampered;
mod vault;
mod views;
mod went_on;
mod witness;
mod witness_attacked;
