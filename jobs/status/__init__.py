"""States of runs, overviews, logs, efficiency."""
