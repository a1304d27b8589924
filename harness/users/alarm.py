"""Waiting to a tenth of a millisecond.

gevent's own timers are as coarse as epoll's: they fire up to 1 ms late, and then all that are due by then, so that
arrivals closer than that would come in bunches.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time

import gevent

COARSE_S = 0.002  # before an arrival gevent's timers are left for an alarm: twice as long as they may be late


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))


class Alarm:
    """One greenlet's own, by Linux's timerfd (Python 3.13 has it in `os`); elsewhere no better than gevent's timers."""

    def __init__(self) -> None:
        self._descriptor: int | None = None
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            # The flags of timerfd_create(2) are those of open(2).
            self._descriptor = self._libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
            if self._descriptor < 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            self._rings = gevent.get_hub().loop.io(self._descriptor, 1)

    def wait(self, seconds: float) -> None:
        """At once when they are not positive."""
        nanoseconds = round(seconds * 1e9)
        if nanoseconds <= 0:
            return
        if self._descriptor is None:
            gevent.sleep(seconds)
            return
        once = _Itimerspec(it_value=_Timespec(*divmod(nanoseconds, 10**9)))
        self._libc.timerfd_settime(self._descriptor, 0, ctypes.byref(once), None)
        gevent.get_hub().wait(self._rings)
        os.read(self._descriptor, 8)  # how often it rang: until then it stays readable

    def close(self) -> None:
        if self._descriptor is not None:
            self._rings.close()
            os.close(self._descriptor)
            self._descriptor = None
