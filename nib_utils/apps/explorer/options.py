"""The options of a method as fields, made from its signature."""
from __future__ import annotations

import inspect
from collections.abc import Callable

import ipywidgets as widgets

from ...common.sentences import lacks
from ...maps.options import find
from ..explain import literal
from ..patience import patient


class Options(widgets.VBox):
    """A field for each option of a method; one that is empty leaves the method its own value.

    `heard` is called without arguments when a value was changed.
    """

    def __init__(self, heard: Callable[[], None]):
        super().__init__()
        self.heard, self.method, self.fields = heard, None, {}

    def offer(self, method: str, depth: int, given: dict | None = None) -> None:
        """The fields of a method at a model whose deeper tower has `depth` blocks; given: values to begin with."""
        if method != self.method:
            known = [p for p in inspect.signature(find(method)).parameters.values()
                     if p.kind is p.KEYWORD_ONLY and "Tensor" not in str(p.annotation)]
            self.method, self.fields = method, {p.name: field(p.name, p.default) for p in known}
            for its in self.fields.values():
                its.observe(lambda change: self.heard(), names="value")
            self.children = list(self.fields.values()) or [widgets.HTML(f"{method} has none.")]
        if layers := self.fields.get("layer"):
            chosen = layers.value
            layers.options = [("its own", None), *((str(i), i) for i in range(depth))]
            layers.value = chosen if chosen is not None and chosen < depth else None
        for name, value in (given or {}).items():
            if name not in self.fields:
                raise TypeError(lacks(method, "option", name, self.fields))
            if name == "layer" and value not in (None, *range(depth)):
                raise ValueError(f"layer is {value!r}; the model has blocks 0..{depth - 1}.")
            self.fields[name].value = value if name == "layer" else str(value)

    @property
    def values(self) -> dict:
        """What was filled in, by name; numbers as Python writes them, else words."""
        return {name: value for name, its in self.fields.items()
                if (value := its.value if name == "layer" else typed(its.value)) is not None}


def typed(text: str) -> int | float | str | None:
    """A number or a truth value as Python writes them; anything else is a word, and nothing is None."""
    value = literal(text.strip())
    return (value if isinstance(value, int | float) else text.strip()) if text.strip() else None


def field(name: str, default) -> widgets.Widget:
    look = dict(description=name, style={"description_width": "7em"}, layout=widgets.Layout(width="auto"))
    if name == "layer":
        return widgets.Dropdown(options=[("its own", None)], **look)
    return widgets.Text(str(patient([name], {}).get(name, "")), continuous_update=False,
                        placeholder="its own" if default is None else str(default), **look)
