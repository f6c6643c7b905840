#!/usr/bin/env bash
# Line coverage of our own code by the whole test suite; fails below the minimum.
# Usage: deploy/coverage.sh MINIMUM_PERCENT [CARGO_TEST_ARGUMENT...]   (default: --workspace)
# Needs the llvm tools of the compiler's major version: Debian's llvm-22, or any on the PATH.
set -euo pipefail
cd "$(dirname "$0")/.."

minimum=$1
shift
[ $# -gt 0 ] || set -- --workspace
target=$PWD/target/coverage
major=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
tool() {
  local name
  for name in "$1-$major" "$1"; do
    # Those of another version can not read what this compiler's programs write.
    if [[ $("$name" --version 2>/dev/null) == *"LLVM version $major."* ]]; then
      command -v "$name"
      return
    fi
  done
  echo "coverage needs $1 of LLVM $major: install llvm-$major" >&2
  return 1
}
profdata=$(tool llvm-profdata)
cov=$(tool llvm-cov)

export CARGO_INCREMENTAL=0
# Only our own crates are instrumented, and built beside the ordinary ones: the wrapper is not called for
# dependencies, which are shared with every other build.
export RUSTC_WORKSPACE_WRAPPER=$PWD/deploy/coverage-rustc
rm -rf "$target/profiles"
mkdir -p "$target/profiles"
export LLVM_PROFILE_FILE=$target/profiles/%p-%8m.profraw

cargo test --locked "$@"
programs=$(cargo test --locked "$@" --no-run --message-format=json 2>/dev/null |
  python3 -c 'import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable"):
        print(message["executable"])')

"$profdata" merge -sparse "$target"/profiles/*.profraw -o "$target/all.profdata"
first=$(head -n 1 <<<"$programs")
objects=()
while read -r program; do objects+=(-object "$program"); done < <(tail -n +2 <<<"$programs")
# Tests, benchmarks and generated code are not what is measured.
root=$(sed 's/[][\.*^$+?(){}|]/\\&/g' <<<"$PWD")
ours=(-instr-profile="$target/all.profdata"
  -ignore-filename-regex="^$root/(target|tests|bench)/|^$root/.*/tests(/|\.rs\$)|^$HOME/\.cargo/|^/rustc/")
"$cov" report "$first" "${objects[@]}" "${ours[@]}" >"$target/report.txt"
"$cov" show "$first" "${objects[@]}" "${ours[@]}" -format=html -output-dir="$target/html" >/dev/null
"$cov" export "$first" "${objects[@]}" "${ours[@]}" -summary-only >"$target/summary.json"
python3 - "$target/summary.json" "$minimum" <<'PYTHON'
import json, sys
lines = json.load(open(sys.argv[1]))["data"][0]["totals"]["lines"]
minimum = float(sys.argv[2])
print(f"line coverage: {lines['percent']:.2f} % ({lines['covered']} of {lines['count']}), at least {minimum:g} % wanted")
print("by file: target/coverage/report.txt, by line: target/coverage/html/index.html")
sys.exit(lines["percent"] < minimum)
PYTHON
