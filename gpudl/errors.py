"""Typed errors: every mistake a user can make raises one of these.

Each class is a `GpudlError` and also the built-in exception that fits (`ValueError`, `TypeError`,
...), so both ``except gpudl.errors.GpudlError`` and plain Python habits work. A message names the
operation, what is wrong, the operands with their shapes, dtypes and devices, and the remedy.
"""

from __future__ import annotations

from typing import Any


def describe(value: object) -> str:
    """An operand in a line: `float32(3, 4) on cpu` for arrays, else a shortened `repr`."""
    shape = getattr(value, "shape", None)
    dtype = getattr(value, "dtype", None)
    if isinstance(shape, tuple) and dtype is not None:
        device = getattr(value, "device", None)
        where = f" on {device}" if device is not None else ""
        return f"{getattr(dtype, 'name', dtype)}{shape}{where}"
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


class GpudlError(Exception):
    """Base of all errors of gpudl.

    `GpudlError(op, message, remedy=None, **operands)`: the name of the operation, what is wrong,
    what to do about it, and the operands to describe.

    >>> import gpudl as gd
    >>> try:
    ...     gd.zeros(2) + gd.zeros(3)
    ... except gd.errors.ShapeError as error:
    ...     print(error.op)
    add
    """

    def __init__(
        self, op: str, message: str = "", *, remedy: str | None = None, **operands: Any
    ) -> None:
        self.op, self.message, self.remedy = op, message, remedy
        self.operands = {name: describe(value) for name, value in operands.items()}
        super().__init__(op, message)

    def __str__(self) -> str:
        parts = [f"{self.op}: {self.message}" if self.message else self.op]
        if self.operands:
            listed = ", ".join(f"{name}={text}" for name, text in self.operands.items())
            parts.append(f"  given: {listed}")
        if self.remedy:
            parts.append(f"  remedy: {self.remedy}")
        return "\n".join(parts)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.op, self.message, self.remedy, self.operands)


def _rebuild(
    cls: type[GpudlError], op: str, message: str, remedy: str | None, operands: dict[str, str]
) -> GpudlError:
    error = cls(op, message, remedy=remedy)
    error.operands = operands
    return error


class ShapeError(GpudlError, ValueError):
    """Shapes that do not fit together, or a shape that is no shape."""


class DTypeError(GpudlError, TypeError):
    """A dtype the operation does not take, or dtypes that do not mix."""


class ArgumentTypeError(GpudlError, TypeError):
    """An argument of the wrong Python type."""


class ArgumentError(GpudlError, ValueError):
    """An argument of the right type with a value that is not allowed."""


class IndexRangeError(GpudlError, IndexError):
    """An index outside its axis, or an axis outside the array."""


class SizeError(GpudlError, MemoryError):
    """A size that cannot be represented, found before any allocation."""


class OutOfMemoryError(GpudlError, MemoryError):
    """The device has no memory left for a result; the engine stays usable."""


class DeviceError(GpudlError, RuntimeError):
    """Operands on different devices, or a device that is not there."""


class LostDeviceError(DeviceError):
    """A device whose context is lost: every later call on it raises this."""


class EmulatorError(GpudlError, RuntimeError):
    """What the emulated device found in a kernel, or in the host code around it.

    `kind` is one word: "race", "bounds", "uninitialised", "lifetime", "deadlock", ...
    """

    def __init__(
        self,
        op: str,
        message: str = "",
        *,
        kind: str = "",
        remedy: str | None = None,
        **operands: Any,
    ) -> None:
        super().__init__(op, message, remedy=remedy, **operands)
        self.kind = kind

    def __reduce__(self) -> tuple[Any, ...]:
        return *super().__reduce__(), {"kind": self.kind}


class GradError(GpudlError, RuntimeError):
    """Misuse of automatic differentiation."""


class StaleValueError(GradError):
    """A value that the tape needs was overwritten, or a view of it went stale."""


class AnomalyError(GradError):
    """`detect_anomaly` met a NaN in a gradient; the message names the forward line."""


class KernelError(GpudlError, RuntimeError):
    """A kernel failed or disagreed with its reference under `GPUDL_VALIDATE`."""


class SettingError(GpudlError, ValueError):
    """A setting that does not exist, or a value it does not take."""


class MissingDependencyError(GpudlError, ImportError):
    """An optional package is not installed; the remedy is the pip line."""


class DataError(GpudlError, ValueError):
    """A data set that is missing, truncated or not what it claims to be."""


class CheckpointError(GpudlError, ValueError):
    """A file that `load` cannot read, or a value that `save` cannot write."""


class StateDictError(GpudlError, RuntimeError):
    """A state dict whose names or shapes do not fit the module."""


class StateKeyError(GpudlError, KeyError):
    """A name that is not there."""

    __str__ = GpudlError.__str__


class MissingAttributeError(GpudlError, AttributeError):
    """An attribute that is not there; the remedy names the one that is meant."""


class WorkerError(GpudlError, RuntimeError):
    """A data-loading worker raised or died; the message carries its traceback."""


class NotSupportedError(GpudlError, NotImplementedError):
    """Something the array standard or PyTorch has and gpudl, on purpose or yet, has not; or a
    method that a subclass has to define."""


def missing(package: str, extra: str, op: str) -> MissingDependencyError:
    """The error for an optional `package`, with the pip line that brings it."""
    return MissingDependencyError(
        op, f"needs the package {package!r}", remedy=f'pip install "gpudl[{extra}]"'
    )


def undefined(owner: object, method: str) -> NotSupportedError:
    """The error for calling a `method` that the class of `owner` has to define."""
    return NotSupportedError(
        type(owner).__name__, f"has no {method}", remedy=f"define {method}(self, ...) in the class"
    )
