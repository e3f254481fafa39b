"""The networks that TopFormer is compared with: `table` names, `network` builds them."""
