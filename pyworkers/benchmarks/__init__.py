"""Measurements for people, not tests: nothing here asserts a time."""
