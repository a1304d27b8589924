"""CloudWatch's side of a run, fetched into its folder. The only room of the analysis that speaks to AWS."""
