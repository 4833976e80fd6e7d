"""The gate: from samples and baselines to verdicts. Pure, standard library only."""
