"""Node packs: where node types come from.

A pack is a folder of Python files, or one file. The core pack is the folder `nodes/`; others come from the
entry-point group `nodeflow.packs` and from `packs/` in the user's data directory.

`find.py` lists the packs and hashes their sources, without running them. `catalogue.py` keeps what they declare as
plain data on disk, so that listing, checking and planning import no pack. `load.py` imports the one file a node is
in. `library.py` puts the three together.

Rejected: packs as importable top-level packages (the core's folder `nodes` would shadow other people's modules), and
one catalogue for all packs (a broken pack would spoil it).
"""

from .library import Library, default_library

__all__ = ["Library", "default_library"]
