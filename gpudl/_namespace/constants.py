"""Constants of the standard, and names that would shadow Python's own in any module with code."""

from math import e as e
from math import inf as inf
from math import nan as nan
from math import pi as pi

from ..dtypes import bool_

bool = bool_
newaxis = None
__array_api_version__ = "2025.12"
