"""How does a request cost, beside granian and gunicorn? CPU of the whole process tree per request, in one run.

    python3 bench/run.py [--seconds 4] [--rounds 3] [hello flask echo stream sleep beside memory]

Every server runs the same application with the same interpreter, one process, alone; rounds take turns, and the
median counts. Wants wrk, and `cargo build --release -p serve-wsgi`. The answers are checked first.
"""

import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
VENV = os.path.join(ROOT, "target", "venv")
TICK = os.sysconf("SC_CLK_TCK")
OURS = os.path.join(ROOT, "target", "release", "serve-wsgi")


def servers(app, port):
    bin = os.path.join(VENV, "bin")
    return {
        "ours": [OURS, "--bind", f"127.0.0.1:{port}", "--venv", VENV, "--python-path", HERE, f"apps:{app}"],
        "granian": [f"{bin}/granian", "--interface", "wsgi", "--blocking-threads", "1", "--no-ws", "--log-level", "error",
                    "--working-dir", HERE, "--port", str(port), f"apps:{app}"],
        "gunicorn": [f"{bin}/gunicorn", "--threads", "4", "--chdir", HERE, "--bind", f"127.0.0.1:{port}", "--log-level",
                     "error", f"apps:{app}"],
    }


def tree(pid):
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    return [pid] + [it for child in children for it in tree(int(child))]


def cpu(pid):
    """Seconds of the whole tree, and its resident memory."""
    ticks = pages = 0
    for it in tree(pid):
        with open(f"/proc/{it}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
            pages += int(fields[21])
    return ticks / TICK, pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Server:
    def __init__(self, name, app):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        # The kernel's own, not a wrapper's.
        env = dict(os.environ, PYTHONPATH=HERE)
        self.process = subprocess.Popen(servers(app, self.port)[name], env=env, stdout=subprocess.DEVNULL)
        for _ in range(200):
            try:
                self.get("/")
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit(f"{name} does not start")

    def get(self, path, data=None):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", data, timeout=30) as answer:
            return answer.read()

    def load(self, path, seconds, connections=32, script=None):
        before, _ = cpu(self.process.pid)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency"]
        if script:
            command += ["-s", os.path.join(HERE, script)]
        text = subprocess.run(command + [f"http://127.0.0.1:{self.port}{path}"], capture_output=True, text=True).stdout
        after, memory = cpu(self.process.pid)
        requests = int(re.search(r"(\d+) requests in", text)[1])
        failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        assert not failed, text
        unit = {"us": 1, "ms": 1e3, "s": 1e6}
        p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
        return {
            "us": (after - before) / requests * 1e6,
            "rps": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
            "p99": float(p99[1]) * unit[p99[2]],
            "memory": memory,
        }

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


CASES = {
    "hello": ("hello", "/", None),
    "flask": ("flask", "/", None),
    "echo": ("application", "/echo", "echo.lua"),
    "stream": ("application", "/stream", None),
    "sleep": ("application", "/sleep", None),
}


def compare(case, seconds, rounds):
    app, path, script = CASES[case]
    names = ["ours", "granian"] + (["gunicorn"] if case in ("hello", "flask") else [])
    found = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            server = Server(name, app)
            try:
                body = b"x" * 102_400
                if case == "echo":
                    assert server.get(path, body) == body
                elif case == "stream":
                    assert len(server.get(path)) == 2**20
                else:
                    assert server.get(path) == b"Hello, World!"
                server.load(path, 1, script=script)
                found[name].append(server.load(path, seconds, script=script))
            finally:
                server.stop()
    median = {name: {key: statistics.median(it[key] for it in runs) for key in runs[0]} for name, runs in found.items()}
    for name in names:
        it = median[name]
        print(f"{case:8} {name:9} {it['us']:8.1f} us/request {it['rps']:9.0f} requests/s   p99 {it['p99'] / 1000:7.2f} ms"
              f"   {it['memory']:6.1f} MiB")
    ours, granian = median["ours"], median["granian"]
    print(f"{case:8} ours / granian: CPU {ours['us'] / granian['us']:.2f}, requests/s {ours['rps'] / granian['rps']:.2f}\n",
          flush=True)


def beside():
    """The p99 of plain GETs beside 64 stalled uploads and 64 slow readers."""
    server = Server("ours", "application")
    try:
        alone = statistics.median(server.load("/", 3, connections=8)["p99"] for _ in range(3))
        idle = []
        for n in range(64):
            upload = socket.create_connection(("127.0.0.1", server.port))
            upload.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + b"x" * 100_000)
            reader = socket.create_connection(("127.0.0.1", server.port))
            reader.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
            idle += [upload, reader]
        time.sleep(0.5)
        with_them = statistics.median(server.load("/", 3, connections=8)["p99"] for _ in range(3))
        print(f"beside   p99 {alone / 1000:.2f} ms alone, {with_them / 1000:.2f} ms beside 64 stalled uploads and 64 slow "
              f"readers: {with_them / alone:.2f}\n", flush=True)
    finally:
        server.stop()


def memory():
    """Whether memory is flat over 300,000 requests."""
    for path, app in [("/", "hello"), ("/", "flask")]:
        server = Server("ours", app)
        try:
            asked, sizes = 0, []
            server.load(path, 2)
            while asked < 300_000:
                it = server.load(path, 3)
                asked += it["rps"] * 3
                sizes.append(it["memory"])
            print(f"memory   {app}: {sizes[0]:.1f} MiB, after {asked:.0f} requests {sizes[-1]:.1f} MiB\n", flush=True)
        finally:
            server.stop()


def main():
    arguments = sys.argv[1:]
    options = {"--seconds": 4, "--rounds": 3}
    for name in options:
        if name in arguments:
            at = arguments.index(name)
            options[name] = int(arguments[at + 1])
            del arguments[at:at + 2]
    for case in arguments or [*CASES, "beside", "memory"]:
        if case in CASES:
            compare(case, options["--seconds"], options["--rounds"])
        else:
            {"beside": beside, "memory": memory}[case]()


if __name__ == "__main__":
    main()
