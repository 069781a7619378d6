"""From a sweep's YAML to checked values, and from those to runs."""
