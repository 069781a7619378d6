"""From a sweep's tables to conclusions: collecting, choosing strengths, figures, tables; all offline.

It reads what training wrote and knows nothing of clusters.
"""
