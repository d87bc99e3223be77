"""What tests are made of: comparison by the one measure, and gradients against differences."""

from .compare import assert_close as assert_close
from .gradients import gradcheck as gradcheck
from .gradients import gradgradcheck as gradgradcheck
