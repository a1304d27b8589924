"""What ours is compared with: Locust's FastHttpUser sending the same request, and nothing read of the answer."""

import os

from locust import FastHttpUser, constant, task

HEADERS = {"Authorization": f"Bearer {os.environ['LITELLM_MASTER_KEY']}"}
BODY = {
    "model": "load",
    "messages": [{"role": "user", "content": "Hi!"}],
    "max_tokens": 64,
    "requestMetadata": {"run": "bare"},
}


class BareUser(FastHttpUser):
    wait_time = constant(0)

    @task
    def chat(self) -> None:
        self.client.post("/v1/chat/completions", json=BODY, headers=HEADERS)
