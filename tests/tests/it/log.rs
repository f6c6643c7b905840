//! The log: what it promises while all is well, and while servers die.

mod audited;
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
mod rebuild_races;
mod relay;
mod restored;
mod rotation;
mod schema_page;
mod shredding;
mod skips;
mod staged;
mod tally;
mod tampered;
mod vault;
mod views;
mod witness;
mod witness_attacked;
mod witness_restored;
