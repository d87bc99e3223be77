"""Attention: softmax(q k^T) v with its gradient, without the matrix of scores."""
