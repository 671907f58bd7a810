raise ImportError("nodeflow/node.py has been renamed: import from nodeflow/declaration.py (so that `from nodeflow import node` is the decorator)")
