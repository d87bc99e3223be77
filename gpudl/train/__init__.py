"""A lean training loop, its progress, and a report. The public page."""

from ._history import Epoch as Epoch
from ._history import History as History
from ._loop import Predictions as Predictions
from ._loop import fit as fit
from ._loop import predict as predict
from ._pictures import require_matplotlib as require_matplotlib
from ._progress import Progress as Progress
from ._progress import progress as progress
from ._report import Report as Report
from ._report import write_report as write_report
