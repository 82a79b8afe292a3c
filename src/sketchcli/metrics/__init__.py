"""Metrics that compare generated with real photos, grouped into modules."""
