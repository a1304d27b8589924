"""Account sharding: each of two AWS accounts gets exactly the requests meant for it, and answers them all.

    uv run locust -f locustfiles/account_sharding.py --headless

Through the gateway, one deployment an AWS profile. With `route: direct` in config/patterns.yaml the same requests go
straight to Bedrock.
"""

from locust import task

from harness import GatewayUser


class AccountOneUser(GatewayUser):
    """Asks for the shard in the first account."""

    consumer = "account-one"

    @task
    def chat(self) -> None:
        self.ask()


class AccountTwoUser(GatewayUser):
    """Asks for the shard in the second account, in turn with the first."""

    consumer = "account-two"

    @task
    def chat(self) -> None:
        self.ask()
