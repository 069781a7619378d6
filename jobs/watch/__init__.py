"""`regularize watch`: a sweep in a terminal, from a source that may be slow or gone."""
