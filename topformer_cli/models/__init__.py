"""TopFormer: sizes, blocks, heads, checkpoints."""
