#!/usr/bin/env bash
# Stops the private servers of data folders, and removes all their data.
# Usage: deploy/clean-data.sh DIR...
set -euo pipefail

state=${TIDINGS_STATE_DIR:-/var/lib/tidings}

# Ends the server of a pid file, if its process still is that server.
end() { # PID_FILE SIGNAL ARGUMENT
  local pid
  pid=$(sed -n 1p "$1" 2>/dev/null) || return 0
  ours() { tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF -- "$1"; } 2>/dev/null
  ours "$3" || return 0
  kill "-$2" "$pid"
  while ours "$3"; do sleep 0.1; done
}

for dir in "$@"; do
  [ -d "$dir" ] || continue
  dir=$(realpath "$dir")
  # The lock that a running platform holds.
  if [ -f "$dir/run.lock" ] && ! flock --nonblock "$dir/run.lock" true; then
    echo "a platform runs over $dir: stop it first (Ctrl-C, or SIGTERM); nothing was removed" >&2
    exit 1
  fi
  location=$dir
  # Root's data lie elsewhere, and only there do we follow the pointer.
  if [ -f "$dir/where" ]; then
    location=$(cat "$dir/where")
    if [ "$(dirname "$location")" != "$state" ]; then
      echo "$dir/where does not lead into $state: left alone" >&2
      exit 1
    fi
  fi
  end "$location/postgres/postmaster.pid" INT "$location/postgres"
  end "$location/nats/nats.pid" TERM "$location/conf/nats.conf"
  rm -rf -- "$location" "$dir"
  echo "removed $dir"
done
