"""What the embedded AWS did wrong on purpose, by its own account."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

import gevent

from harness.clock import now

WITHIN_S = 5.0  # one of the faults may be that it refuses connections for a while


def faults_of_embedded_aws(is_gone: Callable[[], bool]) -> list[dict[str, Any]] | None:
    """What it did, and when; None: it does not answer. A fault that was stopped before it began did nothing."""
    give_up_at = now() + WITHIN_S
    while True:
        try:
            url = f"{os.environ['AWS_ENDPOINT_URL']}/_embedded/faults"
            with urllib.request.urlopen(url, timeout=WITHIN_S) as answer:
                return [fault for fault in json.load(answer) if fault["started_at"] is not None]
        except (OSError, HTTPException, ValueError):
            if is_gone() or now() > give_up_at:
                return None
        gevent.sleep(0.2)
