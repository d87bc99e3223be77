"""The training kit: the loop, who is told about it, and what it leaves. The public page."""

from . import sections as sections
from ._callback import Callback as Callback
from ._classifier import Classifier as Classifier
from ._classifier import Predictions as Predictions
from ._classifier import predict as predict
from ._history import History as History
from ._history import Row as Row
from ._history import Table as Table
from ._loggers import CSVLogger as CSVLogger
from ._loggers import JSONLogger as JSONLogger
from ._loggers import TensorBoardLogger as TensorBoardLogger
from ._pictures import require_matplotlib as require_matplotlib
from ._pictures import write_image as write_image
from ._progress import progress as progress
from ._report import Report as Report
from ._report import write_report as write_report
from ._task import Task as Task
from ._trainer import Trainer as Trainer
