"""Which AWS the gateway and the harness talk to: the real one, or the embedded one. Only the environment differs."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from common.loopback import NO_ANSWER, listening
from common.process import Child
from common.yaml_file import ConfigError, load
from gateway.litellm.config import Config

Evidence = Literal["aws", "embedded"]

HOST = "127.0.0.1"
START_DEADLINE_S = 60.0
# Of the AWS_* variables only these say nothing about where requests go or who sends them.
HARMLESS = {"AWS_CA_BUNDLE", "AWS_PAGER"}


class _Port(BaseModel):
    """Of embedded.yaml only where it listens; all else is the embedded AWS's own to judge."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)
    port: Annotated[int, Field(ge=0, le=65_535)] = 0


def choose(config: Config, option: str | None) -> Evidence:
    """`--aws embedded|live` decides, else aws.endpoint. Raises ConfigError where the real AWS's Region is not known."""
    chosen = option or config.aws.endpoint or "live"
    if chosen == "live" and not config.region_said:
        raise ConfigError(
            f"{config.document.path}: no AWS Region is named. Set aws.region_name, a deployment's aws_region_name, or "
            "the environment variable AWS_REGION."
        )
    return "embedded" if chosen == "embedded" else "aws"


def configured_port(embedded_config: Path) -> int:
    """Where the embedded AWS is looked for. Raises ConfigError, also for 0, which is a port unknown beforehand."""
    port = load(embedded_config, _Port).port
    if not port:
        raise ConfigError(f"{embedded_config}: port: must be given, so that what uses the embedded AWS finds it.")
    return port


def start_embedded(embedded_config: Path, port: int, directory: Path) -> Child:
    """An embedded AWS that is coming up. Raises ConfigError when its port is taken by something else."""
    if listening(HOST, port):
        raise ConfigError(
            f"{embedded_config}: port: {port} is in use by something that is not the embedded AWS. "
            "End that, or set another port."
        )
    state = directory / "aws"
    state.mkdir(mode=0o700)
    command = [
        sys.executable, "-m", "embedded_aws", "--lifeline",
        "--port", str(port), "--config", str(embedded_config), "--state", str(state),
    ]  # fmt: skip
    return Child("The embedded AWS", command, without_aws(os.environ), directory / "embedded_aws.log", directory)


def environment_of(port: int) -> dict[str, str] | None:
    """What an embedded AWS on that port says of itself; None when none answers."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/_embedded/health", timeout=2) as answer:
            health = json.load(answer)
    except NO_ANSWER:
        return None
    environment = health.get("environment") if isinstance(health, dict) else None
    return environment if isinstance(environment, dict) and health.get("ready") else None


def without_aws(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without anything that could send a request to the real AWS, or sign one for it."""
    return {
        name: value for name, value in environment.items() if not name.startswith("AWS_") or name in HARMLESS
    }  # fmt: skip


def use(environment: Mapping[str, str]) -> None:
    """Makes this process, and all that it starts, talk to the embedded AWS and to nothing else."""
    for name in [name for name in os.environ if name not in without_aws(os.environ)]:
        del os.environ[name]
    os.environ.update(environment)


@dataclass(frozen=True)
class Furnished:
    """`environment` leads to the embedded AWS. It holds all that was needed but for `unanswered` models."""

    environment: dict[str, str]
    unanswered: tuple[str, ...]


def furnish(port: int, wanted: Mapping[str, Any], where: Callable[[str], str | None]) -> Furnished:
    """Has the embedded AWS hold what a configuration needs. `where` says where it names something.

    Raises ConfigError for what cannot be.
    """
    request = urllib.request.Request(f"http://{HOST}:{port}/_embedded/needs", data=json.dumps(wanted).encode())
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = json.load(answer)
            return Furnished(content["environment"], tuple(content.get("unanswered", ())))
    except urllib.error.HTTPError as error:
        content = _json_of(error.read())
        problem = content.get("error", f"HTTP {error.code}")
        if place := where(str(content.get("about"))):
            raise ConfigError(f"{place}: {problem}") from None
        raise ConfigError(f"The embedded AWS cannot be what the configuration needs: {problem}") from None
    except NO_ANSWER as error:
        raise ConfigError(f"The embedded AWS did not take what the configuration needs: {error}") from None


def _json_of(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def account_ids(profiles: Mapping[str, str], region: str) -> dict[str, str]:
    """Profile → account id, as STS says. `profiles`: where it is named → its name. Raises ConfigError."""
    import boto3
    from botocore.config import Config as BotoConfig
    from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound

    accounts: dict[str, str] = {}
    for key, profile in profiles.items():
        if profile in accounts:
            continue
        try:
            session = boto3.Session(profile_name=profile, region_name=region)
            sts = session.client("sts", config=BotoConfig(connect_timeout=5, read_timeout=10))
            accounts[profile] = sts.get_caller_identity()["Account"]
        except ProfileNotFound:
            known = ", ".join(boto3.Session().available_profiles) or "none"
            raise ConfigError(
                f"{key}: the AWS profile {profile!r} does not exist (there is: {known}). "
                "Name one of these, or add it to the AWS configuration file."
            ) from None
        except (BotoCoreError, ClientError) as error:
            raise ConfigError(f"{key}: AWS does not accept the profile {profile!r}: {error}") from None
    return accounts
