"""Training: networks learn from folders of pictures and sounds, as `nodeflow.training` describes it in plain data.

    mathematics   process (how samples are made noisy), objectives (what is asked, what an answer costs), weighting
                  and timesteps (how much which level counts, how often it is asked about)
    the loop      draws (all randomness), optimisers and ema (how weights follow), loop, state (its file), peers
                  (several processes)
    data          folder (what is there, without torch), buckets (shapes and order), material and clips (clean samples
                  of pictures and of sounds), conditions (what is said of them), completing (what networks are told
                  besides), store (what is encoded once), prior (what must not be forgotten), bpe (a tokenizer of
                  one's own)
    trainings     tasks (what a micro-batch costs), lessons (networks and data made ready), painting (pictures on the
                  way), course (folder, states, reports), curve
    recipes       recipes (whole denoisers; LoRA on lowrank), coding (autoencoders), concepts (words), distillation
                  (few steps, by consistency or progressive; teacher), fresh (networks from scratch)

May import nodeflow.errors, nodeflow.atomic, nodeflow.values, nodeflow.training, nodeflow.media, the rest of the
toolbox, and torch. The loop is one class around one function, not a framework: an adapter, an autoencoder and a
denoiser differ in the function they hand it. The executor's own way to keep the state of an interrupted node is not
used: its key counts the number of steps, and a training asked for more steps shall go on.
"""
