"""LiteLLM's own command line, in a process that ends with its parent."""

from common.lifeline import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    from litellm.proxy.proxy_cli import run_server

    run_server()
