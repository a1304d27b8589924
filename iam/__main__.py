"""python -m iam: the policies of this folder, filled in for a configuration and an account."""

from __future__ import annotations

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import botocore.session
import click
from botocore.exceptions import BotoCoreError

from common import least_privilege
from common.yaml_file import ConfigError
from gateway.litellm.config import Config, ModelEntry, load_config
from harness.settings import patterns_file
from harness.settings.consumers import all_resolved
from harness.settings.patterns import Patterns, load_patterns

# Who may assume a role, by ARN: a user or role, with its path; all of an account; or a role's session.
# Source: IAM User Guide, "IAM identifiers" and "AWS JSON policy elements: Principal": no wildcard stands for a part.
_PRINCIPAL = re.compile(
    r"(?!.*[*?])arn:aws(-[a-z]+)*:"
    r"(iam::\d{12}:(root|(user|role)/([!-~]+/)?[\w+=,.@-]+)|sts::\d{12}:assumed-role/[\w+=,.@-]+/[\w+=,.@-]+)",
    re.ASCII,
)


class Unusable(click.ClickException):
    """A configuration that no policy can be made for; ends like a wrong option."""

    exit_code = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Print the IAM policies under which the harness works, filled in for your configuration."""


@main.command()
@click.option("--account", required=True, help="The principal's AWS account id, twelve digits.")
@click.option(
    "--gateway-config", "--config", "config_path", type=click.Path(path_type=Path), help="Default: config/config.yaml."
)
@click.option(
    "--patterns", "patterns_path", type=click.Path(path_type=Path), help="Default: what fits --gateway-config."
)
@click.option("--profile", default="primary", show_default=True, help="primary, secondary, or an AWS profile's name.")
@click.option("--role", help="For this role, which deployments name as aws_role_name, instead of a profile.")
def render(account: str, config_path: Path | None, patterns_path: Path | None, profile: str, role: str | None) -> None:
    """The identity policy: attach it to the profile's user or role."""
    if not (account.isascii() and account.isdigit() and len(account) == 12):
        raise click.BadParameter(f"{account!r} is not an AWS account id: it has twelve digits.", param_hint="--account")
    try:
        config, patterns = _read(config_path or patterns_file.SHIPPED_GATEWAY, patterns_path)
        if role is not None:
            uses, roles = role_uses(config, role), []
        else:
            aliases = {"primary": config.profile, "secondary": config.aws.secondary_profile_name or "secondary"}
            name = aliases.get(profile, profile)
            uses, roles = profile_uses(config, patterns, name), assumed_roles(config, _aws_profiles(), name)
        if not uses and not roles:
            raise Unusable(f"{role or name} is not used by the configuration: there is nothing to allow.")
        policy = least_privilege.policy(
            account_id=account, log_group=config.aws.bedrock_log_group_name, uses=uses, role_arns=roles
        )
    except (ConfigError, ValueError) as error:
        raise Unusable(str(error)) from None
    click.echo(json.dumps(policy, indent=2))


@main.command()
@click.option("--principal", required=True, help="The ARN of the user or role that assumes the role.")
def trust(principal: str) -> None:
    """The trust policy of a role in another account."""
    if not _PRINCIPAL.fullmatch(principal):
        raise click.BadParameter(
            f"{principal!r} is not the ARN of a user or role, such as arn:aws:iam::111111111111:user/load-test.",
            param_hint="--principal",
        )
    click.echo(json.dumps(least_privilege.trust_policy(principal), indent=2))


def _read(gateway_config: Path, patterns: Path | None) -> tuple[Config, Patterns]:
    """As a run reads them. Raises ConfigError."""
    with TemporaryDirectory() as made:
        file = patterns_file.choose(patterns, gateway_config, Path(made), lambda _: None)
        config = load_config(gateway_config, beside=file)
        return config, load_patterns(file, config)


def profile_uses(config: Config, patterns: Patterns, profile: str) -> list[tuple[str, str]]:
    """Source Region and model id of what an AWS profile's own credentials call: deployments, and the direct route."""
    uses = [
        _use(config, entry)
        for entry in config.model_list
        if _is_bedrock(entry) and entry.litellm_params.aws_role_name is None and _profile(config, entry) == profile
    ]
    uses += [
        (consumer.region, consumer.model)
        for consumer in all_resolved(config, patterns)
        if consumer.route == "direct" and consumer.profile == profile
    ]
    return list(dict.fromkeys(uses))


def role_uses(config: Config, role_arn: str) -> list[tuple[str, str]]:
    """What LiteLLM calls after it has assumed a role."""
    return list(
        dict.fromkeys(
            _use(config, entry) for entry in config.model_list if entry.litellm_params.aws_role_name == role_arn
        )
    )


def assumed_roles(config: Config, aws_profiles: dict[str, dict[str, Any]], profile: str) -> list[str]:
    """The roles that a profile assumes: for the configuration's other profiles, and in LiteLLM's deployments."""
    used = [config.profile, config.aws.secondary_profile_name or ""]
    used += [_profile(config, entry) for entry in config.model_list]
    roles = [
        aws_profiles[name].get("role_arn")
        for name in used
        if name in aws_profiles and aws_profiles[name].get("source_profile") == profile
    ]
    roles += [entry.litellm_params.aws_role_name for entry in config.model_list if _profile(config, entry) == profile]
    return [role for role in dict.fromkeys(roles) if role is not None]


def _is_bedrock(entry: ModelEntry) -> bool:
    return entry.is_bedrock and not entry.name.wildcard


def _use(config: Config, entry: ModelEntry) -> tuple[str, str]:
    return entry.region or config.region, entry.bedrock_model_id


def _profile(config: Config, entry: ModelEntry) -> str:
    return entry.profile or config.profile


def _aws_profiles() -> dict[str, dict[str, Any]]:
    """The AWS configuration files' profiles, read as boto3 reads them."""
    try:
        profiles: dict[str, dict[str, Any]] = botocore.session.Session().full_config["profiles"]
    except BotoCoreError as error:
        raise Unusable(f"The AWS configuration files cannot be read: {error}") from None
    return profiles


if __name__ == "__main__":
    main()
