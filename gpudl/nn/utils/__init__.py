"""Helpers: clipping gradients, parameters as one vector, sequences of different lengths."""

from . import rnn as rnn
from ._parameters import clip_grad_norm_ as clip_grad_norm_
from ._parameters import clip_grad_value_ as clip_grad_value_
from ._parameters import get_total_norm as get_total_norm
from ._parameters import parameters_to_vector as parameters_to_vector
from ._parameters import vector_to_parameters as vector_to_parameters
