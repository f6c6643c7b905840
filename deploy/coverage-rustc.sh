#!/bin/sh
# Called by cargo in place of rustc for our own crates: compiles them with coverage counters.
exec "$@" -C instrument-coverage
