"""A Ray cluster as an operator starts it: a head without CPUs and workers by `ray start`, token on, 127.0.0.1 alone."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

STORE = 80_000_000  # bytes of object store a node
CLI = Path(__file__).with_name("ray_start.py")


@dataclass
class Nodes:
    """The cluster, its token (None: it asks for none), and the processes of each node."""

    folder: str
    token: str | None = field(default_factory=lambda: secrets.token_hex(32))
    ports: dict[str, int] = field(default_factory=dict)
    metrics: list[int] = field(default_factory=list)  # ports of the metrics pages, one a node

    @property
    def dashboard(self) -> str:
        return f"http://127.0.0.1:{self.ports['dashboard']}"

    @property
    def environment(self) -> dict[str, str]:
        """Of a process that uses the cluster."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        others = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS", "PYTHONPATH")
        kept = {name: value for name, value in os.environ.items() if name not in others}
        token = {"RAY_AUTH_MODE": "disabled"} if self.token is None else {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token}
        return {**kept, "PATH": path, **token, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

    def head(self) -> None:
        self.ports = {name: free_port() for name in ("gcs", "dashboard", "client")}
        config = '--system-config={"metrics_report_interval_ms": 1000}'
        ports = [
            f"--port={self.ports['gcs']}",
            f"--dashboard-port={self.ports['dashboard']}",
            f"--ray-client-server-port={self.ports['client']}",
        ]
        self._start("--head", "--num-cpus=0", "--dashboard-host=127.0.0.1", f"--temp-dir={self.folder}", config, *ports)

    def worker(self, cpus: int) -> None:
        self._start(f"--address=127.0.0.1:{self.ports['gcs']}", f"--num-cpus={cpus}")

    def _start(self, *options: str) -> None:
        self.metrics.append(free_port())
        common = [f"--metrics-export-port={self.metrics[-1]}", f"--dashboard-agent-listen-port={free_port()}", "--disable-usage-stats"]
        words = [sys.executable, str(CLI), "start", "--node-ip-address=127.0.0.1", f"--object-store-memory={STORE}", *common, *options]
        env, empty = self.environment, self.folder  # no code lies where the nodes stand
        done = subprocess.run(words, env=env, cwd=empty, capture_output=True, text=True, check=False, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr

    def page(self) -> str:
        """The metrics of all nodes, as Prometheus reads them."""
        found = []
        for port in self.metrics:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                found.append(answer.read().decode())
        return "\n".join(found)

    def processes(self, part: str = "") -> list[int]:
        """Of all nodes, or those with `part` in their command line. A node's processes name its folder; its workers are their children."""
        parents, commands = {}, {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                pid = int(stat.parent.name)
                commands[pid] = stat.with_name("cmdline").read_bytes().decode(errors="replace")
                parents[pid] = int(stat.read_text().rpartition(")")[2].split()[1])
        mine = {pid for pid, line in commands.items() if f"{self.folder}/" in line or f"={self.folder}" in line} - {os.getpid()}
        while more := {pid for pid, parent in parents.items() if parent in mine} - mine:
            mine |= more
        return sorted(pid for pid in mine if part in commands.get(pid, ""))

    def addresses(self) -> set[str]:
        """Where the processes listen."""
        inodes = set()
        for pid in self.processes():
            for link in Path(f"/proc/{pid}/fd").glob("*"):
                with suppress(OSError):
                    inodes.add(str(link.readlink()))
        lines = [line.split() for file in ("tcp", "tcp6") for line in Path(f"/proc/net/{file}").read_text().splitlines()[1:]]
        return {words[1].partition(":")[0] for words in lines if words[3] == "0A" and f"socket:[{words[9]}]" in inodes}

    def kill(self, part: str = "") -> None:
        for pid in self.processes(part):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


@contextmanager
def ray_nodes(workers: int, cpus: int, *, token: bool = True) -> Iterator[Nodes]:
    """Started inside the block, and killed with it."""
    folder = tempfile.mkdtemp(prefix="nodes", dir="/tmp")  # sockets need a short path
    nodes = Nodes(folder) if token else Nodes(folder, token=None)
    try:
        nodes.head()
        for _ in range(workers):
            nodes.worker(cpus)
        yield nodes
    finally:
        end = time.monotonic() + 30
        while nodes.processes() and time.monotonic() < end:
            nodes.kill()
            time.sleep(0.2)
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
