"""The networks that the paper compares TopFormer with: `table` names, `network` builds them."""
