"""Installation checks of `sketch2img doctor`; for runs, see engine/training/diagnosis.py."""
