"""Bad input ends with exit code 2 and a text that names what is wrong and says what to do; nothing is left running."""

import http.server
import resource
import shutil
import socketserver
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import rows

CASES = {}  # name → (what to change about a place, more arguments, what must be said)


def case(*arguments, says, locustfile="fallback"):
    def add(change):
        CASES[change.__name__] = (change, ["-f", f"locustfiles/{locustfile}.py", *arguments], says)
        return change

    return add


def replaced(here, name, good, bad):
    text = here.files[name].read_text()
    assert good in text
    here.files[name].write_text(text.replace(good, bad, 1))


@case(says=["config.yaml: there is no such file", "Name another one"])
def missing_configuration_file(here):
    here.files["config"].unlink()


@case(says=["patterns.yaml: cannot be read"])
def unreadable_configuration_file(here):
    here.files["patterns"].unlink()
    here.files["patterns"].mkdir()


@case(says=["patterns.yaml:3: is not valid YAML"])
def yaml_syntax_error(here):
    here.write("patterns", "seed: 1\nprompt:\n\ttext: Hi!\n")


@case(says=["config.yaml:", "fetch.deadlin_s: is not a known key; did you mean 'deadline_s'?"])
def unknown_key(here):
    here.change("config", fetch={"deadlin_s": 5})


@case(says=["config.yaml:", "litellm.port: input should be a valid integer, not 'many'"])
def wrong_type(here):
    here.change("config", litellm={"port": "many"})


@case(says=["config.yaml:", "litellm_params.rpm: input should be greater than or equal to 1, not 0"])
def rpm_of_0(here):
    replaced(here, "config", "rpm: 3", "rpm: 0")


@case(says=["patterns.yaml:", "consumers.fallback.model: is 'primary', which is not a model group of config.yaml"])
def consumer_of_nothing(here):
    replaced(here, "patterns", "model: fallback-primary", "model: primary")


@case("--aws", "live", locustfile="cris", says=["aws.profile_name", "'account-one' does not exist (there is: none)"])
def missing_profile(here):
    """On the real AWS; on the embedded one every profile exists that is named."""


@case("-f", "{folder}/lost.py", says=["User class Lost has no `consumer`. Name the one of the patterns file"])
def user_class_without_a_consumer(here):
    (here.folder / "lost.py").write_text(
        "from locust import task\nfrom harness import GatewayUser\n\n\n"
        "class Lost(GatewayUser):\n    @task\n    def chat(self):\n        self.ask()\n"
    )


@case(says=["litellm.port: port", "in use by something that is not a LiteLLM proxy", "set another port"])
def gateways_port_in_use(here):
    here.change("config", litellm={"port": here.occupied})


@case(locustfile="cris", says=["embedded.yaml: port:", "in use by something that is not the embedded AWS"])
def embedded_aws_port_in_use(here):
    here.change("embedded", port=here.occupied)


@case(says=["litellm.port: port", "in use by something that is not a LiteLLM proxy", "set another port"])
def gateways_port_speaks_no_http(here):
    here.change("config", litellm={"port": here.speaks_no_http})


@case(locustfile="cris", says=["embedded.yaml: port:", "in use by something that is not the embedded AWS"])
def embedded_aws_port_speaks_no_http(here):
    here.change("embedded", port=here.speaks_no_http)


@case("--host", "http://127.0.0.1:abc", says=["--host http://127.0.0.1:abc: no LiteLLM proxy answers there. Start it"])
def host_that_is_no_url(here):
    pass


@case("--host", "http://127.0.0.1:1", says=["--host http://127.0.0.1:1: no LiteLLM proxy answers there. Start it"])
def nobody_at_host(here):
    pass


@case("-u", "3", says=["-u 3: the configured consumers have 10 fixed users in all", "patterns.yaml"])
def more_fixed_users_than_u(here):
    pass


@case("--traffic", "rush", says=["--traffic rush: patterns.fallback.consumers.fallback has no traffic of that name"])
def unknown_traffic(here):
    pass


@case(says=["patterns.yaml:", "rate_per_s: must be a number greater than 0"])
def rate_of_0(here):
    replaced(here, "patterns", "kind: burst, requests: 10", "kind: constant, rate_per_s: 0, duration_s: 1")


@case(says=["trace.csv:3: 1 comes after 2; a trace ascends from 0. Sort it."])
def trace_out_of_order(here):
    trace = here.folder / "trace.csv"
    trace.write_text("seconds\n2\n1\n")
    here.change_consumer("fallback", "fallback", traffic={"demo": {"kind": "trace", "file": str(trace)}})


@case(says=["prompts.jsonl:2: is not a message list. A line holds"])
def prompts_that_are_none(here):
    prompts = here.folder / "prompts.jsonl"
    prompts.write_text('[{"role": "user", "content": "Hi"}]\n"Hi"\n')
    here.change("patterns", prompt={"file": str(prompts)})


@case("--runs", "/dev/null", locustfile="cris", says=["/dev/null: run folders cannot be written there", "--runs"])
def runs_folder_that_cannot_be_written(here):
    pass


@case("--runs", "{folder}/mine", says=["mine/logs/litellm.log: the gateway's log cannot be written there: "])
def log_that_cannot_be_written(here):
    (here.folder / "mine" / "logs" / "litellm.log").mkdir(parents=True)


@case(says=["LiteLLM ended with code", "The end of", "litellm.log:\n  | ", "no_such_module"])
def gateway_that_dies_at_start(here):
    here.change("config", litellm_settings={"callbacks": "no_such_module.handler"})


@pytest.fixture(scope="module")
def occupied():
    """The port of a server that is neither a gateway nor AWS."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, args=(0.05,)).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


class Banner(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


@pytest.fixture(scope="module")
def speaks_no_http():
    """The port of a server that speaks first, and something else."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Banner)
    threading.Thread(target=server.serve_forever, args=(0.05,)).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def ended(place, occupied, speaks_no_http):
    """Two at a time, for a core each."""

    places = {name: place(name) for name in CASES}
    for name, here in places.items():
        here.occupied, here.speaks_no_http = occupied, speaks_no_http
        change, *_ = CASES[name]
        change(here)
    with ThreadPoolExecutor(2) as pool:
        runs = {
            name: pool.submit(here.locust, *(part.format(folder=here.folder) for part in CASES[name][1]))
            for name, here in places.items()
        }
    return {name: run.result() for name, run in runs.items()}


@pytest.mark.parametrize("name", CASES)
def test_is_told_and_ends_with_2(ended, name):
    each = ended[name]
    assert each.code == 2, each.said
    for part in CASES[name][2]:
        assert part in each.err
    assert "Traceback" not in each.said
    assert not each.runs.is_dir() or not list(each.runs.glob("*/requests.csv")), "something was sent"
    assert each.left == {}


def test_what_nobody_thought_of_is_no_claim_that_fails(place):
    """Locust's own exit code for it is 1."""
    here = place("unthought-of")
    locustfile = here.folder / "broken.py"
    locustfile.write_text(
        "from gateway.stack import Stack\nfrom locustfiles.cris import *\n\n\n"
        "def start(*args, **kwargs):\n    raise RuntimeError('the sky fell')\n\n\nStack.start = start\n"
    )
    ended = here.locust("-f", str(locustfile))
    assert ended.code == 2, ended.said
    assert "Traceback" in ended.err
    assert "RuntimeError: the sky fell" in ended.err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (shutil.rmtree, "no such"),
        (lambda run: (run / "run.json").unlink(), "run.json"),
        (lambda run: cut(run / "requests.csv", 0), "requests.csv"),
        (lambda run: cut(run / "requests.csv", 0.5), "requests.csv"),
        (lambda run: cut(run / "locust_stats.csv", 0), "locust_stats.csv"),
        (lambda run: (run / "run.json").write_text("{"), "run.json"),
    ],
    ids=[
        "no folder",
        "no run.json",
        "empty records",
        "truncated records",
        "empty Locust statistics",
        "broken run.json",
    ],
)
def test_a_run_folder_that_cannot_be_judged_is_told(place, main_job, tmp_path, change, says):
    here, job = main_job
    run = tmp_path / "run"
    shutil.copytree(job.run, run)
    change(run)
    judged = here.python("-m", "analysis", "judge", str(run))
    assert judged.code == 2, judged.said
    assert says in judged.err.lower() or says in judged.err
    assert str(run) in judged.err.replace("\n", "")
    assert "Traceback" not in judged.said


def cut(file, share):
    """Leaves so much of it, in the middle of a line."""
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share) + (3 if share else 0)])


def test_a_disk_that_fills_up_ends_the_run_and_keeps_what_was_recorded(place):
    """No file may grow over 60 kB: requests.csv does, in the middle of the run."""
    here = place("full-disk")
    traffic = {"demo": {"kind": "constant", "rate_per_s": 100, "duration_s": 20}}
    here.change_consumer("cris", "cris", traffic=traffic)
    limit = 60_000
    ended = here.start_locust(
        "-f", "locustfiles/cris.py", within=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    ).wait()
    assert ended.code == 2, ended.said
    assert "requests.csv: File too large. The run was stopped" in ended.err
    assert "Traceback" not in ended.said
    assert ended.left == {}
    kept = (ended.run / "requests.csv").read_bytes()
    assert limit - 1000 < len(kept) <= limit
    assert kept.endswith(b"\n")  # whole lines, that can be judged
    assert 100 < len(rows(ended.run / "requests.csv")) < 1000
