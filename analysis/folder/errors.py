"""What is said of a run folder that cannot be used."""

from __future__ import annotations


class RunFolderError(Exception):
    """A run folder that cannot be used; the text is shown as it is."""
