"""Quota isolation: a consumer that exhausts its quota is rate-limited, and its neighbours on the model feel nothing.

    uv run locust -f locustfiles/quota_isolation.py --headless

Each consumer has a key of its own; the quotas are the keys'.
"""

from locust import task

from harness import GatewayUser


class ConsumerA(GatewayUser):
    """The noisy neighbour: asks for more than its quota."""

    consumer = "A"

    @task
    def chat(self) -> None:
        self.ask()


class ConsumerB(GatewayUser):
    """Stays within its quota, and must be answered."""

    consumer = "B"

    @task
    def chat(self) -> None:
        self.ask()


class ConsumerC(GatewayUser):
    """Stays within its quota, and must be answered."""

    consumer = "C"

    @task
    def chat(self) -> None:
        self.ask()
