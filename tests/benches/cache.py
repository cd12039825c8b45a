#!/usr/bin/env python3
"""Hearth's cache server beside its peers, in one run: nginx (sendfile for reads, dav for writes) and Redis 7 (append-only
file synced every second, and without one). Usage:

    cargo build --release -p hearth-cache-server -p cache-load
    tests/benches/cache.py TARGET_DIR/release WORKDIR [--rounds 3] [--seconds 1] [--sizes 4K,64K,1M,8M]
                           [--connections 1,8,64] [--only NAME,…] [--what get,put] [--json FILE]

Every server has core 0 for itself and the client core 1, both above everything else that runs when this runs as root.
In each round each server has its turn; the table shows medians. Every object is stored and read by one client
(tests/benches/cache), compared byte for byte before reads are timed and in samples after writes. CPU seconds are the
server's own, user and system, of all its processes. Where the client is busier than the server, the figure is the
client's limit. Needs 5 GB of disk, nginx-full, libnginx-mod-http-dav-ext and redis-server of Debian."""
import argparse, json, os, shutil, socket, statistics, subprocess, sys, time

SIZES = {"4K": 4 << 10, "64K": 64 << 10, "1M": 1 << 20, "8M": 8 << 20}
READ = {"4K": 4096, "64K": 1024, "1M": 64, "8M": 8}  # objects that are read over and over
WRITTEN = 256 << 20  # one timed write ends after so many bytes
TICKS = os.sysconf("SC_CLK_TCK")


def on(core):
    """Has a new process run on this core alone, before everything else there if that is allowed."""

    def prepare():
        os.sched_setaffinity(0, {core})
        os.setsid()
        if os.geteuid() == 0:
            os.nice(-19)
            if os.path.exists("/proc/self/autogroup"):
                with open("/proc/self/autogroup", "w") as group:
                    group.write("-19")

    return prepare


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    protocol, key_file = "http", None

    def __init__(self, work, binaries):
        self.dir, self.binaries = f"{work}/{self.name}", binaries
        self.start()

    def start(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        self.port = free_port()
        self.log = open(f"{self.dir}/log", "w")
        self.process = subprocess.Popen(self.command(), stdout=self.log, stderr=self.log, preexec_fn=on(0))
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    sys.exit(f"{self.name} does not listen: see {self.dir}/log")
                time.sleep(0.02)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.dir)

    def pids(self):
        pids = [self.process.pid]
        for pid in pids:
            pids += map(int, open(f"/proc/{pid}/task/{pid}/children").read().split())
        return pids

    def cpu(self):
        fields = [open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split() for pid in self.pids()]
        return sum(int(f[11]) + int(f[12]) for f in fields) / TICKS

    def resident(self):
        return sum(int(open(f"/proc/{pid}/statm").read().split()[1]) for pid in self.pids()) * 4096

    def load(self, what, size, objects, connections=1, seconds=600, first=0):
        command = [f"{self.binaries}/cache-load", what, "--protocol", self.protocol, "--address", f"127.0.0.1:{self.port}",
                   "--size", str(size), "--objects", str(objects), "--first", str(first), "--connections",
                   str(connections), "--seconds", str(seconds)]
        if self.key_file:
            command += ["--key-file", self.key_file]
        before = self.cpu()
        result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, preexec_fn=on(1)).stdout)
        result["server_cpu_seconds"] = self.cpu() - before
        if result["refused"]:
            sys.exit(f"{self.name}: {what} of {size} bytes: {result['refused']} of them were refused or differ")
        return result


class Hearth(Server):
    name = "hearth"

    def command(self):
        self.key_file = f"{self.dir}/cache/token.key"
        return [f"{self.binaries}/hearth-cache-server", "serve", "--dir", f"{self.dir}/cache", "--admin", "127.0.0.1:0",
                "--listen", f"127.0.0.1:{self.port}"]


class Nginx(Server):
    name = "nginx"

    def command(self):
        os.makedirs(f"{self.dir}/files")
        with open(f"{self.dir}/nginx.conf", "w") as conf:
            conf.write(f"""
            load_module modules/ngx_http_dav_ext_module.so;
            daemon off; user root; worker_processes 1; pid {self.dir}/pid; error_log {self.dir}/error;
            events {{ worker_connections 4096; }}
            http {{
              sendfile on; tcp_nopush on; tcp_nodelay on; access_log off; keepalive_requests 1000000000; keepalive_timeout 600;
              open_file_cache max=20000 inactive=600s; open_file_cache_valid 60s; types_hash_max_size 4096;
              client_max_body_size 0; client_body_buffer_size 128k; client_body_temp_path {self.dir}/temp;
              server {{ listen 127.0.0.1:{self.port}; root {self.dir}/files;
                location / {{ dav_methods PUT DELETE; create_full_put_path on; }} }}
            }}""")
        return ["nginx", "-c", f"{self.dir}/nginx.conf", "-e", f"{self.dir}/error"]


class Redis(Server):
    name, protocol, append_only = "redis", "redis", ["--appendonly", "no"]

    def command(self):
        return ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir", self.dir, "--save", "",
                "--auto-aof-rewrite-percentage", "0", *self.append_only]


class RedisAppendOnly(Redis):
    name, append_only = "redis aof", ["--appendonly", "yes", "--appendfsync", "everysec"]


class RedisPing(Redis):
    name, protocol = "redis ping", "redis-ping"


def measure(server, what, size_name, connections, seconds):
    size = SIZES[size_name]
    if what == "get":
        return server.load("get", size, READ[size_name], connections, seconds)
    objects = max(WRITTEN // size, connections)
    # Everybody begins anew: a server that removes nothing would pay for fresh memory where another one finds its own.
    server.stop()
    server.start()
    result = server.load("put", size, objects, connections, seconds)
    sample = min(result["requests"], 8)
    server.load("check", size, sample, first=result["requests"] - sample)
    return result


def median(results, figure):
    return statistics.median(map(figure, results))


def row(what, size_name, connections, name, results):
    requests = median(results, lambda r: r["requests"] / r["seconds"])
    return {
        "what": what, "size": size_name, "connections": connections, "server": name,
        "requests_per_second": requests, "bytes_per_second": requests * SIZES[size_name],
        "p50_us": median(results, lambda r: r["p50_us"]), "p99_us": median(results, lambda r: r["p99_us"]),
        "cpu_seconds_per_gb": median(results, lambda r: r["server_cpu_seconds"] / r["bytes"] * 1e9),
        "server_busy": median(results, lambda r: r["server_cpu_seconds"] / r["seconds"]),
        "client_busy": median(results, lambda r: r["client_cpu_seconds"] / r["seconds"]),
    }


def show(rows):
    """One line for all servers."""
    cells = [f"{r['requests_per_second']:,.0f} · {r['bytes_per_second'] / 1e6:,.0f} · {r['p50_us']:,.0f} / {r['p99_us']:,.0f} "
             f"· {r['cpu_seconds_per_gb']:.2f} · {r['server_busy']:.0%} / {r['client_busy']:.0%}" for r in rows]
    print(f"| {rows[0]['what']} {rows[0]['size']} | {rows[0]['connections']} | {' | '.join(cells)} |", flush=True)


def compare(servers, size_name, arguments, rows):
    """All servers with objects of one size."""
    if "get" in arguments.what:
        for server in servers:
            server.load("put", SIZES[size_name], READ[size_name], 4)
            server.load("check", SIZES[size_name], READ[size_name])
    for what in arguments.what:
        for connections in arguments.connections:
            results = {server: [] for server in servers}
            for _ in range(arguments.rounds):
                for server in servers:
                    results[server].append(measure(server, what, size_name, connections, arguments.seconds))
            line = [row(what, size_name, connections, server.name, results[server]) for server in servers]
            rows += line
            show(line)


def main():
    words = lambda text: text.split(",")
    parser = argparse.ArgumentParser()
    parser.add_argument("binaries", type=os.path.abspath)
    parser.add_argument("work", type=os.path.abspath)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--sizes", type=words, default=list(SIZES))
    parser.add_argument("--connections", type=lambda text: list(map(int, words(text))), default=[1, 8, 64])
    parser.add_argument("--only", type=words, default=["hearth", "nginx", "redis", "redis aof"])
    parser.add_argument("--what", type=words, default=["get", "put"])
    parser.add_argument("--json")
    arguments = parser.parse_args()
    known = {kind.name: kind for kind in [Hearth, Nginx, Redis, RedisAppendOnly, RedisPing]}
    rows = []
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {arguments.rounds} rounds of {arguments.seconds} s\n")
    print("requests/s · MB/s · p50 / p99 µs · CPU s/GB · server / client busy\n")
    print(f"| | connections | {' | '.join(arguments.only)} |")
    print(f"| --- | --- {'| --- ' * len(arguments.only)}|")
    for size_name in arguments.sizes:
        servers = []
        try:
            for name in arguments.only:
                servers.append(known[name](arguments.work, arguments.binaries))
            compare(servers, size_name, arguments, rows)
        finally:
            for server in servers:
                server.stop()
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(rows, file, indent=1)


main()
