"""An AWS on this machine: Bedrock Runtime, STS and CloudWatch Logs over their real protocols, reached by URL only."""
