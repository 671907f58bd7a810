"""Adapters: small files that change a network's weights, and how a handle carries them.

A `Patch` is plain data on a handle: a file, the part of the model it changes, a strength. `load_weights` builds the
network and applies the patches in order, so whoever borrows a patched handle gets a patched network, and residency
keeps it apart from the plain one.

    patch      a handle with one more patch; a network changed by it
    names      what the names in a file mean
    targets    which layers of a network they stand for
    deltas     what is added to a weight: LoRA, LoHa, LoKr, DoRA, full differences
    blocks     a strength for each block of a network
    exchange   new tensors in the place of parameters that others may share
    fits       which models a file fits, by its header
    mixing     models merged: the weights of others mixed in
    lora       the changes in a file, found for a network and added: W + s · ΔW
    embedding  learnt words: rows behind a text encoder's table, which `load_tokenizer` reads as tokens
    saving     low-rank updates to files that other tools read

What steers a denoiser while it is sampled has a network of its own, and leaves the denoiser's weights alone:

    control       what the controls of a denoiser add at each call; how each kind of network is asked
    control_flow  how those of Flux and Stable Diffusion 3 are
    ip_adapter    what a denoiser reads of pictures beside its text
    shown         what control networks are shown of their pictures

Another kind of adapter is a function (net, tensors, metadata, part, strength) beside `lora.apply`, chosen in `patch`.
May import nodeflow.errors, nodeflow.values, the checkpoints' headers, and torch inside functions.
"""
