"""Why does CLIP think this picture matches this sentence? Information-bottleneck explanations of any ViT CLIP."""
import lazy_loader

# Which name lies in which room is said once, in __init__.pyi, where editors and type checkers look for it too.
# A room is imported when a name of it is first asked for: the command line answers without torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
