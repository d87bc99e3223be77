"""Networks that are ready to train. The public page."""

from ._cnn import CNN as CNN
from ._resnet import PreActResNet as PreActResNet
from ._resnet import ResNet as ResNet
from ._resnet import resnet18 as resnet18
from ._resnet import resnet50 as resnet50
