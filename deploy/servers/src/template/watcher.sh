# Waits for the end of a test process, however it ends, then ends the servers below its folder and
# removes that. The test process holds the other end of our standard input, and never writes to it.
# Arguments: the folder; its own name, which the command lines of its servers hold.
dir=$1 name=$2
read -r _ || :

# Those that are alive and ours: a process id may have been given to another program since.
living() {
  for pid in $pids; do
    if grep -qs -- "$name" "/proc/$pid/cmdline"; then echo "$pid"; fi
  done
}
pids=$(find "$dir" -maxdepth 4 \( -name postmaster.pid -o -name nats.pid \) -exec sed -n 1p {} \; 2>/dev/null)

# SIGQUIT is Postgres' immediate stop; nats-server ends of it too.
pids=$(living)
[ -z "$pids" ] || kill -QUIT $pids
tries=0
while [ -n "$(living)" ] && [ $tries -lt 200 ]; do
  sleep 0.02
  tries=$((tries + 1))
done
pids=$(living)
[ -z "$pids" ] || kill -KILL $pids
rm -rf -- "$dir"
