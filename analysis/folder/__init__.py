"""A run folder on disk: the contract between the harness, which writes it, and all that follows a run."""
