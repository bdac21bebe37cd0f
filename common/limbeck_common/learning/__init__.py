"""Learners, models and training on one participant's machine."""
