"""AWS event-stream framing: bytes only.

A frame is `u32 total length | u32 headers length | u32 crc32 of those eight bytes | headers | payload |
u32 crc32 of everything before`; a header is `u8 name length, name, u8 7 (string), u16 length, value`.
"""

from __future__ import annotations

from functools import cache
from struct import Struct
from zlib import crc32

_PRELUDE = Struct(">II")
_U32 = Struct(">I")
_STRING = 7
_OVERHEAD = 16  # prelude, its checksum, and the checksum at the end


def event(event_type: str, payload: bytes) -> bytes:
    """One event whose payload is JSON."""
    return frame(_event_headers(event_type), payload)


def exception(exception_type: str, payload: bytes) -> bytes:
    """One modelled exception, named in lower camel case: botocore raises it as EventStreamError."""
    return frame(_exception_headers(exception_type), payload)


def frame(headers: bytes, payload: bytes) -> bytes:
    prelude = _PRELUDE.pack(_OVERHEAD + len(headers) + len(payload), len(headers))
    message = b"".join((prelude, _U32.pack(crc32(prelude)), headers, payload))
    return message + _U32.pack(crc32(message))


def encode_headers(headers: dict[str, str]) -> bytes:
    """String headers in the order given; ValueError for what the format has no room for."""
    return b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())


def _header(name: bytes, value: bytes) -> bytes:
    if not 0 < len(name) < 1 << 8 or len(value) >= 1 << 15:  # botocore reads the value's length as signed
        raise ValueError(f"no event-stream header can hold {len(name)} bytes of name and {len(value)} of value")
    return b"".join((bytes((len(name),)), name, bytes((_STRING,)), len(value).to_bytes(2, "big"), value))


# The header blocks are the same for every frame of a kind, and there are a dozen kinds.
@cache
def _event_headers(event_type: str) -> bytes:
    return encode_headers(
        {":event-type": event_type, ":content-type": "application/json", ":message-type": "event"},
    )


@cache
def _exception_headers(exception_type: str) -> bytes:
    return encode_headers(
        {":exception-type": exception_type, ":content-type": "application/json", ":message-type": "exception"},
    )
