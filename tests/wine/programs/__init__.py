"""Programs that run in the Windows Python: each prints one JSON object with an entry for each scenario."""
