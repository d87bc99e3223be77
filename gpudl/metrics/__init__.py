"""How good predictions are. The public page."""

from ._classification import accuracy as accuracy
from ._classification import confusion_matrix as confusion_matrix
from ._classification import f1_score as f1_score
from ._classification import perplexity as perplexity
from ._classification import roc_auc as roc_auc
from ._classification import top_k_accuracy as top_k_accuracy
from ._images import frechet_distance as frechet_distance
from ._images import psnr as psnr
