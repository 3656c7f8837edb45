"""Any ViT CLIP, from any of three libraries, as two towers that share its parameters."""
