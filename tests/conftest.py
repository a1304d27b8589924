"""Places where the real thing runs: Locust, the gateway and the embedded AWS as processes, as a user starts them."""

import csv
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, settings

# The same examples every time, and no limits of time: the machine may be busy.
settings.register_profile(
    "project", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("project")

# Tests that import Locust leave sockets and threads as they are for the tests beside them; `inherited` drops it.
os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"

# These wait longest, for quota windows: the sooner they begin, the sooner all is done.
FIRST = ("test_webui.py", "test_alone.py", "test_commands.py")

ROOT = Path(__file__).resolve().parent.parent
LOCUST = str(Path(sys.executable).with_name("locust"))
MARK = "PROOF_TEST_MARK"  # in the environment of all that a test starts, and so of all that this starts
RUNS = "the run folders"
NOT_OURS = ("AWS_", "LOCUST_", "LITELLM_", "NO_COLOR", "FORCE_COLOR", "TTY_", "COLUMNS", "LINES")
PORTS = range(20_000, 32_000)  # below those that the system gives to connections

# The embedded AWS in a hurry: answers within some milliseconds, logs delivered almost at once.
SWIFT = {
    "latency": {"first_token_ms": {"median": 20, "p99": 60}, "per_token_ms": 0},
    "log_queries": {"scheduled_s": 0, "running_s": 0, "requests_per_s": {}},
}


_first = os.getpid() * 1_009 % len(PORTS)  # tests that run beside these begin elsewhere
_ports = iter([*PORTS[_first:], *PORTS[:_first]])


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))


def free_port():
    """A port that is given to nobody else, before the one for whom it is listens there."""
    return next(filter(_is_free, _ports))


def _is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def inherited():
    """The environment of the shell without what would make a command do, or print, something else."""
    return {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}


def marked(mark):
    """The processes that carry the mark, as {pid: command line}; those that have ended and are not reaped are not."""
    found = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):
                if f"{MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                    found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


@dataclass
class Started:
    """A process under way, its output going to files."""

    process: subprocess.Popen
    mark: str
    folder: Path
    runs: Path

    @property
    def out(self):
        return (self.folder / "out").read_text(errors="replace")  # it may be in the middle of a character

    @property
    def err(self):
        return (self.folder / "err").read_text(errors="replace")

    @property
    def said(self):
        """What a user has before the eyes."""
        return self.out + self.err

    @property
    def children(self):
        return {pid: command for pid, command in marked(self.mark).items() if pid != self.process.pid}

    @property
    def run(self):
        """The folder of its newest run."""
        return (self.runs / "latest").resolve()

    @property
    def records(self):
        """Those that are on disk by now."""
        file = self.run / "requests.csv"
        return rows(file) if file.exists() else []

    def until(self, what, within_s=120):
        """Waits until `what` is there: a text that is printed, or a condition."""
        give_up_at = time.monotonic() + within_s
        while True:
            late = time.monotonic() > give_up_at
            ended = self.process.poll() is not None  # looked up first: what it did at its end counts
            if what in self.said if isinstance(what, str) else what():
                return
            assert not ended, f"ended with {self.process.returncode} before: {what}\n{self.said}"
            assert not late, f"not within {within_s} s: {what}\n{self.said}"
            time.sleep(0.05)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, within_s=300):
        """Its end: exit code, output, files, and what it left running."""
        try:
            code = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise AssertionError(f"not ended within {within_s} s:\n{self.said}") from None
        return Ended(code, self.out, self.err, self.runs, marked(self.mark))

    def gone(self, within_s=60):
        """Waits until nothing of it runs any more, after it was killed and could not end its children itself."""
        self.process.wait(within_s)
        give_up_at = time.monotonic() + within_s
        while left := marked(self.mark):
            assert time.monotonic() < give_up_at, left
            time.sleep(0.05)

    def kill_all(self):
        for pid in marked(self.mark):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class Ended:
    """What a command came to."""

    code: int
    out: str
    err: str
    runs: Path
    left: dict[int, str]  # processes that outlived it

    @property
    def said(self):
        return self.out + self.err

    @property
    def run(self):
        return (self.runs / "latest").resolve()

    @property
    def records(self):
        return rows(self.run / "requests.csv")

    @property
    def settings(self):
        return json.loads((self.run / "run.json").read_text())

    @property
    def verdicts(self):
        """{(pattern, claim's name): verdict}; the name is "" for a pattern without claims."""
        verdicts = json.loads((self.run / "verdicts.json").read_text())
        return {(verdict["pattern"], verdict["claim"]): verdict for verdict in verdicts}

    @property
    def answers(self):
        return {claim: verdict["answer"] for claim, verdict in self.verdicts.items()}

    @property
    def stalled(self):
        """Whether all was sent, but late: this machine's fault. Such a run rightly proves nothing."""
        if not (self.run / "run.json").exists():
            return False
        check = self.settings.get("self_check") or {}
        return bool(check.get("bottleneck")) and not check.get("not_sent")

    def served(self, pattern):
        """How many requests of a pattern each deployment answered."""
        counts = {}
        for record in self.records:
            if record["pattern"] == pattern and record["status"] == "200" and not record["error_type"]:
                counts[record["deployment"]] = counts.get(record["deployment"], 0) + 1
        return counts

    def statuses(self, consumer):
        """How many requests of a consumer ended with each HTTP status."""
        counts = {}
        for record in self.records:
            if record["consumer"] == consumer:
                counts[record["status"]] = counts.get(record["status"], 0) + 1
        return counts


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@dataclass
class Place:
    """A folder with configuration files, ports, keys and run folders of its own."""

    folder: Path
    keys: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    cwd: Path = ROOT
    _started: list[Started] = field(default_factory=list)

    @property
    def files(self):
        return {name: self.folder / f"{name}.yaml" for name in ("config", "patterns", "embedded")}

    @property
    def options(self):
        files = self.files
        return [
            "--gateway-config", str(files["config"]),
            "--patterns", str(files["patterns"]),
            "--embedded-config", str(files["embedded"]),
        ]  # fmt: skip

    def write(self, name, content):
        """A configuration file, from a text or from what it shall hold."""
        text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
        self.files[name].write_text(text)

    def read(self, name):
        return yaml.safe_load(self.files[name].read_text())

    def change(self, name, **sections):
        self.write(name, self.read(name) | sections)

    def change_consumer(self, pattern, name, **changes):
        patterns = self.read("patterns")
        patterns["patterns"][pattern]["consumers"][name] |= changes
        self.write("patterns", patterns)

    def start(self, command, within=None):
        """Starts a command; what it starts carries its mark. `within` is called in the child before the command.

        RUNS in it stands for a folder of run folders that no other command of this place has.
        """
        mark = secrets.token_hex(8)
        folder = self.folder / f"command-{len(self._started)}"
        folder.mkdir()
        runs, temporary = folder / "runs", folder / "tmp"
        temporary.mkdir()  # one that is killed leaves the embedded AWS's keys there
        command = [str(runs) if part == RUNS else part for part in command]
        own = {"PYTHONPATH": str(ROOT), "TMPDIR": str(temporary), **self.keys, **self.environment, MARK: mark}
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            process = subprocess.Popen(
                command, cwd=self.cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
                env={**inherited(), **own}, preexec_fn=within,
            )  # fmt: skip
        self._started.append(Started(process, mark, folder, runs))
        return self._started[-1]

    def start_locust(self, *arguments, within=None):
        return self.start([LOCUST, "--headless", *self.options, "--runs", RUNS, *arguments], within)

    def locust(self, *arguments):
        """A run to its end; once more, where this machine stalled while it sent.

        Only for a Locust that starts its own gateway: of another one, the first run has spent the quotas.
        """
        ended = self.start_locust(*arguments).wait()
        return self.start_locust(*arguments).wait() if ended.stalled else ended

    def start_gateway(self):
        """`python -m gateway`, ready to be used."""
        gateway = self.start([sys.executable, "-m", "gateway", *self.options, "--logs", RUNS])
        gateway.until("Ctrl-C ends it")
        return gateway

    def python(self, *arguments):
        return self.start([sys.executable, *arguments]).wait()

    def end(self):
        for started in self._started:
            started.kill_all()


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """Makes places: the shipped configuration on ports of their own. `swift` has an embedded AWS without latencies."""
    made = []

    def make(name, *, swift=True):
        folder = tmp_path_factory.mktemp(name)
        names = ("LITELLM_MASTER_KEY", "CONSUMER_A_KEY", "CONSUMER_B_KEY", "CONSUMER_C_KEY")
        new = Place(folder, keys={key: f"sk-{secrets.token_urlsafe(24)}" for key in names})
        made.append(new)
        for file in new.files.values():
            file.write_text((ROOT / "config" / file.name).read_text())
        config, embedded = new.read("config"), new.read("embedded")
        config["litellm"]["port"] = free_port()
        embedded["port"] = free_port()
        if swift:
            config["fetch"] = {"deadline_s": 60, "poll_s": 0.5}
            embedded |= SWIFT
            embedded["invocation_logging"]["delivery_delay_s"] = 0.5
            for model in embedded["models"].values():
                model.pop("latency", None)
        new.write("config", config)
        new.write("embedded", embedded)
        return new

    yield make
    for each in made:
        each.end()


@pytest.fixture(scope="session")
def main_job(place):
    """`locust --headless` on the shipped configuration: all five patterns, once."""
    here = place("main-job", swift=False)
    return here, here.locust()
