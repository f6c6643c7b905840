#!/bin/sh
# Run after run of deaths and faults for so many minutes, or so many runs, each decided by one seed. Stops at
# the first run that fails; the last seed it printed replays that run:
#   TIDINGS_TEST_SEED=N deploy/soak.sh '' 1
set -eu
minutes=${1-} runs=${2-}
cd "$(dirname "$0")/.."
if [ -n "$minutes" ]; then export TIDINGS_TEST_SOAK_MINUTES="$minutes"; fi
if [ -n "$runs" ]; then export TIDINGS_TEST_SOAK_RUNS="$runs"; fi
exec cargo test --locked -p tidings-standalone --test crash -- --exact soak::soak --nocapture
