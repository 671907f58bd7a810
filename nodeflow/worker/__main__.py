"""`python -m nodeflow.worker` is the child."""

from .worker import main

main()
