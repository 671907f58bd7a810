"""Training: a loop that resumes bit-equal, the objectives of diffusion, captioned data, a tokenizer of one's own.

May import nodeflow.errors, nodeflow.atomic, nodeflow.diffusion.models and torch. The loop is one class around one
loss function, not a framework: an adapter, an autoencoder and a denoiser differ in the function they hand it.
"""
