#!/usr/bin/env bash
# Real projects, cold : cache-only : warm. Usage: projects.sh HEARTH WORKDIR CHECKOUT FILE PACKAGE [cargo arguments…]
# CHECKOUT is a git checkout that may be changed; FILE one of its sources, which gets one more line; PACKAGE the package
# whose tests are run with and without Hearth. Prints a table row for each step: wall s, CPU s, units compiled, units
# fresh, hits, misses. Needs git, cargo, python3.
set -euo pipefail
hearth=$1 work=$2 checkout=$3 file=$4 package=$5
shift 5
export HEARTH_STATE=$work/state
unset RUSTC_WRAPPER CARGO_INCREMENTAL CARGO_BUILD_BUILD_DIR
mkdir -p "$work"
cd "$checkout"
cargo fetch -q
[ -f Cargo.lock ] && git add -f Cargo.lock && git commit -q --no-verify -m "lock file" 2>/dev/null || true

row() { # label, log of `cargo build -v`
    python3 - "$1" "$work/receipt.json" "$2" <<'PY'
import json, re, sys
label, receipt, log = sys.argv[1], json.load(open(sys.argv[2])), open(sys.argv[3]).read()
fresh = len(re.findall(r"^\s+Fresh ", log, re.M))
compiled = len(re.findall(r"^\s+(?:Compiling|Dirty) ", log, re.M)) - len(re.findall(r"^\s+Dirty ", log, re.M))
compile = receipt["compile"] or {}
relay = receipt["relay"] or {}
print(f"{label:28} wall {receipt['ran_ms']/1000:7.1f}  cpu {receipt['usage']['cpu_us']/1e6:7.1f}  compiled {compiled:4}  fresh {fresh:4}"
      f"  hits {compile.get('hits','-'):>4}  misses {compile.get('misses','-'):>4}  requests {relay.get('requests','-'):>4}"
      f"  warm {receipt['warm_target']}")
PY
}
job() { # label, arguments of cargo build
    label=$1
    shift
    "$hearth" exec -q --receipt "$work/receipt.json" -- cargo build -v "$@" > "$work/log" 2>&1 || { tail -20 "$work/log"; exit 1; }
    row "$label" "$work/log"
    settle
}
settle() { flock "$HEARTH_STATE/upkeep.lock" true; }

rm -rf target
job cold "$@"
rm -rf target
"$hearth" targets prune --to 0 > /dev/null
job "cache only" "$@"
rm -rf target
job "warm, unchanged" "$@"
echo "// one more line" >> "$file"
git commit -q --no-verify -am "one more line"
job "warm, one line changed" "$@"
git checkout -q HEAD~1 -- "$file"
git commit -q --no-verify -am "and back"
job "warm, changed back" "$@"

rm -rf target
passed() { grep -E '^test result' "$1" | awk '{p += $4; f += $6} END {print p " passed, " f " failed"}'; }
"$hearth" exec -q -- cargo test -p "$package" > "$work/tests-hearth" 2>&1 || true
env -u HEARTH_STATE CARGO_TARGET_DIR="$work/plain" cargo test -p "$package" > "$work/tests-plain" 2>&1 || true
echo "tests of $package: with Hearth $(passed "$work/tests-hearth"), without $(passed "$work/tests-plain")"
