"""What the load benchmarks run: our user, as a pattern's locustfile has it."""

from locust import task

from harness import GatewayUser


class LoadUser(GatewayUser):
    """Asks what the benchmark's patterns.yaml says, when it says so."""

    consumer = "load"

    @task
    def chat(self) -> None:
        self.ask()
