"""The parts of a report, each made by one function. The public page."""

from ._answers import confusion as confusion
from ._answers import filters as filters
from ._answers import mistakes as mistakes
from ._sections import Section as Section
from ._sections import facts as facts
from ._sections import gallery as gallery
from ._sections import operations as operations
from ._sections import picture as picture
from ._sections import table as table
from ._sections import texts as texts
