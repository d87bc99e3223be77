"""Data sets, samplers and the `DataLoader`, and the data that gpudl can load by name."""

from . import transforms as transforms
from ._dataset import ConcatDataset as ConcatDataset
from ._dataset import Dataset as Dataset
from ._dataset import IterableDataset as IterableDataset
from ._dataset import Subset as Subset
from ._dataset import TensorDataset as TensorDataset
from ._dataset import random_split as random_split
from ._loader import DataLoader as DataLoader
from ._loader import default_collate as default_collate
from ._named import load_digits as load_digits
from ._named import load_mnist as load_mnist
from ._named import load_text as load_text
from ._sampler import BatchSampler as BatchSampler
from ._sampler import RandomSampler as RandomSampler
from ._sampler import Sampler as Sampler
from ._sampler import SequentialSampler as SequentialSampler
from ._sampler import WeightedRandomSampler as WeightedRandomSampler
from ._seed import WorkerInfo as WorkerInfo
from ._seed import get_worker_info as get_worker_info
from ._seed import sample_rng as sample_rng
from ._seed import sample_seed as sample_seed
from ._text import CharDataset as CharDataset
from ._text import ContiguousBatchSampler as ContiguousBatchSampler
from ._text import TextParts as TextParts
from ._text import Vocabulary as Vocabulary
from ._text import split_text as split_text
