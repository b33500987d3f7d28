# SPDX-License-Identifier: LGPL-2.1-or-later
"""Functions by what they do, for Python, on top of GObject-introspection.

    @moss_ffi.function("transform reverse(text/plain) -> text/plain", pure=True)
    def reverse(text):
        return text[::-1]

    moss_ffi.run()          # offers it until the process ends

    moss_ffi.call("transform reverse(text/plain) -> text/plain", "moss")   # "ssom"

A buffer is bytes (str for text/*), an option a keyword argument. A function whose arguments are all
options needs no signature, its type hints say it:

    @moss_ffi.function("generate greeting")
    def greeting(name: str) -> str:
        return "Hello " + name
"""
import collections
import inspect
import os
import re
import sys
import threading
import typing

import gi

gi.require_version("MossFfi", "1.0")
from gi.repository import GLib, MossFfi  # noqa: E402

HINTS = {bool: "b", int: "x", float: "d", str: "s"}
VALUE = "application/x-moss-value"
SHAPE = re.compile(r"^[^(]*\(([^;)]*)(?:;([^)]*))?\) -> (.*)$")
OPTION = re.compile(r"[a-z][a-z0-9_]*")
NEXT_MEDIA = re.compile(r",\s*(?=[a-z]+/)")
NEXT_OPTION = re.compile(r",\s*(?=[a-z][a-z0-9-]*:)")

_lock = threading.Lock()
_provider = None
_names = collections.Counter()


def _parts(capability):
    """The caps of its inputs, the types of its options, the caps of its output."""
    match = SHAPE.match(capability)
    if not match:
        raise ValueError(f"“{capability}” is no capability")
    inputs = [one for one in NEXT_MEDIA.split(match.group(1).strip()) if one]
    options = [one for one in NEXT_OPTION.split((match.group(2) or "").strip()) if one]
    types = dict(one.rstrip("?").split(":", 1) for one in options)
    return inputs, types, match.group(3)


def _letter(name, what, hint):
    """The type of an option or a result that has this hint."""
    if hint not in HINTS:
        missing = hint is inspect.Parameter.empty
        shown = "no type hint" if missing else f"the hint {inspect.formatannotation(hint)}"
        known = ", ".join(one.__name__ for one in HINTS)
        raise TypeError(f"{name}: {what} has {shown}; there are {known}. For anything else write the whole "
                        "capability, as “transform NAME(text/plain) -> text/plain”")
    return HINTS[hint]


def _by_hints(name, function):
    """ "generate greeting" of a function (name: str, loud: bool = False) -> str is
    "generate greeting(;name:s,loud:b?) -> application/x-moss-value,type=s"."""
    hints = typing.get_type_hints(function)
    empty = inspect.Parameter.empty
    options = []
    for key, one in inspect.signature(function).parameters.items():
        if one.kind not in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY) or not OPTION.fullmatch(key):
            raise TypeError(f"{name}: the argument {one} can't be an option: it needs a name in lower case, "
                            "and to be given by it")
        letter = _letter(name, f"the argument {key}", hints.get(key, empty))
        options.append(f"{key.replace('_', '-')}:{letter}{'' if one.default is empty else '?'}")
    result = _letter(name, "the result", hints.get("return", empty))
    return f"{name}({';' + ','.join(options) if options else ''}) -> {VALUE},type={result}"


def _variant(value, kind=None):
    if isinstance(value, GLib.Variant):
        return value
    if kind is None:
        kind = next((letter for hint, letter in HINTS.items() if isinstance(value, hint)), None)
    if kind is None:
        raise TypeError(f"{value!r} is no bool, int, float or str")
    return GLib.Variant(kind, value)


def _options(capability, given):
    types = _parts(capability)[1]
    return GLib.Variant("a{sv}", {name.replace("_", "-"): _variant(value, types.get(name.replace("_", "-")))
                                  for name, value in given.items()})


def buffer(data, caps):
    """A MossFfi.Buffer of what is one already, of a str, or of what has bytes in it."""
    if isinstance(data, MossFfi.Buffer):
        return data
    if isinstance(data, str):
        data = data.encode()
    try:
        data = bytes(memoryview(data))
    except TypeError:  # bytes (5) would be five zeros
        raise TypeError(f"{type(data).__name__} is no {caps}: it is to be bytes or a str") from None
    return MossFfi.Buffer.new(caps, GLib.Bytes.new(data))


def content(given):
    """The bytes of a buffer; of text/* a str."""
    data = given.get_bytes().get_data() or b""
    return data.decode() if given.get_caps().startswith("text/") else data


def call(capability, *inputs, cancellable=None, want=None, **options):
    """Calls who does this best; GLib.Error when there is no result. What is wanted beside the
    result is in the dict WANT: lossy, quality, licence, local, deadline_us."""
    caps = _parts(capability)[0]
    buffers = [buffer(data, one) for data, one in zip(inputs, caps, strict=True)]
    known = _options(capability, options)
    wanted = {"lossy": "b", "local": "b", "quality": "s", "licence": "s", "deadline-us": "t"}
    everything = {name: known.lookup_value(name) for name in known.keys()}
    for name, value in (want or {}).items():
        name = name.replace("_", "-")
        everything["want:" + name] = GLib.Variant(wanted[name], value)
    result = MossFfi.Client.get_default().call(capability, buffers, GLib.Variant("a{sv}", everything),
                                               cancellable)
    if result.get_n_buffers() == 0:
        value = result.get_value("value")
        return value.unpack() if value is not None else None
    return content(result.get_buffer(0))


def provider():
    """What this process offers; its id is the program's name unless MOSS_FFI_ID says another."""
    global _provider
    with _lock:
        if _provider is None:
            name = os.path.splitext(os.path.basename(sys.argv[0]))[0] or "python"
            _provider = MossFfi.Provider.new(os.environ.get("MOSS_FFI_ID", "python:" + name), "1")
            _provider.set_returns_memory(True)  # what a function gets is a copy
            _provider.set_name(name)
        return _provider


def _answer(invocation, capability, function):
    inputs, _types, output = _parts(capability)
    arguments = [content(invocation.get_input(index)) for index in range(len(inputs))]
    options = {name.replace("-", "_"): value
               for name, value in invocation.get_options().unpack().items()}
    result = function(*arguments, **options)
    if output.startswith(VALUE):
        kind = output.partition("type=")[2] or None
        invocation.set_value("value", _variant(result, kind))
    else:
        invocation.add_output(buffer(result, invocation.get_out_caps() or output))


def function(capability, pure=False, **attributes):
    """Offers the function below it. PURE: its result depends on its arguments alone. Other
    attributes: deterministic, lossy, idempotent, quality, licence."""
    def offer(target):
        text = capability if "(" in capability else _by_hints(capability, target)

        def called(invocation, *_data):
            try:
                _answer(invocation, text, target)
            except (Exception, SystemExit) as error:  # the caller learns it, and the provider goes on
                invocation.return_failure(MossFfi.Error.FAILED, f"{type(error).__name__}: {error}")
            else:
                invocation.return_()

        about = {name.replace("_", "-"): _variant(value) for name, value in attributes.items()}
        _names[target.__name__] += 1
        count = _names[target.__name__]
        label = target.__name__ if count == 1 else f"{target.__name__}-{count}"
        about.update({"pure": GLib.Variant("b", pure), "function": GLib.Variant("s", label)})
        provider().add(text, GLib.Variant("a{sv}", about), called)
        return target
    return offer


def run():
    """Offers what was decorated until the process ends."""
    provider().run()


def quit():
    """Ends run()."""
    provider().quit()
