"""The built-in models, for images of shape [channels, height, width]."""

from importlib import import_module

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limbeck_common.learning.networks.max_pooling import max_pool2
from limbeck_common.learning.networks.split import Split

MODELS = ("cnn", "cnn-dsfl", "mlp", "resnet8", "resnet18")
_SMALL_SIDE = 16  # pixels: on a shorter side, two unpadded 5 x 5 convolutions leave nothing
_RGB = 3  # channels that torchvision's networks are built for


def build_model(name: str, sample_shape: tuple[int, ...], classes: int, features: int = 0) -> nn.Module:
    """Return a freshly initialised model. Initialisation draws from torch's current random state.

    With `features`, the width of what its head is given is brought to that number by adaptive average pooling, so that
    models of different architectures have features and heads of the same shape, as in HtFLlib (arXiv 2506.03954).

    >>> build_model("mlp", (1, 8, 8), classes=10)(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    >>> build_model("cnn", (1, 8, 8), classes=10, features=64).head
    Linear(in_features=64, out_features=10, bias=True)

    Raises:
        KeyError: no built-in model has this name.
    """
    model = _build(name, sample_shape, classes)
    if not features:
        return model
    path = next(path for path, each in reversed(list(model.named_modules())) if isinstance(each, nn.Linear))
    parent, _, last = path.rpartition(".")
    setattr(model.get_submodule(parent), last, nn.Identity())
    return Split(nn.Sequential(model, nn.AdaptiveAvgPool1d(features)), nn.Linear(features, classes))


def _build(name: str, sample_shape: tuple[int, ...], classes: int) -> nn.Module:
    channels, height, width = sample_shape
    match name:
        case "mlp":
            inputs = channels * height * width
            return nn.Sequential(nn.Flatten(), nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, classes))
        case "cnn":
            return CNN(channels, (height, width), classes)
        case "cnn-dsfl":
            return DSFLCNN(channels, (height, width), classes)
        case "resnet8":
            return ResNet8(channels, classes)
        case "resnet18":
            return _resnet18(channels, classes)
        case _:
            raise KeyError(name)


class CNN(nn.Module):
    """The two-convolution network of the PyTorch tutorial: 44,426 parameters on MNIST, 62,006 on CIFAR10.

    Images with a side under 16 pixels get 3 x 3 padded convolutions instead of 5 x 5 unpadded ones.
    """

    def __init__(self, channels: int, size: tuple[int, int], classes: int) -> None:
        super().__init__()
        kernel, padding, pixels = _convolutions(size)
        self.conv1 = nn.Conv2d(channels, 6, kernel, padding=padding)
        self.conv2 = nn.Conv2d(6, 16, kernel, padding=padding)
        self.fc1 = nn.Linear(16 * pixels, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, shape [rows, classes]."""
        x = F.relu(max_pool2(self.conv1(x)))  # the same as pooling after ReLU, on a quarter of the values
        x = F.relu(max_pool2(self.conv2(x)))
        x = F.relu(self.fc1(x.flatten(1)))
        out: Tensor = self.fc3(F.relu(self.fc2(x)))
        return out


class DSFLCNN(nn.Module):
    """The network of DS-FL's paper (arXiv 2008.06180) for MNIST, where it has 583,242 parameters.

    Two 5 x 5 convolutions of 32 and 64 channels and a linear layer of 512, each with ReLU and batch normalisation, the
    convolutions with 2 x 2 max pooling; then a linear layer. Small images are treated as in `CNN`. Only all three
    normalisations give that count; that they follow ReLU is how T. Nishio's FedCS (arXiv 1804.08333) describes a
    similar network.
    """

    def __init__(self, channels: int, size: tuple[int, int], classes: int) -> None:
        super().__init__()
        kernel, padding, pixels = _convolutions(size)
        self.conv1 = nn.Conv2d(channels, 32, kernel, padding=padding)
        self.norm1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, kernel, padding=padding)
        self.norm2 = nn.BatchNorm2d(64)
        self.fc1 = nn.Linear(64 * pixels, 512)
        self.norm3 = nn.BatchNorm1d(512)
        self.fc2 = nn.Linear(512, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, shape [rows, classes]."""
        x = max_pool2(self.norm1(F.relu(self.conv1(x))))
        x = max_pool2(self.norm2(F.relu(self.conv2(x))))
        x = self.norm3(F.relu(self.fc1(x.flatten(1))))
        out: Tensor = self.fc2(x)
        return out


def _convolutions(size: tuple[int, int]) -> tuple[int, int, int]:
    """Return kernel and padding of two convolutions, each followed by pooling, and how many pixels are left."""
    kernel, padding = (3, 1) if min(size) < _SMALL_SIDE else (5, 0)
    lost = kernel - 1 - 2 * padding
    height, width = (((side - lost) // 2 - lost) // 2 for side in size)
    return kernel, padding, height * width


class _Block(nn.Module):
    """A residual block of two 3 x 3 convolutions (He et al. 2016).

    Group normalisation in place of batch normalisation, whose running averages suffer where clients' data differ
    (Hsieh et al., "The non-IID data quagmire of decentralized machine learning", ICML 2020).
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm1 = nn.GroupNorm(8, outputs)
        self.norm2 = nn.GroupNorm(8, outputs)
        self.project = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.project(x))


class ResNet8(nn.Module):
    """Three residual blocks of 16, 32 and 64 channels between a convolution and a linear layer."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 16, 3, 1, 1, bias=False)
        self.norm = nn.GroupNorm(8, 16)
        self.blocks = nn.Sequential(_Block(16, 16, 1), _Block(16, 32, 2), _Block(32, 64, 2))
        self.head = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, shape [rows, classes]."""
        x = self.blocks(F.relu(self.norm(self.stem(x))))
        out: Tensor = self.head(x.mean(dim=(2, 3)))
        return out


def _resnet18(channels: int, classes: int) -> nn.Module:
    # torchvision takes half a second to import, which only this model pays.
    model: nn.Module = import_module("torchvision.models").resnet18(num_classes=classes)
    if channels != _RGB:
        model.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
    return model


def pick_device(wanted: str) -> torch.device:
    """Return the device called `wanted`; for "auto", the first available of cuda, mps and cpu."""
    if wanted != "auto":
        return torch.device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
