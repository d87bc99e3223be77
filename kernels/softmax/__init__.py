"""Softmax, log-softmax and cross-entropy over the last axis."""
