"""Load balancing: each primary serves up to its quota, and the fallback what is over both.

uv run locust -f locustfiles/load_balancing.py --headless
"""

from locust import task

from harness import GatewayUser


class LoadBalancedUser(GatewayUser):
    """One of those who ask the balanced group at the same moment."""

    consumer = "load-balanced"

    @task
    def chat(self) -> None:
        self.ask()
