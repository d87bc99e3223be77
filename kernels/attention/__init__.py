"""Attention: softmax(q k^T) v with its gradient, a batch entry after the other."""
