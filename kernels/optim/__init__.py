"""Optimizer steps over flat buffers: one pass over memory for a whole group of parameters."""
