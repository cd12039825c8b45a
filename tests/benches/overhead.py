#!/usr/bin/env python3
"""Wall time that `hearth exec -- true` adds to `true`, in a repository with a warm target of 1 GB in 5,000 files.
Usage: overhead.py HEARTH WORKDIR [RUNS]. As root with mkfs.btrfs and mkfs.xfs, the reflink ways are measured as well,
on loop-mounted images in WORKDIR. Prints p50 and p95 of the added time and of the lease in it, by clone method."""
import json, os, shutil, subprocess, sys, time

hearth, work = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
runs = int(sys.argv[3]) if len(sys.argv) > 3 else 50
environment = {k: v for k, v in os.environ.items() if not k.startswith(("CARGO_", "RUSTC_", "HEARTH_", "SCCACHE_"))}
os.makedirs(work)


def call(*command, **more):
    return subprocess.run(command, check=True, **more)


def repository():
    path = work + "/repository"
    call("cargo", "init", "-q", "--name", "small", "--vcs", "none", path, env=environment)
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "small"]):
        call("git", "-C", path, "-c", "user.name=a", "-c", "user.email=a@b.c", *command)
    return path


def filled(state, path):
    fill = 'cargo build -q && mkdir -p "$CARGO_BUILD_BUILD_DIR/debug/filler" && cd "$CARGO_BUILD_BUILD_DIR/debug/filler" ' \
           "&& head -c 1000000000 /dev/urandom | split -a 4 -b 200000"
    call(hearth, "--state", state, "exec", "-q", "--repo", path, "--", "sh", "-c", fill, env=environment)
    settle(state)


def settle(state):
    call("flock", state + "/upkeep.lock", "true")


def timed(*command, **more):
    began = time.perf_counter()
    call(*command, **more)
    return (time.perf_counter() - began) * 1000


def measure(label, state, path, count, before=lambda: None):
    added, leases = [], []
    receipt = work + "/receipt.json"
    for _ in range(count):
        before()
        plain = timed("true")
        took = timed(hearth, "--state", state, "exec", "-q", "--receipt", receipt, "--repo", path, "--", "true", env=environment)
        added.append(took - plain)
        leases.append(json.load(open(receipt))["warm"]["from"]["took_ms"])
    quantile = lambda values, q: sorted(values)[min(len(values) - 1, int(q * len(values)))]
    handed = json.load(open(receipt))["warm"]["from"]["handed_out"]
    print(f"{label:16} {handed:8} n={count:3}  added p50 {quantile(added, .5):7.0f} ms  p95 {quantile(added, .95):7.0f} ms"
          f"  lease p50 {quantile(leases, .5):6.0f} ms  p95 {quantile(leases, .95):6.0f} ms", flush=True)


def drop_clone(state):
    settle(state)
    for lane in os.listdir(state + "/targets"):
        shutil.rmtree(f"{state}/targets/{lane}/ready", ignore_errors=True)
        os.makedirs(f"{state}/targets/{lane}/ready")


path = repository()
print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
for kind in ("here", "btrfs", "xfs"):
    place = f"{work}/{kind}"
    os.makedirs(place)
    if kind != "here":
        if os.geteuid() != 0 or not shutil.which(f"mkfs.{kind}"):
            print(f"{kind}: skipped, needs root and mkfs.{kind}")
            continue
        image = f"{work}/{kind}.img"
        call("truncate", "-s", "8G", image)
        call(f"mkfs.{kind}", "-q", image)
        call("mount", "-o", "loop", image, place)
    try:
        state = place + "/state"
        filled(state, path)
        measure(kind, state, path, runs)
        measure(kind, state, path, max(3, runs // 5), before=lambda: drop_clone(state))
    finally:
        if kind != "here":
            settle(state)
            call("umount", place)
