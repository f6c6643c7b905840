#!/usr/bin/env bash
# Runs named steps, prints the time of each, and stops at the first that fails; which tests failed,
# and with what first words, is said again at the end, where somebody with the last screen reads it.
# Usage: deploy/steps.sh 'NAME' 'COMMAND' ['NAME' 'COMMAND' ...]
set -uo pipefail

said=$(mktemp)
trap 'rm -f "$said"' EXIT

times=()
while [ $# -ge 2 ]; do
  name=$1 command=$2
  shift 2
  printf '\n== %s: %s\n' "$name" "$command"
  from=$SECONDS
  bash -euo pipefail -c "$command" | tee "$said"
  status=${PIPESTATUS[0]}
  took=$((SECONDS - from))
  times+=("$(printf '%5d s  %s' "$took" "$name")")
  if [ "$status" -ne 0 ]; then
    printf '\n'
    printf '%s\n' "${times[@]}"
    # What a failed test said stands under `---- its name stdout ----`.
    awk '/^---- .* stdout ----$/ { print; left = 4; next } left && NF { print substr($0, 1, 300); left-- }' "$said"
    printf 'FAILED: %s (exit %d)\n' "$name" "$status"
    exit "$status"
  fi
done
printf '\n'
printf '%s\n' "${times[@]}"
printf '%5d s  in all\n' "$SECONDS"
