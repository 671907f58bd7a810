"""From the name of a model to networks on a device.

In the order a model passes through: `locate` (where is it: folder, embedded, Hub), `layout` (which components it
has), `files` (which files hold their weights), `headers` (what is in those files, without reading the weights),
`handles` (plain-data handles for the wires, no torch; `alone` for networks that are no part of a model), `load` (a
handle becomes a network), `tokenizer` (text to ids).

Only `load` imports torch, so that `check` can describe a model in milliseconds. Files are believed only after they
are checked: sizes are capped before parsing, names cannot leave their folder, pickles are never opened.
"""

from __future__ import annotations

from .handles import ModelParts, facts, open_model

__all__ = ["ModelParts", "facts", "open_model"]
