"""`python -m nodeflow` is the `nodeflow` command."""

from .cli import main

main()
