"""Report pages and charts for an audit, a run and an evaluation."""
