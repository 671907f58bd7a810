"""The node editor for diffusion."""
