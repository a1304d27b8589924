"""Run as a program by test_contained_providers: LiteLLM asks each deployment of a contained file, under the guard.

Each provider that is answered here has a deployment; after them each is asked for by name, as through the wildcard `*`,
with some that are not. Writes a JSON object a request: how and whom it asked, the answer or the error, the hosts that
the guard refused, and the paths that were asked, with which keys.
"""

import asyncio
import contextlib
import http.server
import io
import json
import os
import threading

from gateway.litellm import connect_guard
from gateway.litellm.containment import contain
from gateway.litellm.containment.provider_table import PATHS

REAL_KEY = "sk-real-key"
KEY_HEADERS = ("authorization", "x-api-key", "api-key")
CHAT = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "x", "service_tier": "default",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}  # fmt: skip
MESSAGE = {
    "id": "m", "type": "message", "role": "assistant", "model": "x", "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1},
}  # fmt: skip
asked = []


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        asked.append([self.path.partition("?")[0], [self.headers[name] for name in KEY_HEADERS if self.headers[name]]])
        body = json.dumps(MESSAGE if self.path.endswith("/messages") else CHAT).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *args):
        pass


async def ask(litellm, params):
    asked.clear()
    connect_guard._reported.clear()
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            answer = await litellm.acompletion(
                **params, messages=[{"role": "user", "content": "hi"}], max_retries=0, timeout=20
            )
            became = answer.choices[0].message.content
        except Exception as error:
            became = f"{type(error).__name__}: {error}"[:300]
    refused = connect_guard.refused(said.getvalue())
    return {"model": params["model"], "became": became, "asked": list(asked), "refused": refused}


def contained(base_url):
    """Deployments with addresses and keys of their own, and a wildcard, contained; the environment is changed too."""
    names = [f"{provider}/some-model" for provider in PATHS] + ["*"]
    params = {"api_key": REAL_KEY, "api_base": "https://elsewhere.example.com"}
    entries = [{"model_name": name, "litellm_params": {"model": name, **params}} for name in names]
    result = contain({"model_list": entries}, base_url, "p", "us-east-1", dict(os.environ))
    for name, value in result.environment.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    return [entry["litellm_params"] for entry in result.file["model_list"][:-1]]


async def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    deployments = contained(f"http://127.0.0.1:{server.server_address[1]}")
    connect_guard.install()
    import litellm
    from litellm.rust_bridge import native_bridge_available

    assert not native_bridge_available()  # its client is written in Rust, and nobody could watch it
    litellm.suppress_debug_info = True
    by_name = [{"model": f"{provider}/some-model"} for provider in [*PATHS, "gemini", "replicate", "cohere"]]
    for how, requests in (("deployment", deployments), ("wildcard", by_name)):
        for params in requests:
            print(json.dumps({"how": how, **await ask(litellm, params)}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
    os._exit(0)  # LiteLLM's own threads have nothing left to do
