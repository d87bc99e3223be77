"""Helpers: clipping gradients, parameters as one vector, parametrizations, sequences of different
lengths."""

from . import parametrizations as parametrizations
from . import parametrize as parametrize
from . import rnn as rnn
from ._clip import clip_grad_norm_ as clip_grad_norm_
from ._clip import clip_grad_value_ as clip_grad_value_
from ._clip import clip_grads_with_norm_ as clip_grads_with_norm_
from ._clip import get_total_norm as get_total_norm
from ._clip import parameters_to_vector as parameters_to_vector
from ._clip import vector_to_parameters as vector_to_parameters
