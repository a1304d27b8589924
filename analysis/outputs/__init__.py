"""What people read of a run: each output shows findings and verdicts, and computes nothing again."""
