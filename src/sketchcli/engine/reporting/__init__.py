"""Pages and charts: of an audit, a run and an evaluation."""
