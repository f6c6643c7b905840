#!/bin/sh
# Run after run of deaths and faults for so many minutes, each run decided by one seed. Stops at the first
# run that fails; the last seed it printed replays that run:
#   TIDINGS_TEST_SEED=N deploy/soak.sh 1
set -eu
minutes=${1:?how many minutes}
cd "$(dirname "$0")/.."
TIDINGS_TEST_SOAK_MINUTES=$minutes exec cargo test --locked -p tidings-standalone --test crash -- \
  --exact soak::soak --nocapture
