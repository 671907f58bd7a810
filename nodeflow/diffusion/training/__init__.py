"""Training: networks learn from folders of pictures, as `nodeflow.training` describes it in plain data.

    mathematics   process (how samples are made noisy), objectives (what is asked, what an answer costs), weighting
                  and timesteps (how much which level counts, how often it is asked about)
    the loop      draws (all randomness), optimisers and ema (how weights follow), loop, state (its file)
    data          folder (what is there, without torch), buckets (shapes and order), material (clean samples),
                  conditions (what is said of them), store (what is encoded once), bpe (a tokenizer of one's own)
    trainings     tasks (what a micro-batch costs), fresh (networks from scratch), recipes (what is trained on what),
                  course (folder, states, reports)

May import nodeflow.errors, nodeflow.atomic, nodeflow.values, nodeflow.training, nodeflow.media, the rest of the
toolbox, and torch. The loop is one class around one function, not a framework: an adapter, an autoencoder and a
denoiser differ in the function they hand it.
"""
