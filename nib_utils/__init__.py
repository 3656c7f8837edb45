"""Why does CLIP think this picture matches this sentence? Information-bottleneck explanations of any ViT CLIP."""
