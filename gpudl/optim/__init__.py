"""Optimizers with PyTorch's names and numbers, over flat buffers. The public page."""

from . import lr_scheduler as lr_scheduler
from . import swa_utils as swa_utils
from ._adadelta import Adadelta as Adadelta
from ._adafactor import Adafactor as Adafactor
from ._adagrad import Adagrad as Adagrad
from ._adam import Adam as Adam
from ._adam import AdamW as AdamW
from ._adamax import Adamax as Adamax
from ._asgd import ASGD as ASGD
from ._lamb import LAMB as LAMB
from ._lbfgs import LBFGS as LBFGS
from ._lion import Lion as Lion
from ._muon import Muon as Muon
from ._nadam import NAdam as NAdam
from ._optimizer import Optimizer as Optimizer
from ._radam import RAdam as RAdam
from ._rmsprop import RMSprop as RMSprop
from ._rprop import Rprop as Rprop
from ._sgd import SGD as SGD
