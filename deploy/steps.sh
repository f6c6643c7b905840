#!/usr/bin/env bash
# Runs named steps, prints the time of each, and stops at the first that fails.
# Usage: deploy/steps.sh 'NAME' 'COMMAND' ['NAME' 'COMMAND' ...]
set -uo pipefail

times=()
while [ $# -ge 2 ]; do
  name=$1 command=$2
  shift 2
  printf '\n== %s: %s\n' "$name" "$command"
  from=$SECONDS
  bash -euo pipefail -c "$command"
  status=$?
  took=$((SECONDS - from))
  times+=("$(printf '%5d s  %s' "$took" "$name")")
  if [ $status -ne 0 ]; then
    printf '\n'
    printf '%s\n' "${times[@]}"
    printf 'FAILED: %s (exit %d)\n' "$name" "$status"
    exit "$status"
  fi
done
printf '\n'
printf '%s\n' "${times[@]}"
printf '%5d s  in all\n' "$SECONDS"
