"""The process boundary: a worker process runs graphs, whoever starts it watches.

    messages  all that is said between the two, as plain data
    channel   messages over a pipe, each with its length before it
    worker    the child: `python -m nodeflow.worker`
    pictures  values as the small encoded pictures that people look at; decoding, results
    running   one run; looking: what a run would do
    client    the parent's end: starts a worker, collects what it says, notices when it dies or hangs
    jobs      a queue of runs over a worker that may die

The child has the same executor as a headless run, and keeps models and results between runs. The parent needs no
torch, no Qt and no event loop: it is told that there is something (`wake`, from another thread) and polls.

Rejected: `multiprocessing` (its children import the parent's main module, and fork copies a Qt process);
stdout as the channel (a node that prints would break it: the child moves its channel away before anything runs);
shared memory for previews (encoded, a preview of a sampler's step has some kilobytes).
"""

from .client import Client, Died
from .jobs import Job, Queue

__all__ = ["Client", "Died", "Job", "Queue"]
