"""Everything a run needs on the far side of the HTTP call: started as far as it is missing, and ended again."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from common.interruption import uninterrupted
from common.loopback import bypass_proxies, listening
from common.places import CONFIG_DIR
from common.process import Child, ChildError
from common.yaml_file import ConfigError, keys_of
from gateway import aws, keys
from gateway.demand import Demand
from gateway.keys import MASTER_KEY
from gateway.litellm import environment, rendering, warnings
from gateway.litellm import process as proxy
from gateway.litellm.config import Config, load_config
from gateway.litellm.containment import Refused, contain
from gateway.litellm.containment.change import Change
from gateway.litellm.environment import PREFIX
from gateway.needs import named_at, needs

Say = Callable[[str], None]


@dataclass(frozen=True)
class Files:
    """The configuration files, as they were named."""

    config: Path = CONFIG_DIR / "config.yaml"
    embedded: Path = CONFIG_DIR / "embedded.yaml"


class Stack:
    """The chosen AWS and the gateway in front of it.

    What already runs is used and left alone; what `start` started, `stop` ends. The constructor only reads files.
    """

    def __init__(self, files: Files, aws_option: str | None = None, *, beside: Path | None = None) -> None:
        self.files = files
        self.config: Config = load_config(files.config, beside=beside)
        self.evidence = aws.choose(self.config, aws_option)
        self.keys: dict[str, str] = {}
        self.accounts: dict[str, str] = {}
        self.changes: tuple[Change, ...] = ()  # what LiteLLM does not get as the file says it
        self.url = f"http://{proxy.HOST}:{self.config.litellm.port}"
        self.gateway: Child | None = None
        self.any_key = False  # whether the gateway that we started takes any key
        self.warm_ups = 0
        self.prices: dict[str, tuple[float | None, float | None]] = {}
        self._file: dict[str, Any] = rendering.litellm_file(self.config)
        self._environment: dict[str, str | None] = {}
        self._profiles: tuple[str, ...] = ()  # those that stand in the place of credentials
        self._unanswered: tuple[str, ...] = ()  # Bedrock's models that the embedded AWS does not answer for
        self._aws: Child | None = None
        self._directory: Path | None = None

    def start(self, logs: Path, say: Say, demand: Demand, *, url: str | None = None) -> None:
        """Brings up the AWS and, where it is asked for, the gateway; with `url`, the gateway that runs there.

        Raises ConfigError or ChildError; then everything started so far has been ended.
        """
        bypass_proxies(url or self.url)  # as Locust's users do
        for warning in self.config.warnings():
            say(f"Warning: {warning}")
        try:
            self._directory = Path(tempfile.mkdtemp(prefix="gateway-"))
            self._start_aws(say, demand)
            if demand.with_gateway:
                self.keys = self._all_keys(demand)
                self._start_gateway(logs, say, demand, url)
                self.prices = proxy.prices(self.url, self.keys[MASTER_KEY])
                if self.gateway and self.prices:
                    for warning in warnings.left_out(self.config.document, self.config.deployments(), self.prices):
                        say(f"Warning: {warning}; its log, {self.gateway.log}, says why")
        except BaseException:
            self.stop()
            raise

    def _all_keys(self, demand: Demand) -> dict[str, str]:
        """Variable → key. The master key is the file's own, where it has one."""
        written = self.config.master_key
        if written is None:
            return keys.find_or_make((MASTER_KEY, *demand.keys), os.environ)
        if not written.startswith(PREFIX):
            return {**keys.find_or_make(demand.keys, os.environ), MASTER_KEY: written}
        variable = written.removeprefix(PREFIX)
        found = keys.find_or_make((variable, *demand.keys), os.environ)
        return {**found, MASTER_KEY: found[variable]}

    def _start_aws(self, say: Say, demand: Demand) -> None:
        if self.evidence == "embedded":
            self._start_embedded(say, demand)
        else:
            say("Using the real AWS, where every request costs money")
        config = self.config
        named = {
            f"model_list[{position}].litellm_params.aws_profile_name": entry.profile
            for position, entry in enumerate(config.model_list)
            if entry.is_bedrock and entry.profile
        }
        sections = {"aws.profile_name": config.profile}
        if config.aws.secondary_profile_name:
            sections["aws.secondary_profile_name"] = config.aws.secondary_profile_name
        stand_for_keys = {f"the profile of {name}": name for name in self._profiles}
        profiles = {**sections, **named, **demand.profiles, **stand_for_keys}
        self.accounts = aws.account_ids(profiles, config.region)

    def _start_embedded(self, say: Say, demand: Demand) -> None:
        assert self._directory is not None
        if not self.config.aws_said:
            say("Nothing says which AWS is meant, so it is the embedded one (--aws live means the real one)")
        say("Starting the embedded AWS")
        port = aws.configured_port(self.files.embedded)
        if aws.environment_of(port) is not None:
            say("It is running already, and is used as it is")
        else:
            with uninterrupted():
                self._aws = aws.start_embedded(self.files.embedded, port, self._directory)
            try:
                self._aws.wait_until(partial(aws.environment_of, port), aws.START_DEADLINE_S)
            except ChildError:
                if problem := self._aws.usage_error:
                    raise ConfigError(problem) from None
                raise
        base_url, variables = f"http://{aws.HOST}:{port}", environment.variables(self.config.raw, os.environ)
        try:
            contained = contain(self._file, base_url, self.config.profile, self.config.region, variables)
        except Refused as refused:
            document = self.config.document
            lines = (f"{document.where(keys_of(where))}: {problem}" for where, problem in refused.refusals)
            raise ConfigError("\n".join(lines)) from None
        self._file, self._environment, self.changes = contained.file, contained.environment, contained.changes
        self._profiles = contained.profiles
        wanted = needs(self.config, self._file["model_list"], contained.profiles, demand)
        furnished = aws.furnish(port, wanted, partial(named_at, self.config))
        self._unanswered = furnished.unanswered
        for model in furnished.unanswered:
            where = named_at(self.config, model) or "The configuration"
            say(f"Warning: {where}: the embedded AWS does not answer for {model!r}: only for chats and embeddings")
        aws.use(furnished.environment)

    def _start_gateway(self, logs: Path, say: Say, demand: Demand, url: str | None) -> None:
        own, self.url = self.url, (url or self.url).rstrip("/")
        if proxy.answers(self.url):
            proxy.check_accepts(self.url, self.keys, demand.groups)
            say(f"Using the gateway that runs at {self.url}")
            self.changes = ()
            return
        if self.url != own:
            raise ConfigError(f"--host {url}: no LiteLLM proxy answers there. Start it, or leave --host out.")
        if listening(proxy.HOST, self.config.litellm.port):
            raise ConfigError(
                f"litellm.port: port {self.config.litellm.port} is in use by something that is not a LiteLLM proxy. "
                "End that, or set another port in config.yaml."
            )
        log = _log_in(logs)
        if self.changes:
            say(
                f"So that nothing leaves the machine, {_count(len(self.changes), 'setting')} of {self.files.config} "
                f"{'is' if len(self.changes) == 1 else 'are'} changed"
            )
        say(f"Starting the gateway (LiteLLM), its log is {log}")
        with uninterrupted():
            self.gateway = self._launch(demand, log)
        self.gateway.wait_until(partial(proxy.answers, self.url), proxy.START_DEADLINE_S)
        say("Warming up")
        groups = rendering.warm_up_groups(self.config, self._unanswered)
        try:
            self.warm_ups = proxy.warm_up(self.config.litellm.port, groups, self.keys[MASTER_KEY], say)
        except ConfigError as error:
            if not self.config.custom_auth:  # which may take other keys than ours, so this says nothing of the file
                raise
            say(f"Warning: {error}")

    def _launch(self, demand: Demand, log: Path) -> Child:
        assert self._directory is not None
        # LiteLLM itself takes any key where none is configured: neither in its file, nor in the environment, nor by us.
        configured = self.config.custom_auth or self.config.master_key or os.environ.get(MASTER_KEY) or demand.keys
        self.any_key = not configured
        settings = proxy.Settings(
            file=rendering.with_warm_ups(self._file, self.config, self._unanswered),
            port=self.config.litellm.port,
            modules=self.files.config.resolve().parent,
            table=demand.keys,
            keys=self.keys,
            any_key=self.any_key,
            guarded=self.evidence == "embedded",
            environment=self._environment,
        )
        return proxy.start(settings, self._directory, log)

    def profile_of(self, deployment: str) -> str | None:
        """The AWS profile with which LiteLLM calls a deployment of Bedrock's; None for another provider's."""
        for (name, entry), written in zip(self.config.deployments(), self._file["model_list"], strict=True):
            if name == deployment and entry.is_bedrock:
                return str(written["litellm_params"].get("aws_profile_name") or self.config.profile)
        return None

    def log_size(self) -> int | None:
        """How long the log of our gateway is now; None where the gateway is not ours."""
        return self.gateway.log.stat().st_size if self.gateway else None

    def requests_seen(self, after: int | None) -> int | None:
        """How many requests our gateway has answered since its log was so long, by its own account."""
        return proxy.chats_logged(self.gateway.log, after) if self.gateway and after is not None else None

    def trouble(self) -> str | None:
        """What happened to a child of ours that should be running and is not."""
        for child in (self.gateway, self._aws):
            if child and not child.alive:
                return f"{child.name} died during the run{child.last_words()}"
        return None

    def stop(self) -> None:
        """Ends what was started here, the gateway first."""
        for child in (self.gateway, self._aws):
            if child:
                child.stop()
        self.gateway = self._aws = None
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)


def _log_in(logs: Path) -> Path:
    """The gateway's log, which can be written. Raises ConfigError."""
    log = logs / "litellm.log"
    try:
        logs.mkdir(parents=True, exist_ok=True)
        log.open("ab").close()
    except OSError as error:
        raise ConfigError(
            f"{log}: the gateway's log cannot be written there: {error.strerror}. "
            "Remove what is in its place, or name another folder."
        ) from None
    return log


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
