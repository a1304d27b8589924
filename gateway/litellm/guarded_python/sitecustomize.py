"""Found first on PYTHONPATH by every Python that a guarded process starts: it is guarded from its first moment.

`site` goes on when this module fails, so a failure ends the process: better no child than one that nobody watches.
"""

import os
import sys
from pathlib import Path

if os.environ.get("GATEWAY_CONNECT_GUARD"):
    try:
        sys.path.append(str(Path(__file__).resolve().parents[3]))
        from gateway.litellm.connect_guard import install

        install()
    except BaseException as error:
        os.write(2, f"Not started, because it could not be guarded: {error}\n".encode())
        os._exit(1)
