"""Everything a run needs on the far side of the HTTP call: started as far as it is missing, and ended again."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from common.interruption import uninterrupted
from common.loopback import bypass_proxies, listening
from common.places import CONFIG_DIR
from common.process import Child, ChildError
from common.yaml_file import ConfigError
from gateway import aws, keys
from gateway.keys import MASTER_KEY, KeyTable
from gateway.litellm import process as proxy
from gateway.litellm.config import Config, load_config

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

    def __init__(self, files: Files, aws_option: str | None = None) -> None:
        self.files = files
        self.config: Config = load_config(files.config)
        self.evidence = aws.choose(self.config, aws_option)
        self.keys: dict[str, str] = {}
        self.accounts: dict[str, str] = {}
        self.url = f"http://{proxy.HOST}:{self.config.litellm.port}"
        self.gateway: Child | None = None
        self.warm_ups = 0
        self.prices: dict[str, tuple[float | None, float | None]] = {}
        self._aws: Child | None = None
        self._directory: Path | None = None

    def start(
        self,
        logs: Path,
        say: Say,
        *,
        keys_of: KeyTable,
        groups: Collection[str],
        profiles: Mapping[str, str] | None = None,
        url: str | None = None,
        with_gateway: bool = True,
    ) -> None:
        """Brings up the AWS and, where a pattern needs it, the gateway; with `url`, the gateway that runs there.

        `keys_of` are the consumers' keys, `groups` the model groups that they ask, `profiles` the AWS profiles that
        they use themselves, by where these are named.

        Raises ConfigError or ChildError; then everything started so far has been ended.
        """
        bypass_proxies(url or self.url)  # as Locust's users do
        try:
            self._directory = Path(tempfile.mkdtemp(prefix="gateway-"))
            self._start_aws(say, profiles or {})
            if with_gateway:
                self.keys = keys.find_or_make((MASTER_KEY, *keys_of), os.environ)
                self._start_gateway(logs, say, keys_of, groups, url)
                self.prices = proxy.prices(self.url, self.keys[MASTER_KEY])
        except BaseException:
            self.stop()
            raise

    def _start_aws(self, say: Say, profiles: Mapping[str, str]) -> None:
        assert self._directory is not None
        if self.evidence == "embedded":
            say("Starting the embedded AWS")
            port = aws.configured_port(self.files.embedded)
            if (environment := aws.environment_of(port)) is not None:
                say("It is running already, and is used as it is")
            else:
                with uninterrupted():
                    self._aws = aws.start_embedded(self.files.embedded, port, self._directory)
                try:
                    environment = self._aws.wait_until(partial(aws.environment_of, port), aws.START_DEADLINE_S)
                except ChildError:
                    if problem := self._aws.usage_error:
                        raise ConfigError(problem) from None
                    raise
            aws.use(environment)
        else:
            say("Using the real AWS, where every request costs money")
        self.accounts = aws.account_ids(self.config, profiles)

    def _start_gateway(self, logs: Path, say: Say, table: KeyTable, groups: Collection[str], url: str | None) -> None:
        assert self._directory is not None
        own, self.url = self.url, (url or self.url).rstrip("/")
        if proxy.answers(self.url):
            proxy.check_accepts(self.url, self.keys, groups)
            say(f"Using the gateway that runs at {self.url}")
            return
        if self.url != own:
            raise ConfigError(f"--host {url}: no LiteLLM proxy answers there. Start it, or leave --host out.")
        if listening(proxy.HOST, self.config.litellm.port):
            raise ConfigError(
                f"litellm.port: port {self.config.litellm.port} is in use by something that is not a LiteLLM proxy. "
                "End that, or set another port in config.yaml."
            )
        log = logs / "litellm.log"
        try:
            logs.mkdir(parents=True, exist_ok=True)
            log.open("ab").close()
        except OSError as error:
            raise ConfigError(
                f"{log}: the gateway's log cannot be written there: {error.strerror}. "
                "Remove what is in its place, or name another folder."
            ) from None
        say(f"Starting the gateway (LiteLLM), its log is {log}")
        with uninterrupted():
            self.gateway = proxy.start(self.config, self.files.config, table, self.keys, self._directory, log)
        self.gateway.wait_until(partial(proxy.answers, self.url), proxy.START_DEADLINE_S)
        say("Warming up")
        self.warm_ups = proxy.warm_up(self.config, self.keys)

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
