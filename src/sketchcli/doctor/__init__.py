"""What `sketch2img doctor` looks at: the installation, not a run.

A run's own doctor, which watches how it learns, is `engine/training/diagnosis.py`.
"""
