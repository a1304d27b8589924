"""Bedrock's models: what is known of each, by a table and by family. Whoever differs says so in embedded.yaml."""
