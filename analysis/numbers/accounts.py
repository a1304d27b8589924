"""Which AWS accounts, models and model groups requests may come to, as configured."""

from __future__ import annotations

from analysis.model import Run, RunConsumer, RunDeployment


def account_of(run: Run, served_by: RunDeployment | RunConsumer) -> str | None:
    """The account that a deployment, or a consumer of the direct route, invokes in; None: STS did not say."""
    own = served_by.account_id if isinstance(served_by, RunDeployment) else None
    return own or run.aws.accounts.get(served_by.profile or "")


def accounts_of(run: Run, consumer: RunConsumer) -> set[str] | None:
    """The accounts that a consumer's requests must be invoked in, as configured; None: STS did not name them all."""
    if consumer.route == "direct":
        found = {account_of(run, consumer)}
    else:
        found = {account_of(run, deployment) for deployment in run.deployments_of(run.group_of(consumer.model))}
    known = {account for account in found if account}
    return known if known and len(known) == len(found) else None


def groups_reached(run: Run, consumer: RunConsumer) -> tuple[str, ...]:
    """The model groups that a consumer's requests may come to: the one it asks for, and those that take over for it."""
    return (run.group_of(consumer.model), *run.fallbacks_of(consumer.model)) if consumer.route == "gateway" else ()


def patterns_by_place(run: Run) -> dict[tuple[str | None, str], tuple[str, ...]]:
    """Account and bare model id → the patterns whose requests may be tried there, as configured."""
    found: dict[tuple[str | None, str], dict[str, None]] = {}
    for consumer in run.consumers:
        if consumer.route == "direct":
            places = [(account_of(run, consumer), consumer.model)]
        else:
            groups = groups_reached(run, consumer)
            places = [(account_of(run, d), d.model_id) for d in run.deployments if d.group in groups]
        for account, model in places:
            found.setdefault((account, bare(model)), {})[consumer.pattern] = None
    return {place: tuple(patterns) for place, patterns in found.items()}


def bare(model_id: str) -> str:
    """A model or profile id without what an ARN has before it: the log has either."""
    return model_id.rpartition("/")[2]


def same_model(logged: str, configured: str) -> bool:
    """By the ends of ARNs. A model's own id stands for its inference profiles too, which have a geography in front."""
    one, other = bare(logged), bare(configured)
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def other_providers(run: Run) -> set[str]:
    """The deployments that are not Bedrock's: CloudWatch has no invocation of theirs."""
    return {deployment.id for deployment in run.deployments if deployment.provider != "bedrock"}
