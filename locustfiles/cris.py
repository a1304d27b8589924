"""Cross-Region inference: an inference profile answers every request, from more than one Region.

    uv run locust -f locustfiles/cris.py --headless

Straight to Bedrock; which Region served whom is known only to CloudWatch, and reported after the run.
"""

from locust import task

from harness import BedrockUser


class CrisUser(BedrockUser):
    """One of those who ask the inference profile at the same moment."""

    consumer = "cris"

    @task
    def converse(self) -> None:
        self.ask()
