"""LiteLLM's own command line, in a process that ends with its parent and, where told so, connects to nobody else."""

import os

from common.lifeline import end_with_parent
from gateway.keys import GUARDED
from gateway.litellm import connect_guard

if __name__ == "__main__":
    end_with_parent()
    if os.environ.get(GUARDED):
        connect_guard.install()
    from litellm.proxy.proxy_cli import run_server

    run_server()
