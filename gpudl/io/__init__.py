"""Files: `gd.save` and `gd.load`, and the safetensors format underneath."""

from ._checkpoint import load as load
from ._checkpoint import save as save
from ._safetensors import load_safetensors as load_safetensors
from ._safetensors import read_metadata as read_metadata
from ._safetensors import save_safetensors as save_safetensors
