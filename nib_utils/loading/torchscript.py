"""The tensors of a TorchScript archive, which is OpenAI's own form of CLIP, read without running anything in it.

torch.jit.load executes what an archive brings (the `__setstate__` of its classes, which may write files), so it is not
used. An archive is a zip: `data.pkl` pickles the attributes of all modules, `data/N` is what tensors hold, `code/` is
the classes' source. The pickle is taken apart into names and plain values, none of which is ever called; the source is
only searched for the lists that tell parameters and buffers from other attributes.
"""
from __future__ import annotations

import math
import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from zipfile import ZipFile

import torch
from torch import Tensor

DTYPES = {"torch HalfStorage": torch.float16, "torch BFloat16Storage": torch.bfloat16,
          "torch FloatStorage": torch.float32, "torch DoubleStorage": torch.float64, "torch LongStorage": torch.int64,
          "torch IntStorage": torch.int32, "torch BoolStorage": torch.bool}
PLAIN = {"NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
         "EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict}
CLASS = re.compile(r"^class (\w+)\(Module\):\n +__parameters__ = \[(.*?)\]\n(?: +__buffers__ = \[(.*?)\]\n)?", re.M)
MODULES, DEPTH = 10_000, 30  # far more than any CLIP has; an archive may nest its modules without end


@dataclass(eq=False)
class Module:
    """An instance of a class of the archive: the class's name, and its attributes."""

    kind: str
    held: dict[str, Any]


class Call(NamedTuple):
    """What unpickling would have called, and what with."""

    name: str
    args: tuple


def read_torchscript(archive: ZipFile) -> tuple[dict[str, Tensor], set[str]] | None:
    """The state dict, equal to that of the loaded module, and the names of its classes; None if it is no TorchScript.

    Raises ValueError for what is no plain tree of modules and tensors, and what zipfile raises for a broken zip.
    """
    root = next((name.split("/")[0] for name in archive.namelist() if re.fullmatch("[^/]+/constants.pkl", name)), None)
    if not root:  # only TorchScript has constants beside its data
        return None
    storages, sources = {}, {}

    def storage(kind: str, key: str, device: str, length: int) -> Tensor:
        if key not in storages:
            storages[key] = read_storage(archive, f"{root}/data/{key}", DTYPES[kind], length)
        return storages[key]

    def names(kind: str) -> list[str]:
        """The parameters and buffers of a class, from the lists with which its source begins."""
        module, _, name = kind.partition(" ")
        if module not in sources:
            source = archive.read(f"{root}/code/{module.replace('.', '/')}.py").decode()
            sources[module] = {kind: re.findall('"([^"]+)"', own + more) for kind, own, more in CLASS.findall(source)}
        return sources[module][name]

    modules = walk(take_apart(archive.read(f"{root}/data.pkl")))
    state = {path + name: tensor(module.held[name], storage) for path, module in modules
             for name in names(module.kind) if module.held[name] is not None}
    return state, {module.kind.rpartition(" ")[2] for _, module in modules}


def take_apart(pickled: bytes) -> Any:
    """What a pickle of TorchScript describes, in dicts, lists, tuples, Module and Call; whatever else is refused."""
    stack, marks, memo = [], [], {}

    def since_mark() -> list:
        at = marks.pop()
        items = stack[at:]
        del stack[at:]
        return items

    for code, value, _ in pickletools.genops(pickled):
        match code.name:
            case "PROTO":
                pass
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE" | "GLOBAL":
                stack.append(value)  # a global is no more than its name, "module name"
            case "NONE" | "NEWTRUE" | "NEWFALSE" | "EMPTY_TUPLE" | "EMPTY_LIST" | "EMPTY_DICT":
                stack.append(PLAIN[code.name]())
            case "MARK":
                marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                size = int(code.name[-1])
                stack[-size:] = [tuple(stack[-size:])]
            case "APPEND":
                item = stack.pop()
                stack[-1].append(item)
            case "APPENDS":
                items = since_mark()
                stack[-1].extend(items)
            case "SETITEMS":
                items = since_mark()
                stack[-1].update(zip(items[::2], items[1::2]))
            case "BINPUT" | "LONG_BINPUT":
                memo[value] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[value])
            case "BINPERSID":
                kind, *reference = stack.pop()
                stack.append(Call(kind, tuple(reference)))
            case "REDUCE":
                args = stack.pop()
                stack.append(Call(stack.pop(), args))
            case "NEWOBJ":
                stack.pop()
                stack.append(Module(stack.pop(), {}))
            case "BUILD":
                held, module = stack.pop(), stack[-1]
                if not (isinstance(module, Module) and isinstance(held, dict)):
                    raise ValueError("it restores an object by code of its own, which is not run")
                module.held = held
            case "STOP":
                return stack.pop()
            case _:
                raise ValueError(f"its instruction {code.name} is none that TorchScript needs")


def walk(top: Any) -> list[tuple[str, Module]]:
    """Every module after what the names of its parameters begin with, "" for the first."""
    if not isinstance(top, Module):
        raise ValueError("it holds no module")
    waiting, found = [("", top)], []
    while waiting:
        path, module = waiting.pop()
        found.append((path, module))
        if len(found) > MODULES or path.count(".") > DEPTH:
            raise ValueError(f"it nests more than {DEPTH} or holds more than {MODULES} modules")
        waiting += [(f"{path}{name}.", held) for name, held in module.held.items() if isinstance(held, Module)]
    return found


def tensor(call: Any, storage: Callable[..., Tensor]) -> Tensor:
    """The strided view of its storage that a pickled tensor is."""
    if not isinstance(call, Call) or call.name != "torch._utils _rebuild_tensor_v2":
        raise ValueError("it has a parameter that is no plain tensor")
    reference, offset, size, stride = call.args[:4]
    flat = storage(*reference.args)
    if math.prod(size) > len(flat):  # a stride of 0 would make much out of little
        raise ValueError("it has a tensor larger than what the file holds of it")
    return flat.as_strided(size, stride, offset)


def read_storage(archive: ZipFile, name: str, dtype: torch.dtype, length: int) -> Tensor:
    """A record of the zip as a flat tensor (length,)."""
    info = archive.getinfo(name)
    if info.file_size != length * dtype.itemsize:
        raise ValueError(f"{name} has {info.file_size} bytes, not {length * dtype.itemsize}")
    buffer = bytearray(info.file_size)
    with archive.open(info) as record:
        record.readinto(buffer)
    return torch.frombuffer(buffer, dtype=dtype) if length else torch.empty(0, dtype=dtype)
