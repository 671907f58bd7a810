"""Training: networks learn from folders of pictures, as `nodeflow.training` describes it in plain data.

In the order of the theory: `process` (how samples are made noisy), `objectives` (what is asked and what an answer
costs), `weighting` and `timesteps` (how much which level counts, and how often it is asked about), `draws` (all
randomness), `optimisers` and `ema` (how weights follow), `loop` (one loop for all), `state` (its file).

May import nodeflow.errors, nodeflow.atomic, nodeflow.values, nodeflow.training, the networks and schedulers beside
it, and torch. The loop is one class around one function, not a framework: an adapter, an autoencoder and a denoiser
differ in the function they hand it.
"""
