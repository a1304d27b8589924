"""The claims that a run can be judged by: one object in one file each, found by `registry`.

Importing any of it loads no pandas: Locust's process validates claims and shows how they stand. Judges reach numbers
through the `Findings` that they are given.
"""
