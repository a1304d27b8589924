"""Fallback: when the primary's quota is exhausted, every further request is answered by the fallback model.

uv run locust -f locustfiles/fallback.py --headless
"""

from locust import task

from harness import GatewayUser


class FallbackUser(GatewayUser):
    """One of those who ask the primary at the same moment: more of them than its quota allows."""

    consumer = "fallback"

    @task
    def chat(self) -> None:
        self.ask()
