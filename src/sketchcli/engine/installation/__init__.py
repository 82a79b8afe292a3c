"""What `sketch2img doctor` looks at: the installation, not a run.

(What is wrong with a run is found by `engine.training.doctor`.)
"""
