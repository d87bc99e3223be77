"""Convolution: forward, data gradient, weight gradient."""
