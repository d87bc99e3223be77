"""Modules that hold modules or parameters: in order, or by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..autograd import Variable
from ..errors import ArgumentTypeError, IndexRangeError, NotSupportedError, StateKeyError
from ._module import Module
from ._parameter import Parameter
from ._tree import CHILD, PARAMETER


class _Ordered(Module):
    """Entries under the names "0", "1", ..."""

    _kind = CHILD

    def _values(self) -> list[Any]:
        mine = self.__dict__
        return [mine[name] for name, kind in self._kinds.items() if kind == self._kind]

    def _rename(self, values: Iterable[Any]) -> None:
        """Hold exactly `values`, in this order."""
        for name in [name for name, kind in self._kinds.items() if kind == self._kind]:
            delattr(self, name)
        for i, value in enumerate(values):
            self._put(str(i), value)

    def _put(self, name: str, value: Any) -> None:
        self.add_module(name, value)

    def _at(self, index: Any) -> int:
        n = len(self)
        i = index.__index__() if hasattr(index, "__index__") else None
        if i is None or isinstance(index, bool):
            raise ArgumentTypeError(
                type(self).__name__, f"{index!r} is no index", remedy="an integer or a slice"
            )
        if not -n <= i < n:
            raise IndexRangeError(type(self).__name__, f"index {i} of {n} entries")
        return int(i % n)

    def __len__(self) -> int:
        return len(self._values())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values())

    def __contains__(self, value: object) -> bool:
        return any(entry is value for entry in self._values())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._like(self._values()[index])
        return self._values()[self._at(index)]

    def _like(self, values: list[Any]) -> Any:
        made: Any = type(self)
        return made(values)

    def __setitem__(self, index: int, value: Any) -> None:
        names = [name for name, kind in self._kinds.items() if kind == self._kind]
        self._put(names[self._at(index)], value)

    def __delitem__(self, index: Any) -> None:
        values = self._values()
        if isinstance(index, slice):
            del values[index]
        else:
            del values[self._at(index)]
        self._rename(values)

    def append(self, value: Any) -> Any:
        """Add an entry at the end, and return the container."""
        self._put(str(len(self)), value)
        return self

    def extend(self, values: Iterable[Any]) -> Any:
        """Add entries at the end, and return the container."""
        for value in list(values):
            self.append(value)
        return self

    def insert(self, index: int, value: Any) -> Any:
        """Add an entry before `index`, and return the container."""
        values = self._values()
        if not -len(values) <= index <= len(values):
            raise IndexRangeError(type(self).__name__, f"index {index} of {len(values)} entries")
        values.insert(index, value)
        self._rename(values)
        return self

    def pop(self, index: int = -1) -> Any:
        """Remove an entry, and return it."""
        value = self[index]
        del self[index]
        return value

    def __iadd__(self, values: Iterable[Any]) -> Any:
        return self.extend(values)


class Sequential(_Ordered):
    """Modules one after the other; given in order, or as one dict of names.

    >>> import gpudl as gd
    >>> net = gd.nn.Sequential(gd.nn.Linear(4, 3), gd.nn.ReLU(), gd.nn.Linear(3, 2))
    >>> net(gd.ones(5, 4)).shape
    (5, 2)
    >>> net
    Sequential(
      (0): Linear(in_features=4, out_features=3, bias=True)
      (1): ReLU()
      (2): Linear(in_features=3, out_features=2, bias=True)
    )
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for module in args:
                if module is None:
                    raise ArgumentTypeError("Sequential", "None is no module")
                self.append(module)

    def forward(self, input: Any) -> Any:
        for module in self._values():
            input = module(input)
        return input

    def _like(self, values: list[Any]) -> Any:
        names = [name for name, kind in self._kinds.items() if kind == CHILD]
        return Sequential(
            {name: value for name in names if (value := self.__dict__[name]) in values}
        )


class ModuleList(_Ordered):
    """A list of modules that `parameters()` and `state_dict()` see.

    >>> import gpudl as gd
    >>> layers = gd.nn.ModuleList(gd.nn.Linear(2, 2) for _ in range(3))
    >>> len(layers), len(list(layers.parameters()))
    (3, 6)
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotSupportedError(
            type(self).__name__, "a container is not called", remedy="call its entries"
        )


class ModuleDict(Module):
    """A dict of modules that `parameters()` and `state_dict()` see.

    >>> import gpudl as gd
    >>> heads = gd.nn.ModuleDict({"a": gd.nn.Linear(2, 1), "b": gd.nn.Linear(2, 3)})
    >>> list(heads), heads["b"].out_features
    (['a', 'b'], 3)
    """

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        if self._kinds.get(key) != CHILD:
            raise StateKeyError("ModuleDict", f"no module {key!r}", remedy=f"one of {list(self)}")
        return self.__dict__[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        self[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def keys(self) -> list[str]:
        """The names, in order."""
        return [name for name, kind in self._kinds.items() if kind == CHILD]

    def values(self) -> list[Module]:
        """The modules, in order."""
        return [self.__dict__[name] for name in self.keys()]

    def items(self) -> list[tuple[str, Module]]:
        """Names and modules, in order."""
        return list(zip(self.keys(), self.values(), strict=True))

    def update(self, modules: Any) -> None:
        """Add modules from a dict, or from pairs of name and module."""
        pairs = modules.items() if isinstance(modules, (Mapping, ModuleDict)) else modules
        for name, module in pairs:
            self.add_module(name, module)

    def pop(self, key: str) -> Module:
        """Remove a module, and return it."""
        module: Module = self[key]
        del self[key]
        return module

    def clear(self) -> None:
        """Remove all."""
        for key in self.keys():
            del self[key]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotSupportedError(
            "ModuleDict", "a container is not called", remedy="call its entries"
        )


class ParameterList(_Ordered):
    """A list of parameters; tensors become parameters as they enter.

    >>> import gpudl as gd
    >>> ps = gd.nn.ParameterList([gd.ones(2), gd.ones(3)])
    >>> [p.shape for p in ps]
    [(2,), (3,)]
    """

    _kind = PARAMETER

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        if values is not None:
            self.extend(values)

    def _put(self, name: str, value: Any) -> None:
        if not isinstance(value, Variable):
            raise ArgumentTypeError("ParameterList", f"{value!r} is no tensor")
        self.register_parameter(name, value if isinstance(value, Parameter) else Parameter(value))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotSupportedError(
            "ParameterList", "a container is not called", remedy="use its entries"
        )

    def extra_repr(self) -> str:
        return "\n  ".join(
            f"({i}): Parameter of {p.dtype.name}{p.shape}" for i, p in enumerate(self)
        )

    def __repr__(self) -> str:
        return f"ParameterList(\n  {self.extra_repr()}\n)" if len(self) else "ParameterList()"


class ParameterDict(Module):
    """A dict of parameters; tensors become parameters as they enter.

    >>> import gpudl as gd
    >>> ps = gd.nn.ParameterDict({"scale": gd.ones(2), "shift": gd.zeros(3)})
    >>> {name: p.shape for name, p in ps.items()}
    {'scale': (2,), 'shift': (3,)}
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Any:
        if self._kinds.get(key) != PARAMETER:
            raise StateKeyError(
                "ParameterDict", f"no parameter {key!r}", remedy=f"one of {list(self)}"
            )
        return self.__dict__[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(value, Variable):
            raise ArgumentTypeError("ParameterDict", f"{value!r:.80} is no tensor")
        self.register_parameter(key, value if isinstance(value, Parameter) else Parameter(value))

    def __delitem__(self, key: str) -> None:
        self[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def keys(self) -> list[str]:
        """The names, in order."""
        return [name for name, kind in self._kinds.items() if kind == PARAMETER]

    def values(self) -> list[Parameter]:
        """The parameters, in order."""
        return [self.__dict__[name] for name in self.keys()]

    def items(self) -> list[tuple[str, Parameter]]:
        """Names and parameters, in order."""
        return list(zip(self.keys(), self.values(), strict=True))

    def get(self, key: str, default: Any = None) -> Any:
        """The parameter, or `default` where there is none."""
        return self.__dict__[key] if self._kinds.get(key) == PARAMETER else default

    def setdefault(self, key: str, default: Any) -> Any:
        """The parameter, after adding `default` where there was none."""
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, parameters: Any) -> None:
        """Add parameters from a dict, or from pairs of name and tensor."""
        pairs = (
            parameters.items() if isinstance(parameters, (Mapping, ParameterDict)) else parameters
        )
        for name, value in pairs:
            self[name] = value

    def pop(self, key: str) -> Any:
        """Remove a parameter, and return it."""
        value = self[key]
        del self[key]
        return value

    def clear(self) -> None:
        """Remove all."""
        for key in self.keys():
            del self[key]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotSupportedError(
            "ParameterDict", "a container is not called", remedy="use its entries"
        )

    def extra_repr(self) -> str:
        return "\n  ".join(
            f"({name}): Parameter of {p.dtype.name}{p.shape}" for name, p in self.items()
        )

    def __repr__(self) -> str:
        return f"ParameterDict(\n  {self.extra_repr()}\n)" if len(self) else "ParameterDict()"
