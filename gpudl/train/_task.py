"""`Task`: what is trained. Networks, optimizers, schedules, and one step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..devices import Device
from ..errors import ArgumentError, ArgumentTypeError, StateDictError, undefined
from ..nn import Module
from ..optim import Optimizer
from ..optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from ..tensor import Tensor

T = TypeVar("T")
Result = Any  # a loss, or metrics by name
Schedule = LRScheduler | ReduceLROnPlateau


def _named(what: str, given: Any, kinds: Any, default: str) -> dict[str, Any]:
    """`given`, one object or several by name, as a dict."""
    found = dict(given) if isinstance(given, Mapping) else {default: given}
    if given is None:
        return {}
    for name, value in found.items():
        if not isinstance(value, kinds) or not isinstance(name, str):
            raise ArgumentTypeError("Task", f"{what} {name!r} is {type(value).__name__}")
    return found


class Task:
    """What a `Trainer` trains: give `step`, or write a subclass with `training_step`.

    `model`: a module, or several by name; `optimizer`, `schedule`: the same. `step(batch)` returns

    * a loss, a tensor of one element, or a dict with `"loss"` and other metrics (numbers or tensors
      of one element): the trainer computes gradients, clips, and steps all optimizers;
    * a dict without `"loss"`: the step made its own updates, as a GAN's does, and these are its
      metrics.

    Schedules go on by one after every step, `ReduceLROnPlateau` after every validation.

    >>> import gpudl as gd
    >>> model = gd.nn.Linear(3, 1)
    >>> opt = gd.optim.SGD(model.parameters(), lr=0.1)
    >>> task = gd.train.Task(model, opt, step=lambda batch: model(batch).square().mean())
    >>> sorted(task.models)
    ['model']
    """

    def __init__(
        self,
        model: Module | Mapping[str, Module],
        optimizer: Optimizer | Mapping[str, Optimizer] | None = None,
        schedule: Schedule | Mapping[str, Schedule] | None = None,
        *,
        step: Callable[[Any], Result] | None = None,
    ) -> None:
        self.models: dict[str, Module] = _named("the model", model, Module, "model")
        if not self.models:
            raise ArgumentError("Task", "there is no model")
        self.optimizers: dict[str, Optimizer] = _named(
            "the optimizer", optimizer, Optimizer, "optimizer"
        )
        self.schedules: dict[str, Schedule] = _named(
            "the schedule", schedule, (LRScheduler, ReduceLROnPlateau), "schedule"
        )
        if step is not None and not callable(step):
            raise ArgumentTypeError("Task", f"step must be callable, not {step!r:.60}")
        self._step = step

    # ----- what a subclass defines -----
    def training_step(self, batch: Any) -> Result:
        """The loss of a batch, or metrics; see the class."""
        if self._step is None:
            raise undefined(self, "training_step")
        return self._step(batch)

    def validation_step(self, batch: Any) -> Result:
        """The metrics of a batch of the validation, in evaluation mode and without recording.

        That of `training_step` where a subclass defines no other.
        """
        return self.training_step(batch)

    def state_dict(self) -> dict[str, Any]:
        """What else a resumed run needs: values that `gd.save` takes."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        if state:
            raise StateDictError(
                type(self).__name__,
                f"does not know the state {', '.join(map(repr, state)):.80}",
                remedy="define load_state_dict(self, state) in the class",
            )

    # ----- what the trainer asks -----
    @property
    def device(self) -> Device | None:
        """Where the parameters are, None without any."""
        for model in self.models.values():
            for p in model.parameters():
                return p.device
        return None

    @property
    def parameters(self) -> list[Tensor]:
        """All parameters, each once."""
        every = [p for model in self.models.values() for p in model.parameters()]
        return list({id(p): p for p in every}.values())

    def train(self, mode: bool = True) -> None:
        """Put every model into training mode, or into evaluation mode."""
        for model in self.models.values():
            model.train(mode)

    def weights(self) -> dict[str, Tensor]:
        """Copies of all parameters and buffers: a `state_dict`, with the model's name in front
        where there are several models."""
        alone = len(self.models) == 1
        return {
            key if alone else f"{name}.{key}": value.detach().clone()
            for name, model in self.models.items()
            for key, value in model.state_dict().items()
        }

    def load_weights(self, weights: Mapping[str, Any]) -> None:
        """Take over what `weights` gave. Raises `StateDictError` before anything changes."""
        before = self.weights()
        try:
            self._load_weights(weights)
        except BaseException:
            self._load_weights(before)
            raise

    def _load_weights(self, weights: Mapping[str, Any]) -> None:
        if len(self.models) == 1:
            next(iter(self.models.values())).load_state_dict(weights)
            return
        left = dict(weights)
        for name, model in self.models.items():
            start = f"{name}."
            own = {k.removeprefix(start): left.pop(k) for k in weights if k.startswith(start)}
            model.load_state_dict(own)
        if left:
            raise StateDictError("load_weights", f"unexpected: {', '.join(left):.200}")
